"""Hub data sets as records; no network: tables built in memory, or the Hub switched off."""

import os
import subprocess
import sys

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from tl.data.hub import plain_splits
from tl.data.sources import load

OFFLINE = """
from tl.data.sources import load
try:
    load("owner/name", "classification", "label")
except ValueError as error:
    print(error)
"""


def table(columns, **features):
    return Dataset.from_dict(columns, features=Features(features))


LABELLED = {"text": Value("string"), "label": ClassLabel(names=["bad", "good"])}


def test_classes_become_names_and_splits_their_usual_names():
    part = table({"text": ["a", "b"], "label": [1, 0]}, **LABELLED)
    splits, warnings = plain_splits(DatasetDict(train=part, dev=part, test=part))
    records = [{"text": "a", "label": "good"}, {"text": "b", "label": "bad"}]
    assert splits == {"train": records, "validation": records, "test": records}
    assert warnings == []


def test_lists_of_classes_become_names():
    tags = List(ClassLabel(names=["O", "B-PER"]))
    columns = {"tokens": [["Anna", "sang"]], "ner_tags": [[1, 0]]}
    part = table(columns, tokens=List(Value("string")), ner_tags=tags)
    splits, _ = plain_splits(DatasetDict(train=part))
    assert splits == {"train": [{"tokens": ["Anna", "sang"], "ner_tags": ["B-PER", "O"]}]}


def test_half_a_surrogate_pair_in_the_name_of_a_class_is_refused(monkeypatch):
    def named(value, feature):
        return "\ud83d" if value == 1 else str(value)

    monkeypatch.setattr("tl.data.hub._named", named)
    table = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    with pytest.raises(ValueError, match=r"record 1 of train: .*half a surrogate pair"):
        plain_splits(DatasetDict(train=table))


def test_unknown_splits_and_unlabelled_splits_are_left_out():
    part = table({"text": ["a"], "label": [1]}, **LABELLED)
    unlabelled = table({"text": ["a"], "label": [-1]}, **LABELLED)
    loaded = DatasetDict(train=part, validation=part, test=unlabelled, extra=part)
    splits, warnings = plain_splits(loaded)
    assert set(splits) == {"train", "validation"}
    assert "'test' is left out: its labels are not published" in warnings[0]
    assert "'extra' is left out" in warnings[1]


def test_one_missing_class_is_no_value():
    part = table({"text": ["a", "b"], "label": [1, -1]}, **LABELLED)
    splits, _ = plain_splits(DatasetDict(train=part))
    assert [record["label"] for record in splits["train"]] == ["good", None]


def test_columns_that_json_cannot_hold_are_left_out():
    part = table({"text": ["a"], "raw": [b"x"]}, text=Value("string"), raw=Value("binary"))
    splits, warnings = plain_splits(DatasetDict(train=part))
    assert splits == {"train": [{"text": "a"}]}
    assert warnings == ["columns of train left out, neither text nor numbers: raw"]


def test_two_splits_of_one_meaning():
    part = table({"text": ["a"]}, text=Value("string"))
    with pytest.raises(ValueError, match="two splits mean validation"):
        plain_splits(DatasetDict(train=part, dev=part, validation=part))


def test_a_table_read_by_the_library_itself_loads_completely(tmp_path, monkeypatch):
    lines = [f'{{"text": "text {i}", "label": {i % 2}}}\n' for i in range(40)]
    (tmp_path / "train.jsonl").write_text("".join(lines))
    read = Dataset.from_json(str(tmp_path / "train.jsonl"), cache_dir=str(tmp_path / "cache"))
    asked = []

    def load_dataset(*arguments):
        asked.append(arguments)
        return DatasetDict(train=read)

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    dataset = load("owner/name:first", "classification", "label")
    assert asked == [("owner/name", "first")]
    assert dataset.name == "owner/name:first"
    assert {split: len(part) for split, part in dataset.splits.items()} == {
        "train": 28,
        "validation": 6,
        "test": 6,
    }
    assert dataset.splits["train"][0] == {"text": "text 0", "label": 0}


def test_without_the_hub_the_message_says_what_works():
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "'owner/name'" in done.stdout
    assert "Couldn't reach" in done.stdout
    assert "embedded data sets (newsroom, newsroom-ru) and local files work offline" in done.stdout
    assert done.stderr == ""
