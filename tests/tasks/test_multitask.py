"""Several tasks at once: whose step comes when, and that each member is itself."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from adapted import config_of, examples
from running import refused, trained
from tiny import (
    save_model,
    sentiment_records,
    tagged_records,
    tiny_backbone,
    tiny_tokenizer,
    write_splits,
)

import eval
import train
from tl import build
from tl.data.records import Dataset
from tl.seed import generator
from tl.tasks.classification import Classification
from tl.tasks.multitask import MEMBER, Multitask, Options
from tl.tasks.ner import NER

TEXTS, TAGGED = sentiment_records(30), tagged_records(12)


def dataset(texts=TEXTS, tagged=TAGGED):
    records = [
        *(record | {MEMBER: "classification"} for record in texts),
        *(record | {MEMBER: "ner"} for record in tagged),
    ]
    return Dataset("d", {"train": records, "validation": records[::4]})


def task(options=None, labels=None):
    one = Multitask(options or Options(max_length=40), dataset(), tiny_tokenizer(), labels)
    one.prepare(tiny_backbone("bert"))
    return one


def alone():
    """The members as tasks of their own."""
    options = {"max_length": 40}
    return {
        "classification": Classification(
            Classification.Options(**options), Dataset("d", {"train": TEXTS}), tiny_tokenizer()
        ),
        "ner": NER(NER.Options(**options), Dataset("d", {"train": TAGGED}), tiny_tokenizer()),
    }


def test_a_step_is_of_one_member_and_an_epoch_has_every_example_once():
    one = task()
    every = one.examples("train")
    steps = one.steps(every, 8, generator(0, "data/0"))
    assert all(len({every[i].task for i in step}) == 1 for step in steps)
    assert sorted(i for step in steps for i in step) == list(range(42))
    assert len(steps) == one.n_steps(8) == 4 + 2
    again = one.steps(every, 8, generator(0, "data/0"))
    assert steps == again
    assert steps != one.steps(every, 8, generator(0, "data/1"))


def test_notes_are_those_of_each_member():
    texts = [*TEXTS, {"text": "day " * 90, "label": "good"}]
    tagged = [*TAGGED, {"tokens": ["day"] * 90, "ner_tags": ["O"] * 90}]
    one = Multitask(Options(max_length=40), dataset(texts, tagged), tiny_tokenizer())
    of_texts, of_sentences, of_words = one.notes("train", one.examples("train"))
    longer = "are longer than 40 word pieces; the rest is not read (--task.max-length)"
    assert of_texts == f"classification: 1 of 31 train texts {longer}"
    assert of_sentences == f"ner: 1 of 13 train sentences {longer}"
    assert of_words.startswith("ner: 52 words of 1 train sentences are not read")
    assert one.defects() == [
        "classification: 8 of 8 texts of validation also occur in train",
        "ner: 3 of 3 texts of validation also occur in train",
    ]


@pytest.mark.parametrize(
    ("mixing", "temperature", "expected"),
    [
        ("proportional", 2.0, {"a": 80, "b": 20}),
        ("temperature", 1.0, {"a": 80, "b": 20}),
        ("temperature", 2.0, {"a": 67, "b": 33}),  # √80 : √20 = 2 : 1
        ("temperature", 1e6, {"a": 50, "b": 50}),
        ("round-robin", 2.0, {"a": 50, "b": 50}),
    ],
)
def test_turns_come_in_the_shares_of_the_mixing(mixing, temperature, expected):
    one = task(Options(mixing=mixing, temperature=temperature, max_length=40))
    turns = one.turns({"a": 80, "b": 20}, generator(0, "data/0"))
    assert Counter(turns) == expected
    alternates = turns == ["a", "b"] * 50
    assert alternates == (mixing == "round-robin")


def test_a_member_that_comes_more_often_begins_again_in_another_order():
    one = task(Options(mixing="temperature", temperature=1e6, max_length=40))
    every = one.examples("train")
    steps = one.steps(every, 4, generator(0, "data/0"))
    whose = [every[step[0]].task for step in steps]
    assert Counter(whose) == {"classification": 6, "ner": 5}  # alone it has three steps
    of_ner = [step for step, name in zip(steps, whose, strict=True) if name == "ner"]
    assert sorted(i for step in of_ner[:3] for i in step) == list(range(30, 42))
    first, second = ({frozenset(step) for step in part} for part in (of_ner[:3], of_ner[3:]))
    assert not first & second
    assert len(frozenset.union(*second)) == 8


def test_members_encode_and_score_as_they_do_alone():
    one, others = task(), alone()
    every = one.examples("train")
    for name, other in others.items():
        other.prepare(tiny_backbone("bert"))
        own = [example for example in every if example.task == name]
        expected = other.examples("train")
        assert [e.inputs for e in own] == [e.inputs for e in expected]
        assert [e.target for e in own] == [e.target for e in expected]
    rng = np.random.default_rng(0)
    answers = [
        rng.normal(size=2 if e.task == "classification" else (len(e.positions), 5)) for e in every
    ]
    scores = one.score(every, answers)
    for name, other in others.items():
        places = [i for i, example in enumerate(every) if example.task == name]
        own = other.score([every[i] for i in places], [answers[i] for i in places])
        assert {key: scores[f"{name}/{key}"] for key in own} == own
    assert scores["mean"] == pytest.approx(
        (scores["classification/f1_macro"] + scores["ner/f1"]) / 2
    )


def test_batches_for_evaluation_hold_one_member_each():
    one = task()
    every = one.examples("train")
    batches = one.batches(every, 64)
    assert sorted(i for batch in batches for i in batch) == list(range(42))
    assert all(len({every[i].task for i in batch}) == 1 for batch in batches)


def test_labels_are_kept_with_whose_they_are():
    labels = task().labels
    assert labels[:3] == ["classification/bad", "classification/good", "ner/O"]
    again = task(labels=labels)
    assert {n: t.labels for n, t in again.members.items()} == {
        n: t.labels for n, t in task().members.items()
    }


def test_a_step_moves_the_shared_part_and_the_members_own_head():
    config = config_of("ner", "full")
    one = task()
    model = build.adapt(tiny_backbone("bert"), config, one)
    assert set(model.heads) == {"classification", "ner"}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    every = [e for e in one.examples("train") if e.task == "ner"][:4]
    batch = one.collate(every)
    one.loss_sum(model(batch), batch).backward()
    optimizer.step()
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert any(name.startswith("heads.ner") for name in moved)
    assert not any(name.startswith("heads.classification") for name in moved)
    assert any(name.startswith("backbone.") for name in moved)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    made = {}
    for name, records in (("classification", TEXTS), ("ner", TAGGED)):
        splits = {"train": records, "validation": records[::3], "test": records[1::3]}
        made[name] = write_splits(folder / name, splits)
    made["model"] = save_model(folder / "model")
    return made


def words_for(folders, *others):
    data = f"{folders['classification']},{folders['ner']}"
    return [
        *("--task", "multitask", "--task.data", data, "--model", str(folders["model"])),
        *("--task.max-length", "40", "--batch-size", "8", "--device", "cpu"),
        *("--precision", "fp32", "--strategy", "lora", "--epochs", "2", *others),
    ]


def test_a_run_learns_evaluates_and_resumes(folders, tmp_path, capsys):
    words = words_for(folders)
    assert train.main([*words, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    run = trained(words, tmp_path / "runs")
    result = run.read_result()
    assert planned["trainable_parameters"] == result["trainable_parameters"]
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert planned["steps"] == lines[-1]["step"]
    assert any(key.startswith("train/loss/") for line in lines for key in line)
    assert {"mean", "classification/f1_macro", "ner/f1"} <= result["scores"]["test"].keys()
    capsys.readouterr()
    assert eval.main([str(run.path), "--dump", "hidden", "--json"]) == 0
    scored = json.loads(capsys.readouterr().out.splitlines()[-1])["scores"]
    assert scored == result["scores"]["test"]
    arrays = np.load(run.arrays("predictions", "test"))
    assert {"classification/logits", "ner/words"} <= set(arrays)


REFUSALS = {
    "one member": (["--task.members", "ner"], "two tasks or more"),
    "a member twice": (["--task.members", "ner,ner"], "each once"),
    "an unknown member": (["--task.members", "ner,nre"], "'nre'", "'ner'"),
    "one that generates": (["--task.members", "ner,summarization"], "only tasks that label"),
    "itself": (["--task.members", "ner,multitask"], "only tasks that label"),
    "too few data": (["--task.data", "x"], "names 1 data sets for 2 members"),
    "data that are not there": (["--task.data", "x.csv,y.csv"], "'x.csv' does not exist"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_be_mixed_is_refused(folders, here, what, capsys):
    others, *parts = REFUSALS[what]
    refused([*words_for(folders), *others, *here], capsys, *parts)


def test_using_a_run_on_one_tasks_data_or_a_text_is_refused(folders, tmp_path, capsys):
    run = trained(words_for(folders), tmp_path / "runs")
    assert eval.main([str(run.path), "--text", "a day"]) == 2
    assert "a text is labelled by one task" in capsys.readouterr().err
    assert eval.main([str(run.path), "--data", str(folders["ner"] / "test.jsonl")]) == 2
    assert "do not say whose they are" in capsys.readouterr().err
    assert eval.main([str(run.path), "--data", str(folders["ner"])]) == 2
    assert "data of their own" in capsys.readouterr().err


def test_tiny_examples_know_no_task():
    """Examples of a single task carry no name: nothing changes for them."""
    (example,) = examples(alone()["ner"], [3])
    assert example.task == ""
