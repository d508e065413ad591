"""Whatever stands in a file: it is read, or refused with a clear message; nothing else happens."""

import hashlib
import io
import json
import shlex
import tempfile
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from adapted import config_of
from fuzzing import Loader, fuzz
from tiny import sentiment_records, tagged_records, tiny_backbone, tiny_tokenizer

from analysis import checked, curves, finished, tables
from tl import build
from tl.checkpoint import load_learned, read_metadata, save_learned
from tl.checkpoint.state import FORMAT, NAME, SEAL_BYTES, load_state, save_state
from tl.command_line import parse
from tl.config import Command
from tl.data import sources
from tl.data.conllu import load_conllu
from tl.data.corpus import Options, documents
from tl.data.corpus.labels import read_labels
from tl.registry import TASKS, resolve
from tl.runs import Run

FEW = 12
MANY = 100_000  # in all

# What reads a file.


BATCH = 8


@cache
def network(generates):
    """A tiny random network; nothing learns here, so all files may share it."""
    return tiny_backbone("bart" if generates else "bert", generates=generates)


def as_data(task):
    """Read data as a run does: records, a task, encoded examples, one pass, scores, a file."""
    of_task, config = resolve(TASKS, task, "task"), config_of(task, "full")
    options = config.task_options
    if of_task.generates:
        options = replace(options, max_summary=3)

    def read(path):
        dataset = sources.load(str(path), task, of_task.stratify(options))
        assert len(dataset.fingerprint) == 16
        made = of_task(options, dataset, tiny_tokenizer(special=not of_task.generates))
        model = build.adapt(network(of_task.generates), config, made).eval()
        for split in dataset.splits:
            examples = made.examples(split)
            made.notes(split, examples)
            assert all(0 < len(example) <= options.max_length for example in examples)
        made.baselines(split)
        some = examples[:BATCH]
        with torch.no_grad():
            loss, answers = made.answer(model, made.collate(some))
        assert torch.isfinite(loss)
        assert made.score(some, answers)
        np.savez(io.BytesIO(), **made.arrays(some, answers))
        json.dumps(made.labels, ensure_ascii=False).encode()

    return read


def as_articles(path):
    for article in documents([path], Options()):
        json.dumps(article, ensure_ascii=False).encode()


def as_labels(path):
    labels = read_labels(path, None, "utf-8")
    json.dumps(labels.sentiment, ensure_ascii=False).encode()


def as_trees(path):
    for sentence in load_conllu(str(path), "utf-8").splits["test"]:
        json.dumps(sentence, ensure_ascii=False).encode()


def configuration(path):
    """A configuration is what it says, and nothing but a configuration."""
    config, command = parse(["--config", str(path)])
    assert command == Command(config=str(path))
    assert {*json.loads(path.read_text())} <= {*asdict(config)}
    assert config.run_name
    assert parse(shlex.split(config.command())[2:])[0].to_json() == config.to_json()


def accept(_):
    pass


def resumed(path):
    _, command = parse(["--resume", str(path.parent)])
    assert command == Command(resume=str(path.parent))


def result(path):
    found = finished.read(Run(path.parent))
    tables.check(found)
    for table in tables.compute([found]):
        assert tables.plain(table)
        assert tables.markdown(table)


def drawn(path):
    run = Run(path.parent)
    found = run.read_result()
    assert curves.sentence(curves.compute(checked.history(run, found), found))


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
TREE = "# sent_id = a\n" + "".join(
    f"{i}\t{word}\t_\t{upos}\t_\t_\t{head}\t_\t_\t_\n"
    for i, word, upos, head in ((1, "anna", "PROPN", 2), (2, "sings", "VERB", 0))
)
SUMMARIES = [{"text": record["text"], "summary": record["label"]} for record in TEXTS]
CONFIG = parse(["--task", "ner", "--strategy", "lora"])[0].to_json().encode()
COMMAND = "python train.py --task ner --strategy lora --strategy.r 2 --seed 1"
OF_A_COMMAND = (*asdict(Command()), "help")
SCORES = {"validation": {"f1": 0.5, "precision": 0.5, "recall": 1.0}}
RESULT = {
    "status": "finished", "command": COMMAND, "task": "ner", "data": "newsroom",
    "data_name": "newsroom", "data_fingerprint": "0123", "strategy": "lora", "seed": 1,
    "metric": "f1", "train_examples": 7, "scores": SCORES, "scores_before": SCORES,
    "baselines": {"validation": {"majority": {"f1": 0.1}}},
    "trainable_parameters": 10, "total_parameters": 100, "train_seconds": 1.5, "best_epoch": 1,
    "parameter_groups": [{"name": "head", "count": 3, "lr": 0.1, "weight_decay": 0.0}],
    "peak_memory_mib": {"total": 100.0}, "checkpoint_bytes": 1000,
}  # fmt: skip
METRICS = jsonl([
    {"step": 0, "validation/f1": 0.1},
    {"step": 1, "train/loss": 2.0, "grad_norm/head": 3.0, "lr/head": 0.1},
    {"step": 3, "epoch": 1, "train/loss_of_epoch": 1.5, "validation/f1": 0.5},
])  # fmt: skip
ENV = {"device": "cpu", "data_fingerprint": "0123", "git_commit": None}
STATE = {
    "progress": {"epoch": 1}, "learned": {"A": torch.ones(2, 3)}, "best": None,
    "optimizer": {"state": {0: {"step": torch.ones(())}}, "param_groups": [{"lr": 0.1}]},
    "random": torch.zeros(8, dtype=torch.uint8), "random_gpu": None, "n_threads": 1,
    "n_bytes": [1, 2], "scores_before": {}, "belongs_to": {"--lr": 0.1},
}  # fmt: skip


def content_of(write, name):
    """What a function writes under a name, as bytes."""
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
    "articles": Loader("raw.jsonl", jsonl(TEXTS), as_articles),
    "articles in csv": Loader("raw.csv", csv_file(TEXTS), as_articles),
    "labels": Loader("labels.jsonl", jsonl(TEXTS), as_labels),
    "trees": Loader("a.conllu", f"{TREE}\n{TREE}\n".encode(), as_trees),
    "configuration": Loader("config.json", CONFIG, configuration, foreign=OF_A_COMMAND),
    "resume": Loader("config.json", CONFIG, resumed, foreign=OF_A_COMMAND),
    "result": Loader("result.json", json.dumps(RESULT).encode(), result),
    "environment": Loader("env.json", json.dumps(ENV).encode(), result),
    "result, for curves": Loader("result.json", json.dumps(RESULT).encode(), drawn),
    "metrics": Loader("metrics.jsonl", METRICS, drawn),
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
    (tmp_path / "metrics.jsonl").write_bytes(METRICS)
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
