"""Dumps whose arrays hold something else than their names say: a message, and no traceback."""

from types import SimpleNamespace

import made_runs
import numpy as np
import pytest
import remembered
import rewritten
import test_attention
from running import refused_by

from analysis import __main__ as command_line
from analysis.attention import command as attention
from analysis.calibration import predictions
from analysis.forgetting import command as forgetting
from analysis.forgetting import gains
from analysis.robustness import dump as rewrites
from analysis.similarity import command as similarity
from analysis.states import compared
from tl.runs import WEIGHTS, Run, write_arrays

SPOILED = {
    "strings": lambda x: np.full(x.shape, "x"),
    "empty": lambda x: x[:0] if x.ndim else np.array([]),
    "whole numbers": lambda x: np.full(x.shape, 7),
    "decimals": lambda x: np.full(x.shape, 0.5),
    "bytes": lambda x: np.array(b"[1]"),
    "shorter": lambda x: x[:-1] if x.ndim else x,
    "flat": lambda x: x.ravel()[:3],
    "negative": lambda x: np.full(x.shape, -1),
}


def tagged(folder):
    """A run of ner, with predictions and states of words."""
    found = made_runs.made_run(folder, task="ner")
    ids = np.array([f"sentence-{i}" for i in range(30)])
    keys = np.array([f"key-{i}" for i in range(30)])
    rows = {
        "ids": np.repeat(ids, 3), "words": np.tile(np.arange(3), 30),
        "labels": np.tile([0, 1, 2], 30), "logits": np.tile(np.eye(3), (30, 1)),
        "label_names": np.array(["O", "B-LOC", "I-LOC"]), "n_words": np.full(30, 3),
        "example_ids": ids, "text_keys": keys,
    }  # fmt: skip
    write_arrays(found.arrays("predictions", "test"), rows)
    states = np.random.default_rng(0).normal(size=(90, 3, 4)).astype(np.float16)
    for weights in WEIGHTS:
        hidden = {
            "ids": ids, "text_keys": keys, "mean": states[:30], "first": states[:30],
            "word_states": states, "word_pieces": np.full(90, "piece"),
            "word_examples": np.repeat(np.arange(30), 3),
        }  # fmt: skip
        write_arrays(found.arrays("hidden", "test", weights), hidden)
    return made_runs.made_words(made_runs.made_others(found))


def read_states(run):
    """What probing and projection read."""
    for prop, _ in compared([run], "test", tuple(WEIGHTS)):
        assert len(prop.labels) == len(prop.examples)


def read_similarity(run):
    for pool in ("mean", "word_states"):
        given = SimpleNamespace(results=[run.read_result()], runs=[run], split="test")
        similarity.collect(given, pool)


def read_predictions(run):
    found = predictions.read(run, "test")
    for half in predictions.divide(found):
        assert len(half.labels)


def read_rewrites(run):
    assert rewrites.read(run, "test").texts


def read_attention(run):
    assert attention.compute("run", *attention.read(run, "test")).n_texts


def read_forgetting(run):
    assert gains.compute("run", {0: forgetting.load(run, "test")}).changes


def of_attention(folder):
    dumps = (test_attention.dumped(0), test_attention.dumped(1))
    return made_runs.write_run(folder, test_attention.RESULT, "attention", dumps)


def of_answers(folder):
    some = rewritten.LABELS, rewritten.BEFORE, rewritten.AFTER
    return rewritten.write_run(folder, rewritten.arrays(*some))


CASES = {
    "states": (tagged, read_states),
    "states of texts": (made_runs.made_texts, read_states),
    "similarity": (tagged, read_similarity),
    "calibration": (tagged, read_predictions),
    "calibration of texts": (made_runs.made_texts, read_predictions),
    "robustness": (of_answers, read_rewrites),
    "robustness of words": (
        lambda folder: rewritten.write_run(folder, rewritten.tagged_arrays()), read_rewrites,
    ),
    "attention": (of_attention, read_attention),
    "forgetting": (remembered.write_run, read_forgetting),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_array_of_another_form_is_refused_with_its_file_or_does_not_matter(case, tmp_path):
    make, read = CASES[case]
    made = make(tmp_path / "run")
    run = Run(getattr(made, "path", made))
    read(run)
    refused = 0
    for path in sorted(run.path.glob("*/*.npz")):
        if "random" in path.name or ("pretrained" in path.name and case == "states"):
            continue  # read as the others are
        valid = path.read_bytes()
        with np.load(path) as arrays:
            whole = dict(arrays)
        for name, array in whole.items():
            for spoil in SPOILED.values():
                np.savez(path, **whole | {name: spoil(array)})
                refused += answer(read, run, name) is not None
        path.write_bytes(valid)
    assert refused > 10


def answer(read, run, name):
    """What a reader says, which names a file or a group; None: nothing, it needs no such array."""
    try:
        read(run)
    except ValueError as error:
        message = str(error)
    else:
        return None
    assert str(run.path) in message or name.partition("/")[2] in message
    return message


@pytest.mark.parametrize(
    ("analysis", "make", "file", "name"),
    [
        ("calibration", made_runs.made_texts, "predictions/test.npz", "logits"),
        ("probing", made_runs.made_texts, "hidden/test--pretrained.npz", "mean"),
        ("similarity", made_runs.made_texts, "hidden/test.npz", "mean"),
        ("projection", made_runs.made_texts, "hidden/test.npz", "first"),
        ("robustness", of_answers, "rewrites/test.npz", "source"),
    ],
)
@pytest.mark.parametrize("how", ["strings", "empty"])
def test_the_command_answers_with_the_file_and_what_to_do(
    analysis, make, file, name, how, tmp_path, capsys
):
    """D9f."""
    made = make(tmp_path / "run")
    path = Run(getattr(made, "path", made)).path / file
    with np.load(path) as arrays:
        whole = dict(arrays)
    np.savez(path, **whole | {name: SPOILED[how](whole[name])})
    words = [analysis, str(tmp_path / "run")]
    refused_by(command_line.main, words, capsys, str(path), name, "eval.py")
