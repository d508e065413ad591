"""The groups of `--dump forgetting` and `--dump source`, and what each holds."""

import numpy as np
import pytest
from running import refused_by, trained
from tiny import sentiment_records, tagged_records, write_jsonl, write_splits

import eval
from tl.data.newsroom import SIZES, newsroom
from tl.dumps.forgetting import fresh
from tl.dumps.outputs import BATCH_SIZE

PAIRS = [
    {"text_1": f"the {a} day", "text_2": f"a {b} day", "label": label}
    for a, b, label in [("good", "fine", "paraphrase"), ("good", "bad", "non_paraphrase"),
                        ("bad", "poor", "near_paraphrase")] * 4
]  # fmt: skip


@pytest.fixture(scope="module")
def features(basic, tmp_path_factory):
    """A finished run whose backbone is frozen; read only but for dumps."""
    words = [*basic, "--strategy", "feature_extraction"]
    return trained(words, tmp_path_factory.mktemp("features"))


def dump(run, kind, *words, weights="trained,pretrained"):
    given = [str(run.path), "--dump", kind, "--weights", weights, "--limit", "7", *words]
    assert eval.main(given) == 0


def both(run, kind, name):
    found = []
    for weights in ("pretrained", "trained"):
        with np.load(run.arrays(kind, name, weights)) as arrays:
            found.append(dict(arrays))
    return found


def test_a_frozen_backbone_has_the_same_arrays_before_and_after(features):
    """F3: exactly."""
    dump(features, "forgetting", "--split", "validation")
    before, after = both(features, "forgetting", "validation")
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


def test_groups_of_a_run(features):
    dump(features, "forgetting", "--split", "test", weights="trained,pretrained")
    _, after = both(features, "forgetting", "test")
    own = "sentiment test"  # the folder of the data, and the split
    assert after["own"].tolist() == [own]
    assert "has no language-modelling head" in str(after["no_language_model"])
    kinds = {"states", "labels", "items"}
    named = {key.partition("/")[2] for key in after if key.partition("/")[0] in kinds}
    corpora = {f"{name} {what}" for name in ("newsroom", "newsroom-ru")
               for what in ("sentiment", "names")}  # fmt: skip
    assert named == {own} | corpora
    assert after[f"states/{own}"].shape == (7, 16)
    assert after["items/newsroom names"].max() == 6
    assert len(after["labels/newsroom names"]) == len(after["states/newsroom names"])
    assert after["cosines/newsroom headlines"].shape == (7,)
    assert set(after["grades/newsroom headlines"]) == {0.0, 2.0}


def test_no_run_has_learned_from_the_embedded_texts():
    for language in ("en", "ru"):
        made = {record["text"] for record in fresh(language, 300)}
        for subset in SIZES:
            splits = newsroom(language, subset).splits
            assert not made & {record["text"] for records in splits.values() for record in records}


@pytest.mark.parametrize(
    ("records", "keys"),
    [
        (sentiment_records(40), {"states", "labels", "items"}),
        (tagged_records(40), {"states", "labels", "items"}),
        (PAIRS, {"cosines", "grades"}),
    ],
)
def test_source_takes_texts_words_and_pairs(records, keys, dumping, tmp_path):
    splits = {"train": records[:1], "validation": records[:1], "test": records}
    folder = write_splits(tmp_path / "other", splits)
    dump(dumping, "source", "--data", str(folder))
    before, after = both(dumping, "source", "other-test")
    about = {"no_language_model", "data", "data_name"}
    assert {key.partition("/")[0] for key in after} - about == keys
    assert str(after["data"]) == str(folder)
    assert all(key.endswith("/other test") for key in after if "/" in key)
    moving = "cosines/other test" if "cosines" in keys else "states/other test"
    assert not np.array_equal(before[moving], after[moving])


def test_labelled_texts_are_cut_by_the_limit_and_words_by_their_number(
    dumping, tmp_path, monkeypatch
):
    monkeypatch.setattr("tl.dumps.knowledge.MOST_WORDS", 1)
    for name, records in (("t", sentiment_records(40)), ("w", tagged_records(40))):
        splits = {"train": records[:1], "validation": records[:1], "test": records}
        folder = write_splits(tmp_path / name, splits)
        dump(dumping, "source", "--data", str(folder), "--limit", "40", weights="trained")
    n_texts = {}
    for name in ("t", "w"):
        with np.load(dumping.arrays("source", f"{name}-test")) as arrays:
            n_texts[name] = len(set(arrays[f"items/{name} test"]))
    assert n_texts == {"t": 40, "w": BATCH_SIZE}


def test_grades_of_pairs(dumping, tmp_path):
    folder = write_splits(tmp_path / "p", {"train": PAIRS, "validation": PAIRS, "test": PAIRS})
    dump(dumping, "source", "--data", str(folder), weights="trained")
    with np.load(dumping.arrays("source", "p-test")) as arrays:
        assert arrays["grades/p test"].tolist() == [2.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0]


def test_data_without_labels_are_refused(dumping, tmp_path, capsys):
    path = write_jsonl(tmp_path / "bare.jsonl", [{"text": f"day {i}"} for i in range(20)])
    words = [str(dumping.path), "--dump", "source", "--data", str(path)]
    refused_by(eval.main, words, capsys, "no labels", "text_1, text_2 and label")
    refused_by(eval.main, words[:3], capsys, "--data")
    one = write_jsonl(tmp_path / "one.jsonl", [{"text": f"{i}", "label": "x"} for i in range(20)])
    refused_by(
        eval.main, [*words[:4], str(one)], capsys, "one.jsonl test, the first 3", "one label"
    )
