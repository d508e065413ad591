"""Whatever stands in a file: it is read, or refused with a clear message; nothing else happens.

Valid files are cut, flipped, spliced and stuffed; values of JSON are exchanged for others.
"""

import argparse
import contextlib
import hashlib
import io
import json
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import sentiment_records, tagged_records

from analysis import tables
from tl.checkpoint import load_learned, read_metadata, save_learned
from tl.checkpoint.state import FORMAT, NAME, SEAL_BYTES, load_state, save_state
from tl.command_line import parse
from tl.data import sources
from tl.registry import TASKS, resolve
from tl.runs import Run

FEW = 25
MANY = 100_000  # in all
PIECES = [
    *(b"", b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x85", b"\r", b"\n\n", b"\t"),
    *(b'"', b",", b"NaN", b"-Infinity", b"null", b"[]", b"{}", b"1e999", b"-1", b"\\ud800"),
    *(b"O", b"B-", b"I-X", b"=", b"--", "\u2028ж".encode(), b"a" * 200_000),
    *(b"9" * 5000, b"[" * 5000, b'{"a":' * 5000),  # more than Python's own limits
]


@dataclass(frozen=True)
class Loader:
    """A reader of one file: its name, a valid content, and how it is read in its folder."""

    name: str
    valid: bytes
    read: callable

    def values(self):
        """Contents that were valid once."""
        changed = st.just(self.valid)
        if self.name.endswith(".json"):
            changed = st.one_of(changed, exchanged(json.loads(self.valid)))
        return st.builds(mutated, changed, st.lists(edits, max_size=4))


edits = st.tuples(
    st.sampled_from(["cut", "flip", "insert", "delete", "copy", "overwrite"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
              st.sampled_from(["ner", "full", "", "--", "../x", -1, 10**400, 1e300])),
    lambda inner: st.one_of(st.lists(inner, max_size=3),
                            st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip


def mutated(content, changes):
    for how, place, length, piece in changes:
        i = int(place * len(content))
        j = i + int(length * length * (len(content) - i))
        if how == "cut":
            content = content[:i]
        elif how == "flip" and i < len(content):
            content = content[:i] + bytes([content[i] ^ (1 << int(length * 7))]) + content[i + 1 :]
        elif how == "insert":
            content = content[:i] + piece + content[i:]
        elif how == "delete":
            content = content[:i] + content[j:]
        elif how == "copy":
            content = content[:i] + content[i:j] + content[i:]
        elif how == "overwrite":
            content = content[:i] + piece + content[i + len(piece) :]
    return content[:1_000_000]


def places(value, at=()):
    """The way to every value inside a JSON value."""
    yield at
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places(value[key], (*at, key))


def exchanged(value):
    """The text of a JSON value in which one part is another, or missing, or doubled."""

    def put(at, new, how):
        if not at:
            return json.dumps(new).encode()
        whole = json.loads(json.dumps(value))
        inner = whole
        for key in at[:-1]:
            inner = inner[key]
        if how == "drop":
            del inner[at[-1]]
        else:
            inner[at[-1]] = new
        return json.dumps(whole).encode()

    return st.builds(
        put, st.sampled_from(list(places(value))), json_values, st.sampled_from(["put", "drop"])
    )


def clear(error, path):
    """Whether an error is one that a user can act on: of our own kinds, and with a place in it."""
    if isinstance(error, OSError):
        return True
    of_ours = type(error) in (ValueError, argparse.ArgumentError)
    # A file, a data set, an option, or a name that is not known.
    return of_ours and any(part in str(error) for part in (path.name, "data '", "--", "Known: "))


def fuzz(loader, folder, n):
    path = folder / loader.name
    path.parent.mkdir(exist_ok=True)

    def hangs(*_):
        raise AssertionError("it hangs")

    @settings(
        max_examples=n, deadline=None, database=None, derandomize=n == FEW,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(loader.values())
    def check(content):
        path.write_bytes(content)
        signal.alarm(30)
        refused = None
        try:
            loader.read(path)
        except (ValueError, OSError, argparse.ArgumentError) as error:
            refused = error
        finally:
            signal.alarm(0)
        assert refused is None or clear(refused, path), repr(refused)

    before = signal.signal(signal.SIGALRM, hangs)
    try:
        check()
    finally:
        signal.signal(signal.SIGALRM, before)


# What reads a file.


def as_data(task):
    def read(path):
        of_task = resolve(TASKS, task, "task")
        options = of_task.Options()
        dataset = sources.load(str(path), task, of_task.stratify(options))
        of_task(options, dataset, None)
        assert len(dataset.fingerprint) == 16

    return read


def configuration(path):
    config, _ = parse(["--config", str(path)])
    assert config.run_name
    again, _ = (
        parse(config.command().split(" ")[2:]) if "'" not in config.command() else (config, 0)
    )
    assert again.flags().keys() == config.flags().keys()


def accept(_):
    pass


def resumed(path):
    parse(["--resume", str(path.parent)])


def result(path):
    with contextlib.redirect_stdout(io.StringIO()):
        for table in tables.load([path.parent]):
            assert tables.plain(table)
            assert tables.markdown(table)


def learned(path):
    target = {"A": torch.zeros(2, 3), "b": torch.zeros(4)}
    load_learned(path, target, "b0")
    assert all(isinstance(label, str) for label in read_metadata(path)["labels"])


def state(path):
    load_state(Run(path.parents[1]), accept, accept)


def resealed(path):
    archive = path.read_bytes()[:-SEAL_BYTES]
    seal = NAME + f"{FORMAT:04d} sha256 {hashlib.sha256(archive).hexdigest()}\n".encode()
    path.write_bytes(archive + seal)
    state(path)


# Valid files, and the folders that they lie in.


def jsonl(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def csv_file(records, delimiter=","):
    head = delimiter.join(records[0])
    return "\n".join([head, *(delimiter.join(record.values()) for record in records), ""]).encode()


def conll(records):
    rows = [zip(record["tokens"], record["ner_tags"], strict=True) for record in records]
    return "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in row) for row in rows).encode()


TEXTS, TAGGED = sentiment_records(30), tagged_records(30)
SUMMARIES = [{"text": record["text"], "summary": record["label"]} for record in TEXTS]
CONFIG = parse(["--task", "ner", "--strategy", "lora"])[0].to_json().encode()
COMMAND = "python train.py --task ner --strategy lora --strategy.r 2 --seed 1"
SCORES = {"validation": {"f1": 0.5, "precision": 0.5, "recall": 1.0}}
RESULT = {
    "status": "finished", "command": COMMAND, "task": "ner", "data": "newsroom",
    "data_name": "newsroom", "data_fingerprint": "0123", "strategy": "lora", "seed": 1,
    "metric": "f1", "train_examples": 7, "scores": SCORES, "scores_before": SCORES,
    "trainable_parameters": 10, "total_parameters": 100, "train_seconds": 1.5, "best_epoch": 1,
    "parameter_groups": [{"name": "head", "count": 3, "lr": 0.1, "weight_decay": 0.0}],
    "peak_memory_mib": {"total": 100.0}, "checkpoint_bytes": 1000,
}  # fmt: skip
ENV = {"device": "cpu", "data_fingerprint": "0123", "git_commit": None}
STATE = {
    "progress": {"epoch": 1}, "learned": {"A": torch.ones(2, 3)}, "best": None,
    "optimizer": {"state": {0: {"step": torch.ones(())}}, "param_groups": [{"lr": 0.1}]},
    "random": torch.zeros(8, dtype=torch.uint8), "random_gpu": None, "n_threads": 1,
    "n_bytes": [1, 2], "scores_before": {}, "belongs_to": {"--lr": 0.1},
}  # fmt: skip


def content_of(write, name):
    """What a function writes under a name, as bytes."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return (Path(folder) / name).read_bytes()


def write_learned(folder):
    tensors = {"A": torch.ones(2, 3), "b": torch.ones(4)}
    save_learned(folder / "f", tensors, {"labels": ["ж", "b"], "backbone": "b0"})


STATE_FILE = content_of(lambda folder: save_state(Run(folder), STATE), "checkpoint/state.pt")
LOADERS = {
    "jsonl": Loader("texts.jsonl", jsonl(TEXTS), as_data("classification")),
    "json list": Loader("texts.json", json.dumps(TEXTS[:9]).encode(), as_data("classification")),
    "csv": Loader("texts.csv", csv_file(TEXTS), as_data("classification")),
    "tsv": Loader("texts.tsv", csv_file(TEXTS, "\t"), as_data("classification")),
    "tagged jsonl": Loader("tags.jsonl", jsonl(TAGGED), as_data("ner")),
    "tagged json": Loader("tags.json", json.dumps(TAGGED[:9]).encode(), as_data("ner")),
    "conll": Loader("tags.conll", conll(TAGGED), as_data("ner")),
    "summaries": Loader("sums.json", json.dumps(SUMMARIES[:9]).encode(), as_data("summarization")),
    "configuration": Loader("config.json", CONFIG, configuration),
    "resume": Loader("config.json", CONFIG, resumed),
    "result": Loader("result.json", json.dumps(RESULT).encode(), result),
    "environment": Loader("env.json", json.dumps(ENV).encode(), result),
    "weights": Loader("learned.safetensors", content_of(write_learned, "f"), learned),
    "checkpoint": Loader("checkpoint/state.pt", STATE_FILE, state),
    "checkpoint with a seal": Loader("checkpoint/state.pt", STATE_FILE, resealed),
}


@pytest.fixture
def folder(tmp_path):
    """A folder in which the other files of a run are there, and valid."""
    (tmp_path / "config.json").write_bytes(CONFIG)
    (tmp_path / "env.json").write_text(json.dumps(ENV))
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    return tmp_path


@pytest.mark.parametrize("name", LOADERS)
def test_the_valid_file_is_read(name, folder):
    loader = LOADERS[name]
    (folder / loader.name).parent.mkdir(exist_ok=True)
    (folder / loader.name).write_bytes(loader.valid)
    loader.read(folder / loader.name)


@pytest.mark.parametrize("name", LOADERS)
def test_a_spoiled_file_is_read_or_refused_with_a_clear_message(name, folder):
    fuzz(LOADERS[name], folder, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_100_000_spoiled_files(name, folder):
    fuzz(LOADERS[name], folder, -(-MANY // len(LOADERS)))
