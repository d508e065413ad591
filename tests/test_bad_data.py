"""Bad data are refused before anything is written; the message names file and line."""

import json

import pytest
from running import FULL, refused, write_text
from tiny import sentiment_records, tagged_records, write_splits


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def unseen_label(folder):
    records = {split: sentiment_records(8) for split in ("train", "validation", "test")}
    records["test"][3]["label"] = "neutral"
    return write_splits(folder, records)


def one_label(folder):
    record = {"text": "a day", "label": "good"}
    return write_splits(folder, {"train": [record] * 4, "validation": [record]})


BAD_DATA = {
    "empty file": (
        lambda folder: write_text(folder / "data.jsonl", ""),
        *("data", "has no records"),
    ),
    "empty split": (
        lambda folder: write_splits(folder, {"train": sentiment_records(4), "validation": []}),
        *("has no records in validation",),
    ),
    "directory without a split": (
        lambda folder: write_splits(folder, {"train": sentiment_records(4)}),
        *("lacks a split: validation", "Found train.jsonl", "dev"),
    ),
    "unknown kind of file": (
        lambda folder: write_text(folder / "data.docx", "x"),
        *("'.docx'", ".jsonl", ".csv", ".conll"),
    ),
    "missing column": (
        lambda folder: write_text(
            folder / "d.jsonl",
            lines(*({"body": f"day {i}", "label": "ab"[i % 2]} for i in range(40))),
        ),
        *("text", "--task.text"),
    ),
    "malformed line": (
        lambda folder: write_text(folder / "d.jsonl", lines({"text": "a"}) + '{"text": \n'),
        *("d.jsonl, line 2", "bad JSON"),
    ),
    "line that is no object": (
        lambda folder: write_text(folder / "d.jsonl", lines({"text": "a"}, ["a"])),
        *("d.jsonl, line 2", "expected a JSON object", "list"),
    ),
    "row of another length": (
        lambda folder: write_text(folder / "d.csv", "text,label\na,b\na,b,c\n"),
        *("d.csv, line 3", "3 fields", "text, label"),
    ),
    "other encoding": (
        lambda folder: write_text(folder / "d.csv", "text,label\nдым,b\n", "cp1251"),
        *("d.csv, line 2", "not valid utf-8", "--encoding"),
    ),
    "label that train has not": (
        unseen_label,
        *("test has labels that train has not: neutral", "bad, good"),
    ),
    "one label": (one_label, "one label only, 'good'", "--task.label"),
}


@pytest.mark.parametrize(("make", "parts"), [(m, p) for m, *p in BAD_DATA.values()], ids=BAD_DATA)
def test_bad_data_are_refused(make, parts, basic, here, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    data = make(tmp_path / "data")
    refused([*basic, *FULL, *here, "--data", str(data)], capsys, *parts)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("record", "parts"),
    [
        ({"text": "anna", "label": "x"}, ["tokens"]),
        ({"tokens": ["anna", "saw"], "ner_tags": ["B-PER"]}, ["2 tokens but 1 tags"]),
        ({"tokens": ["anna"], "ner_tags": ["X-PER"]}, ["'X-PER'", "B-PER"]),
        ({"tokens": ["anna"], "ner_tags": ["B-ZOO"]}, ["train has not: B-ZOO", "B-PER"]),
    ],
)
def test_bad_tags_are_refused(record, parts, basic, here, tmp_path, capsys):
    splits = {"train": tagged_records(8), "validation": tagged_records(8), "test": [record]}
    data = write_splits(tmp_path / "data", splits)
    words = [*basic, *FULL, *here, "--task", "ner", "--data", str(data)]
    refused(words, capsys, *parts)
    assert not (tmp_path / "runs").exists()
