"""Cutting splits: shares, labels, duplicates, and the same cut every time."""

import json
import random
from collections import Counter

import pytest

from tl.data.splits import complete_splits, defects, divide, text_keys


def records(n=200, labels=("good", "bad", "bad", "fair")):
    return [{"text": f"text {i}", "label": labels[i % len(labels)]} for i in range(n)]


def test_train_alone_is_cut_70_15_15_with_equal_shares_of_labels():
    splits, warnings = complete_splits({"train": records()}, "label")
    assert {split: len(part) for split, part in splits.items()} == {
        "train": 140,
        "validation": 30,
        "test": 30,
    }
    assert "cut from train" in warnings[0]
    for part in splits.values():
        counts = Counter(record["label"] for record in part)
        assert counts["bad"] / len(part) == pytest.approx(0.5, abs=0.05)


def test_the_cut_depends_on_texts_alone():
    def texts(part):
        return {record["text"] for record in part}

    forward, _ = complete_splits({"train": records()}, "label")
    backward, _ = complete_splits({"train": records()[::-1]}, "label")
    for split, part in forward.items():
        assert texts(part) == texts(backward[split])


def shuffled(rows, seed):
    return random.Random(seed).sample(rows, len(rows))


def cut_of(rows, seed, stratify="label"):
    """The records of each split, in an order of their own."""
    splits = divide(shuffled(rows, seed), ["validation", "test"], stratify)
    return {split: sorted(map(json.dumps, part)) for split, part in splits.items()}


@pytest.mark.parametrize("n_twice", [1, 30])
def test_the_cut_is_the_same_where_texts_have_two_labels(n_twice):
    """A text counts with the least of its labels, not with that of its first record."""
    twice = [record | {"label": "good"} for record in records()[1 : n_twice * 4 : 4]]
    cuts = [cut_of([*records(), *twice], seed) for seed in range(4)]
    assert cuts[1:] == cuts[:-1]
    assert [len(part) for part in cuts[0].values()] != [len(records()) + n_twice, 0, 0]


def test_the_column_of_the_text_does_not_depend_on_the_order_of_the_file():
    """Two columns with as many characters each, in records whose columns come in two orders."""
    rows = [{"a": f"{i:03}", "b": f"{7 * i % 200:03}", "label": "x"} for i in range(200)]
    rows = [row if i % 2 else dict(reversed(row.items())) for i, row in enumerate(rows)]
    keys = [text_keys(shuffled(rows, seed), "label") for seed in range(6)]
    assert len({frozenset(Counter(some).items()) for some in keys}) == 1
    assert all(some[0] == shuffled(rows, seed)[0]["a"] for seed, some in enumerate(keys))


@pytest.mark.parametrize("n_rare", [1, 3, 12])
def test_every_label_keeps_a_text_in_train_also_where_texts_have_two(n_rare):
    """The rare labels stand only at texts that have another label too, at its first record."""
    rows = records(67, ("good", "bad"))
    twice = [rows[5 * i] | {"label": f"rare {i}"} for i in range(n_rare)]
    for seed in range(3):
        splits = divide(shuffled([*rows, *twice], seed), ["validation", "test"], "label")
        known = {record["label"] for record in splits["train"]}
        assert known == {"good", "bad", *(f"rare {i}" for i in range(n_rare))}
        assert 8 <= len({r["text"] for r in splits["test"]}) <= 10
    again = [cut_of([*rows, *twice], seed) for seed in range(3)]
    assert again[0] == again[1] == again[2]


def test_every_type_of_entity_keeps_a_text_in_train():
    def sentence(i):
        tags = ["B-PER", "O"] if i % 5 else [f"B-rare{i}", "O"]
        return {"tokens": [f"name{i}", "left"], "ner_tags": tags}

    splits = divide([sentence(i) for i in range(60)], ["validation", "test"], None)
    known = {tag for record in splits["train"] for tag in record["ner_tags"]}
    every = {tag for part in splits.values() for record in part for tag in record["ner_tags"]}
    assert known == every
    assert all(splits.values())


def test_labels_that_all_have_to_stay_leave_nothing_to_cut():
    rows = [{"tokens": ["a", str(i)], "ner_tags": ["O", f"B-t{i}"]} for i in range(30)]
    with pytest.raises(ValueError, match=r"too few texts to cut off validation and test: 30 "):
        divide(rows, ["validation", "test"], None)


def test_cut_records_keep_the_order_of_the_file():
    splits, _ = complete_splits({"train": records()}, "label")
    numbers = [int(record["text"].split()[1]) for record in splits["test"]]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("form", ["text", "tokens", "premise"])
def test_duplicates_land_in_one_split(form):
    def record(i):
        text = f"a longer text, number {i % 40}"
        return {form: text.split() if form == "tokens" else text, "id": str(i), "label": i % 3}

    splits, _ = complete_splits({"train": [record(i) for i in range(160)]}, "label")
    assert sum(map(len, splits.values())) == 160
    assert all(splits.values())
    assert defects(splits, [form, "label"], "label") == []


def test_a_rare_label_stays_in_train():
    rare = {"text": "the only one", "label": "rare"}
    splits, _ = complete_splits({"train": [*records(20), rare]}, "label")
    assert rare in splits["train"]


def test_column_to_stratify_may_be_absent():
    splits, _ = complete_splits({"train": [{"text": str(i)} for i in range(20)]}, "label")
    assert [len(part) for part in splits.values()] == [14, 3, 3]


def test_train_and_test_get_a_validation_split_out_of_train():
    test = [{"text": "other", "label": "bad"}]
    splits, warnings = complete_splits({"train": records(), "test": test}, "label")
    assert list(splits) == ["train", "validation", "test"]
    assert (len(splits["train"]), len(splits["validation"]), splits["test"]) == (170, 30, test)
    assert warnings[0].startswith("validation cut from train")


def test_a_missing_test_split_is_not_made():
    splits = {"train": records(3), "validation": records(3)}
    complete, warnings = complete_splits(splits, "label")
    assert complete == splits
    assert "no test split" in warnings[0]


def test_no_train_split():
    with pytest.raises(ValueError, match="lacks a split: found test, needs train"):
        complete_splits({"test": records()}, "label")


def test_too_few_texts():
    with pytest.raises(ValueError, match=r"too few texts .* 2 distinct texts with 2 label"):
        divide(records(2), ["validation", "test"], "label")


def test_texts_in_two_splits_are_counted_per_pair():
    splits = {
        "train": [{"text": "a"}, {"text": "b"}, {"text": ""}],
        "validation": [{"text": "c"}, {"text": ""}],
        "test": [{"text": "a"}, {"text": "a"}, {"text": "c"}, {"text": "d"}],
    }
    warnings = defects(splits, ["text"], None)
    assert "2 of 4 texts of test also occur in train" in warnings
    assert "1 of 4 texts of test also occur in validation" in warnings
    assert not any("of validation also" in warning for warning in warnings)


def test_empty_values_are_counted():
    splits = {"train": [{"text": " ", "label": "x"}, {"text": "a", "label": "x"}, {"text": None}]}
    splits["train"][2]["label"] = "x"
    expected = ["2 of 3 values of `text` in train are empty"]
    assert defects(splits, ["text", "label"], "label") == expected


def test_only_columns_that_are_read_are_looked_at():
    rows = [{"text": f"day {i}", "summary": "a day", "tokens": [], "tone": ""} for i in range(3)]
    splits = {"train": rows, "validation": [row | {"text": f"other {row['text']}"} for row in rows]}
    assert defects(splits, ["text", "summary"], None) == []
    assert defects(splits, ["tokens"], None) == [
        "3 of 3 values of `tokens` in train are empty",
        "3 of 3 values of `tokens` in validation are empty",
    ]


def test_the_text_of_a_record_is_never_its_label_or_id():
    pair = {
        "id": "7",
        "hypothesis": "short",
        "premise": "rather long",
        "label": "a very long label",
    }
    assert text_keys([pair], "label") == ["rather long"]
    assert text_keys([{"summary": "a long summary", "text": "brief"}], None) == ["brief"]
    assert text_keys([{"x": 1}], None) == ['{"x": 1}']
