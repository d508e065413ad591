"""One entry point for every data set, and the messages when there is none."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import write_jsonl

from tl.data.records import Dataset
from tl.data.sources import load, require_columns, require_tagged
from tl.data.splits import defects

REAL = Path(__file__).parents[3] / "shared" / "data"
LINES = '{"text": "Rain again", "label": "bad"}\n{"text": "Sun at last", "label": "good"}\n'
CSV = "text,label\nRain tonight,bad\nSun tonight,good\n"
CONLL = "Anna\tB-PER\nsang\tO\n\t\nRain\tO\n"


def directory(tmp_path, **files):
    for name, content in files.items():
        (tmp_path / name.replace("__", ".")).write_text(content)
    return str(tmp_path)


def sizes(dataset):
    return {split: len(records) for split, records in dataset.splits.items()}


@pytest.fixture
def no_hub(monkeypatch):
    def refuse(*_):
        raise ConnectionError("Couldn't reach it")

    monkeypatch.setattr("datasets.load_dataset", refuse)


@pytest.mark.parametrize(("name", "language"), [("newsroom", "en"), ("newsroom-ru", "ru")])
def test_embedded_names(monkeypatch, name, language):
    fake = SimpleNamespace(newsroom=lambda *arguments: arguments)
    monkeypatch.setitem(sys.modules, "tl.data.newsroom", fake)
    assert load(name, "ner", ()) == (language, "ner")


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("validation", ["valid", "validation", "val", "dev"])
def test_directory_with_a_file_per_split(tmp_path, train, validation):
    files = {
        f"{train}__jsonl": LINES,
        f"{validation}__csv": CSV,
        "test__tsv": "text\tlabel\nNo\tbad\n",
    }
    dataset = load(directory(tmp_path, **files, LICENSE="free"), "classification", "label")
    assert dataset.name == tmp_path.name
    assert sizes(dataset) == {"train": 2, "validation": 2, "test": 1}
    assert dataset.splits["test"] == [{"text": "No", "label": "bad"}]
    assert dataset.warnings == ()


def test_directory_of_columns(tmp_path):
    dataset = load(directory(tmp_path, train__txt=CONLL, valid__conll="Oslo S-LOC\n"), "ner", ())
    assert sizes(dataset) == {"train": 2, "validation": 1}
    assert dataset.splits["validation"] == [{"tokens": ["Oslo"], "ner_tags": ["B-LOC"]}]
    assert any("BIOES" in warning for warning in dataset.warnings)
    assert any("no test split" in warning for warning in dataset.warnings)
    require_tagged(dataset)


def test_json_tags_are_converted_too(tmp_path):
    line = '{"tokens": ["Anna", "Lee"], "ner_tags": ["I-PER", "I-PER"]}\n'
    dataset = load(directory(tmp_path, train__jsonl=line, dev__jsonl=line), "ner", ())
    assert dataset.splits["train"][0]["ner_tags"] == ["B-PER", "I-PER"]
    assert any("IOB1" in warning for warning in dataset.warnings)


def test_one_file_is_cut_the_same_every_time(tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("text,label\n" + "".join(f"text {i % 50},{i % 2}\n" for i in range(100)))
    dataset = load(str(path), "classification", "label")
    assert sizes(dataset) == {"train": 68, "validation": 16, "test": 16}
    assert dataset.fingerprint == load(str(path), "classification", "label").fingerprint
    assert len(dataset.warnings) == 1
    assert defects(dataset.splits, ["text", "label"], "label") == [], "no text in two splits"


def test_defects_are_kept_and_announced(tmp_path):
    where = directory(tmp_path, train__csv=CSV, dev__csv=CSV + '"",bad\n')
    dataset = load(where, "classification", "label")
    assert sizes(dataset) == {"train": 2, "validation": 3}
    found = defects(dataset.splits, ["text", "label"], "label")
    assert "1 of 3 values of `text` in validation are empty" in found
    assert "2 of 3 texts of validation also occur in train" in found


def test_encoding_reaches_every_file(tmp_path):
    for split in ("train", "dev"):
        (tmp_path / f"{split}.txt").write_bytes("Москва\tB-LOC\n".encode("cp1251"))
    with pytest.raises(ValueError, match=r"train\.txt, line 1: .*cp1251 for Russian"):
        load(str(tmp_path), "ner", ())
    dataset = load(str(tmp_path), "ner", (), encoding="cp1251")
    assert dataset.splits["train"][0]["tokens"] == ["Москва"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "lacks a split: train and validation. Found nothing; expected one file per split"),
        (
            {"train__csv": CSV, "test__csv": CSV},
            "lacks a split: validation. Found test.csv, train.csv",
        ),
        ({"dev__csv": CSV, "all__csv": CSV}, "lacks a split: train. Found all.csv, dev.csv"),
        (
            {"train__csv": CSV, "train__jsonl": LINES},
            "two files for train: train.csv and train.jsonl",
        ),
        ({"dev__csv": CSV, "valid__csv": CSV}, "two files for validation: dev.csv and valid.csv"),
        ({"train__csv": CSV, "dev__conllu": ""}, "files ending in '.conllu' are not read"),
        ({"train__csv": CSV, "dev__csv": ""}, "has no records in validation"),
        ({"train__csv": "text,label\n", "dev__csv": CSV}, "has no records in train"),
    ],
)
def test_incomplete_directory(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        load(directory(tmp_path, **files), "classification", "label")


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.csv", "empty.txt"])
def test_empty_file(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="has no records in train"):
        load(str(tmp_path / name), "classification", "label")


@pytest.mark.parametrize(
    "name", ["~nosuchuser/x", "./none", "/none/there", "none.csv", "a/b/c", "C:\\none", ""]
)
def test_a_path_that_does_not_exist(name):
    with pytest.raises(ValueError, match="does not exist; give a file or directory"):
        load(name, "classification", "label")


@pytest.mark.parametrize("name", ["nothing", "owner/nothing", "owner/nothing:part"])
def test_a_hub_id_that_cannot_be_loaded(no_hub, name):
    with pytest.raises(ValueError, match=rf"'{name}' .*ConnectionError: .*work offline$"):
        load(name, "classification", "label")


def test_the_nearest_embedded_name_is_offered(no_hub):
    with pytest.raises(ValueError, match="Did you mean 'newsroom'"):
        load("newsrom", "classification", "label")


def test_required_columns():
    records = [{"text": "a", "label": "x"}, {"text": "b", "label": None}]
    dataset = Dataset("mine", {"train": records[:1], "test": records})
    require_columns(dataset, ["text"], "")
    advice = "name it with --task.label-column"
    with pytest.raises(ValueError, match=f"'mine' has no column 'topic' .* text, label; {advice}"):
        require_columns(dataset, ["text", "topic"], advice)
    with pytest.raises(ValueError, match="record 1 of test has no value in 'label'"):
        require_columns(dataset, ["label"], advice)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tokens": ["a", "b"], "ner_tags": ["O"]}, "record 1 of train has 2 tokens but 1 tags"),
        ({"tokens": "a", "ner_tags": ["O"]}, "record 1 of train: `tokens` is not a list"),
        ({"tokens": ["a"], "ner_tags": [1]}, "record 1 of train: `ner_tags` is not a list of tags"),
        ({"tokens": ["a"]}, "no column 'ner_tags'"),
    ],
)
def test_required_tags(record, message):
    dataset = Dataset("mine", {"train": [{"tokens": ["a"], "ner_tags": ["O"]}, record]})
    with pytest.raises(ValueError, match=message):
        require_tagged(dataset)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data for checks are not beside the project")
@pytest.mark.parametrize(
    ("name", "expected", "n_warnings"),
    [
        ("emotion", (16000, 2000, 2000), 3),
        ("wnut17", (3394, 1009, 1287), 0),
        ("factrueval2016", (1636, 133, 3138), 0),
        ("agnews_headlines", (6095, 728, 777), 0),
        ("scitldr", (1000, 300, 300), 0),
        ("rte", (2490, 277), 2),
        ("terra", (2616, 307), 2),
        ("paraphraser_ru", (6493, 734, 1924), 2),
    ],
)
def test_real_data(name, expected, n_warnings):
    dataset = load(str(REAL / name), "classification", "label")
    assert tuple(sizes(dataset).values()) == expected
    columns = [name for name in dataset.columns("train") if name != "jaccard"]
    found = [*dataset.warnings, *defects(dataset.splits, columns, None)]
    assert len(found) == n_warnings
    if name == "emotion":
        assert "11 of 2000 texts of test also occur in train" in found
    if name == "terra":
        assert "204 of 307 texts of validation also occur in train" in found


ALIKE = {
    "space": ["good", " good", "good  "],
    "case": ["good", "Good", "GOOD"],
    "normal form": ["caf\u00e9", "cafe\u0301", "CAF\u00c9"],
}


@pytest.mark.parametrize("names", ALIKE.values(), ids=ALIKE)
def test_labels_that_look_alike_are_named(names, tmp_path):
    labels = [*names, "bad"] * 12
    records = [{"text": f"day {i}", "label": label} for i, label in enumerate(labels)]
    (note,) = [note for note in load_labels(tmp_path, records) if "differ only by" in note]
    assert all(repr(name) in note for name in names)
    assert "'bad'" not in note


def load_labels(folder, records):
    path = write_jsonl(folder / "data.jsonl", records)
    return load(str(path), "classification", ("label",)).warnings


def test_labels_that_differ_otherwise_are_not_named(tmp_path):
    records = [{"text": f"day {i}", "label": "abc"[i % 3]} for i in range(40)]
    assert not [note for note in load_labels(tmp_path, records) if "differ only by" in note]


def test_types_of_names_that_look_alike_are_named(tmp_path):
    records = [
        {"tokens": [f"a{i}"], "ner_tags": [("B-PER", "B-per", "O")[i % 3]]} for i in range(40)
    ]
    path = write_jsonl(tmp_path / "data.jsonl", records)
    assert any("'PER', 'per'" in note for note in load(str(path), "ner", ()).warnings)
