"""Predictions of a split, read and checked; the entities in them."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.calibration import page, predictions
from analysis.calibration.bins import softmax
from analysis.calibration.entities import find_entities, spans
from analysis.calibration.predictions import Predictions, divide, read, refuse_shared
from tl.metrics import entity_scores
from tl.runs import Run, write_arrays, write_json

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def sentence_arrays(sentences, logits=None, n_words=None):
    """Arrays of NER, of gold tags; every word has a row."""
    lengths = [len(tags) for tags in sentences]
    labels = np.array([TAGS.index(tag) for tags in sentences for tag in tags])
    return {
        "ids": np.repeat([str(i) for i in range(len(sentences))], lengths),
        "words": np.concatenate([np.arange(n) for n in lengths]),
        "labels": labels,
        "logits": 6 * np.eye(len(TAGS))[labels] if logits is None else logits,
        "label_names": np.array(TAGS),
        "example_ids": np.array([str(i) for i in range(len(sentences))]),
        "n_words": np.array(n_words or lengths),
    }


def a_run(folder, arrays, split="test", task="ner"):
    write_json(folder / "config.json", {})
    write_json(folder / "result.json", {"task": task, "scores": {"validation": {}, split: {}}})
    write_arrays(Run(folder).arrays("predictions", split), arrays)
    return Run(folder)


def labelled(n, split="test", seed=0, n_classes=3):
    chance = np.random.default_rng(seed)
    logits = chance.normal(size=(n, n_classes))
    names = tuple("abc"[:n_classes])
    return Predictions(
        split, np.arange(n).astype(str), chance.integers(n_classes, size=n), logits, names
    )


def test_spans_are_those_of_strict_iob2():
    tags = ["I-PER", "B-PER", "I-PER", "I-LOC", "B-LOC", "B-LOC", "O", "B-PER"]
    assert spans(tags) == [(1, 3, "PER"), (4, 5, "LOC"), (5, 6, "LOC"), (7, 8, "PER")]


def test_entities_are_those_that_seqeval_scores(tmp_path):
    """Precision and recall of the entities that are judged are those of the task's own scores."""
    chance = np.random.default_rng(0)
    sentences = [
        [TAGS[i] for i in chance.integers(5, size=chance.integers(1, 9))] for _ in range(200)
    ]
    n = sum(map(len, sentences))
    gold = sentence_arrays(sentences)
    logits = 2 * np.eye(5)[gold["labels"]] + chance.normal(size=(n, 5))
    found = read(a_run(tmp_path, sentence_arrays(sentences, logits)), "test")
    entities = find_entities(found, softmax(found.logits))
    said, place = [], 0
    for tags in sentences:
        said.append([TAGS[i] for i in logits[place : place + len(tags)].argmax(1)])
        place += len(tags)
    scores = entity_scores(sentences, said)
    assert entities.right.mean() == pytest.approx(scores["precision"], abs=1e-12)
    recall = entities.right.sum() / sum(entities.n_true.values())
    assert recall == pytest.approx(scores["recall"], abs=1e-12)
    for kind in ("PER", "LOC"):
        assert entities.n_true[kind] == scores[f"{kind}/support"]
        hits = entities.right[entities.types == kind]
        assert hits.mean() == pytest.approx(scores[f"{kind}/precision"], abs=1e-12)


def test_an_entity_is_as_sure_as_the_sampled_tags_that_hold_exactly_it(tmp_path):
    """The product is the share of tag sequences, each word drawn for itself, with this entity."""
    chance = np.random.default_rng(1)
    logits = np.array([[0, 0, 0, 3, 0], [0, 0, 0, 0, 2], [2, 0, 0, 0, 1.0], [0, 2.0, 0, 0, 0]])
    found = read(
        a_run(tmp_path, sentence_arrays([["B-PER", "I-PER", "O", "B-LOC"]], logits)), "test"
    )
    p = softmax(found.logits)
    entities = find_entities(found, p)
    assert entities.types.tolist() == ["PER", "LOC"]
    draws = np.stack([chance.choice(5, size=20_000, p=row) for row in p], axis=1)
    drawn = [spans([TAGS[i] for i in row]) for row in draws]
    shares = [np.mean([span in row for row in drawn]) for span in ((0, 2, "PER"), (3, 4, "LOC"))]
    np.testing.assert_allclose(entities.product, shares, atol=0.011)
    factors = [p[0, 3], p[1, 4], 1 - p[2, 4]]
    assert entities.product[0] == pytest.approx(np.prod(factors), abs=1e-12)
    assert entities.least[0] == pytest.approx(min(factors), abs=1e-12)
    assert entities.product[1] == pytest.approx(p[3, 1])  # nothing follows


def test_an_entity_where_the_input_was_cut_is_left_out(tmp_path):
    arrays = sentence_arrays([["O", "B-PER"], ["B-LOC", "O"]], n_words=[3, 2])
    found = read(a_run(tmp_path, arrays), "test")
    entities = find_entities(found, softmax(found.logits))
    assert entities.n_unknown == 1
    assert entities.types.tolist() == ["LOC"]


def test_sentences_are_told_apart_also_where_ids_are_equal(tmp_path):
    arrays = sentence_arrays([["B-PER"], ["I-PER", "O"], ["B-LOC"]])
    arrays |= {"ids": np.repeat("x", 4), "example_ids": np.repeat("x", 3)}
    found = read(a_run(tmp_path, arrays), "test")
    np.testing.assert_array_equal(found.sentence, [0, 1, 1, 2])
    np.testing.assert_array_equal(found.n_words, [1, 2, 1])


def test_sentences_beyond_the_limit_have_no_row_wherever_they_stand(tmp_path):
    arrays = sentence_arrays([["B-PER", "O"]]) | {
        "ids": np.array(["c", "c"]),
        "example_ids": np.array(["a", "b", "c"]),
        "n_words": np.array([5, 6, 2]),
    }
    found = read(a_run(tmp_path, arrays), "test")
    np.testing.assert_array_equal(found.n_words, [2])


def test_c20_an_example_of_both_splits_is_refused():
    test, other = labelled(50), labelled(50, "validation", seed=1)
    refuse_shared(other, test)  # equal ids, "0" to "49", but other examples
    mixed = Predictions(
        "validation",
        *(
            np.concatenate([getattr(test, name)[:2], getattr(other, name)[2:]])
            for name in ("ids", "labels", "logits")
        ),
        test.names,
    )
    with pytest.raises(ValueError, match="2 of 50 rows of validation are also in test"):
        refuse_shared(mixed, test)
    with pytest.raises(ValueError, match="--calibrate-on half"):
        refuse_shared(test, test)


def test_c20_an_example_is_known_in_another_batch_too():
    test = labelled(50)
    moved = replace(test, split="validation", logits=np.nextafter(test.logits, np.inf))
    with pytest.raises(ValueError, match="50 of 50 rows of validation are also in test"):
        refuse_shared(moved, test)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_c20_a_sure_model_makes_other_examples_alike_but_not_the_same(spread):
    """Of two classes, logits of hundreds of examples are near each other, whatever their ids."""
    chance = np.random.default_rng(0)
    both = []
    for split in ("validation", "test"):
        labels = chance.integers(2, size=1000)
        margin = 4 + spread * chance.normal(size=(1000, 1))
        logits = margin * (2 * np.eye(2)[labels] - 1)
        both.append(Predictions(split, np.arange(1000).astype(str), labels, logits, ("a", "b")))
    refuse_shared(*both)
    shared = np.arange(1000) < 50
    half = replace(both[0], logits=np.where(shared[:, None], both[1].logits, both[0].logits))
    half = replace(half, labels=np.where(shared, both[1].labels, both[0].labels))
    if spread:
        with pytest.raises(ValueError, match="rows of validation are also in test"):
            refuse_shared(half, both[1])


def test_halves_share_nothing_and_have_the_same_labels():
    whole = labelled(301)
    calibration, test = divide(whole)
    assert sorted([*calibration.ids, *test.ids]) == sorted(whole.ids)
    refuse_shared(calibration, test)
    for k in range(3):
        assert abs((calibration.labels == k).sum() - (test.labels == k).sum()) <= 1
    again, _ = divide(whole)
    np.testing.assert_array_equal(again.ids, calibration.ids)


def test_halves_of_sentences_keep_them_whole(tmp_path):
    sentences = [["B-PER", "I-PER"], ["O"], ["O", "O"], ["B-LOC"]] * 10
    whole = read(a_run(tmp_path, sentence_arrays(sentences)), "test")
    one, other = divide(whole)
    assert not set(one.sentence) & set(other.sentence)
    assert len(set(one.sentence)) == len(set(other.sentence)) == 20
    named = [len(find_entities(half, softmax(half.logits)).right) for half in (one, other)]
    assert named == [10, 10]


def broken(**changes):
    arrays = {
        "ids": np.array(["0", "1", "2"]),
        "labels": np.array([0, 1, 0]),
        "logits": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5]], dtype=np.float32),
        "label_names": np.array(["joy", "fear"]),
    }
    return arrays | changes


@pytest.mark.parametrize(
    ("arrays", "answer"),
    [
        (broken(logits=np.array([[1, 0], [np.nan, 1], [1, 0]])), "1 of 3 rows .* that of '1'"),
        (broken(labels=np.array([0, 0, 0])), "all 3 rows of test are of one class, 'joy'"),
        (broken(ids=np.array([]), labels=np.array([], int), logits=np.zeros((0, 2))), "no example"),
        ({"ids": np.array(["0"]), "summaries": np.array(["text"])}, "it writes texts"),
        ({f"ner/{key}": array for key, array in broken().items()}, "choose --member of: ner"),
    ],
    ids=["NaN", "one class", "empty", "texts", "several tasks"],
)
def test_what_cannot_be_judged_is_refused(tmp_path, arrays, answer):
    with pytest.raises(ValueError, match=answer):
        read(a_run(tmp_path, arrays, task="multitask"), "test")


def test_runs_that_write_texts_are_refused_before_predictions_are_asked_for(tmp_path):
    write_json(tmp_path / "config.json", {})
    write_json(tmp_path / "result.json", {"task": "summarization", "scores": {"test": {}}})
    with pytest.raises(ValueError, match="a run of summarization: it writes texts"):
        predictions.members(Run(tmp_path), "test")


def test_a_missing_split_is_answered_with_the_command(tmp_path):
    run = a_run(tmp_path, broken())
    with pytest.raises(ValueError, match=r"first: python eval.py .* --split validation"):
        read(run, "validation")
    with pytest.raises(ValueError, match="leave out --member ner"):
        read(run, "test", "ner")
    assert predictions.members(run, "test") == (None,)


def test_a_tagger_that_names_nothing_is_refused(tmp_path):
    arrays = sentence_arrays([["O", "B-PER"]] * 4, 9 * np.eye(5)[np.zeros(8, dtype=int)])
    found = read(a_run(tmp_path, arrays), "test")
    calibration, test = divide(found)
    with pytest.raises(ValueError, match="no entity is named in the other half of test"):
        page.compute("a run", test, calibration, 15)
