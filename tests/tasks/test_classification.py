"""Classification: columns, classes, and rows that line up."""

import numpy as np
import pytest
import torch
from tiny import sentiment_records, tiny_backbone, tiny_tokenizer

from tl.data.records import Dataset
from tl.tasks.classification import Classification, Options


def record(text="a day", label="good"):
    return {"text": text, "label": label}


def task(train, validation=None, options=None, labels=None, **others):
    splits = {"train": train, "validation": validation or train, **others}
    return Classification(options or Options(), Dataset("d", splits), tiny_tokenizer(), labels)


def labelled(*labels):
    return [record(label=label) for label in labels]


def test_classes_are_the_labels_of_train_sorted():
    assert task(labelled("good", "bad", "fair", "bad")).labels == ["bad", "fair", "good"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "2"], ["2", "9", "10"]),
        ([10, 9, 2, -1], ["-1", "2", "9", "10"]),
        (["0.5", "0.25", "10"], ["0.25", "0.5", "10"]),
        (["b", "2", "10", "a"], ["2", "10", "a", "b"]),
        (["1-2", "1.2.3", "-", "3"], ["3", "-", "1-2", "1.2.3"]),
        ([True, False], ["False", "True"]),
        (["--5", "1"], ["1", "--5"]),
    ],
)
def test_labels_that_are_numbers_are_sorted_as_numbers(labels, expected):
    assert task(labelled(*labels)).labels == expected


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_train_has_not_is_named(split):
    train = labelled("good", "bad")
    splits = {"validation": train, "test": train} | {split: labelled("good", "fair", "awful")}
    with pytest.raises(ValueError, match=f"{split} has labels that train has not: awful, fair"):
        task(train, **splits)


def test_a_trained_model_keeps_its_classes():
    assert task(labelled("b"), labels=["a", "b", "c"]).labels == ["a", "b", "c"]
    with pytest.raises(ValueError, match="labels that train has not: d"):
        task(labelled("d"), labels=["a", "b", "c"])


def test_one_label_cannot_be_learned():
    with pytest.raises(
        ValueError, match=r"one label only, 'good' in column 'label'.*--task\.label"
    ):
        task(labelled("good", "good"))


def test_columns_can_be_named():
    rows = [{"a": "anna", "b": "oslo", "c": c, "text": "day", "label": "x"} for c in "12"]
    options = Options(text="a", pair="b", label="c")
    one = task(rows, options=options)
    assert one.labels == ["1", "2"]
    pieces = one.tokenizer.convert_ids_to_tokens(one.examples("train")[0].inputs["input_ids"])
    assert pieces == ["[CLS]", "anna", "[SEP]", "oslo", "[SEP]"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("text", "label"), "[CLS] anna [SEP]"),
        (("sentence", "sentiment"), "[CLS] anna [SEP]"),
        (("premise", "hypothesis", "label"), "[CLS] anna [SEP] oslo [SEP]"),
        (("sentence1", "sentence2", "label"), "[CLS] anna [SEP] oslo [SEP]"),
        (("text_1", "text_2", "sentiment"), "[CLS] anna [SEP] oslo [SEP]"),
    ],
)
def test_usual_columns_are_found(columns, expected):
    *texts, label = columns
    rows = [dict(zip(texts, ("anna", "oslo"), strict=False)) | {label: c} for c in "12"]
    one = task(rows)
    ids = one.examples("train")[1].inputs["input_ids"]
    assert " ".join(one.tokenizer.convert_ids_to_tokens(ids)) == expected
    assert [example.target for example in one.examples("train")] == [0, 1]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"body": "x", "label": "a"}], Options(), "text"),
        ([{"text": "x", "mark": "a"}], Options(), "label"),
        ([{"text": "x", "label": "a"}], Options(text="body"), "body"),
        ([{"text": "x", "label": "a"}], Options(label="mark"), "mark"),
        ([{"text": "x", "label": "a"}], Options(pair="other"), "other"),
        ([{"premise": "x", "label": "a"}], Options(), "hypothesis"),
        ([{"text_2": "x", "label": "a"}], Options(), "text_1"),
    ],
)
def test_a_missing_column_is_named_with_what_to_do(rows, options, message):
    with pytest.raises(ValueError, match=rf"(?s){message}.*--task\.text"):
        task(rows, options=options)


def test_a_batch_has_one_target_per_text():
    one = task(sentiment_records(6))
    batch = one.collate(one.examples("train"))
    assert batch.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert batch.n_targets == 6
    assert batch.inputs["input_ids"].shape == batch.inputs["attention_mask"].shape


def test_the_loss_is_a_sum_over_texts():
    one = task(sentiment_records(6))
    batch = one.collate(one.examples("train"))
    loss = one.loss_sum(torch.zeros(6, 2), batch)
    assert loss.item() == pytest.approx(6 * np.log(2))


def test_rows_of_arrays_line_up():
    records = [r | {"id": f"id-{i}"} for i, r in enumerate(sentiment_records(5))]
    one = task(records)
    examples = one.examples("train")
    logits = list(np.arange(10, dtype=np.float32).reshape(5, 2))
    arrays = one.arrays(examples, logits)
    assert list(arrays["ids"]) == [f"id-{i}" for i in range(5)]
    names = [str(arrays["label_names"][i]) for i in arrays["labels"]]
    assert names == [r["label"] for r in records]
    np.testing.assert_array_equal(arrays["logits"], np.stack(logits))
    assert arrays["logits"].dtype == np.float32


def test_the_score_is_that_of_the_best_logit():
    one = task(sentiment_records(4))
    right = [np.eye(2)[example.target] for example in one.examples("train")]
    assert one.score(one.examples("train"), right)["f1_macro"] == 1.0
    wrong = [1 - row for row in right]
    assert one.score(one.examples("train"), wrong)["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("pool", "kind", "expected"),
    [
        ("auto", "encoder", "mean"),
        ("auto", "decoder", "last"),
        ("cls", "encoder", "cls"),
        ("mean", "decoder", "mean"),
    ],
)
def test_encoders_are_averaged_and_decoders_end_with_their_last_token(pool, kind, expected):
    made = []
    one = task(sentiment_records(4), options=Options(pool=pool))
    one.prepare(tiny_backbone("bert" if kind == "encoder" else "llama"))
    one.heads(lambda n_out, pool: made.append((n_out, pool)))
    assert made == [(2, expected)]


def test_long_texts_are_cut_to_the_length_limit():
    one = task([record("day " * 40), record(label="bad")], options=Options(max_length=6))
    assert [len(example) for example in one.examples("train")] == [6, 4]


def test_the_baseline_is_the_most_frequent_label_of_train():
    one = task(labelled("bad", "good", "good", "fair"), labelled("fair", "good", "fair", "bad"))
    (name,), (scores,) = zip(*one.baselines("validation").items(), strict=True)
    assert (name, scores["accuracy"]) == ("majority", 1 / 4)
    assert scores["f1_macro"] == pytest.approx((2 * 1 / 4 / (1 + 1 / 4)) / 3)
    assert (
        Classification(
            Options(), Dataset("d", {"test": labelled("bad")}), tiny_tokenizer(), ["bad", "good"]
        ).baselines("test")
        == {}
    )


def test_an_empty_label_is_refused():
    """It would become a class of its own."""
    with pytest.raises(ValueError, match=r"1 records of train have an empty 'label'.* record 1"):
        task(labelled("good", " ", "bad"))


def test_texts_that_the_limit_truncates_are_counted():
    """[CLS], [SEP] and four words fill a limit of six."""
    rows = [record("day day day day"), record("day " * 5), record(label="bad")]
    one = task(rows, options=Options(max_length=6))
    assert one.notes("train", one.examples("train")) == [
        "1 of 3 train texts are longer than 6 word pieces; the rest is not read (--task.max-length)"
    ]
    assert one.truncation("given", [one.encode_text("day " * 9 + "\tday", "0")])
    assert one.truncation("given", [one.encode_text("day\tday", "0")]) == []


def test_a_class_that_a_split_has_no_example_of_is_named():
    train = labelled("bad", "good", "fair")
    one = task(train, test=labelled("good", "good"))
    assert one.notes("train", one.examples("train")) == []
    (note,) = one.notes("test", one.examples("test"))
    assert "test has no example of 2 of 3 classes ('bad', 'fair')" in note


def test_only_the_columns_that_are_read_are_looked_at():
    rows = [record(f"day {i}", "ab"[i % 2]) | {"comment": "", "author": "anna"} for i in range(4)]
    one = task(rows, validation=[row | {"text": row["text"] + " again"} for row in rows])
    assert one.defects() == []
    rows[0]["text"] = " "
    assert one.defects() == ["1 of 4 values of `text` in train are empty"]
