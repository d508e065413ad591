"""Named entities: one tag per word, and words that the input no longer holds count as missed."""

import unicodedata

import numpy as np
import pytest
import torch
from tiny import tagged_records, tiny_tokenizer

from tl.data.records import Dataset
from tl.losses import IGNORED
from tl.metrics import entity_scores
from tl.tasks.ner import NER, Options, words_of


def record(tokens, tags):
    return {"tokens": tokens.split(), "ner_tags": tags.split()}


def task(train, max_length=32, labels=None, **others):
    splits = {"train": train, "validation": train, **others}
    return NER(Options(max_length=max_length), Dataset("d", splits), tiny_tokenizer(), labels)


SENTENCE = record("anna saw ungoods oslo", "B-PER O B-ORG B-LOC")


def perfect(one, examples):
    """Logits that give every kept word its gold tag."""
    n_labels = len(one.labels)
    return [np.eye(n_labels)[[e.target.tags[w] for w in e.target.kept]] for e in examples]


def test_classes_are_o_and_two_tags_for_each_type_of_train():
    one = task([SENTENCE])
    assert one.labels == ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def test_an_inside_tag_of_a_known_type_is_known_everywhere():
    test = [record("anna saw", "B-PER I-PER")]
    assert "I-PER" in task([SENTENCE], test=test).labels


def test_a_type_that_train_has_not_is_named():
    test = [record("anna saw", "B-ZOO I-ZOO"), record("oslo", "B-LOC")]
    with pytest.raises(ValueError, match="test has labels that train has not: B-ZOO, I-ZOO"):
        task([SENTENCE], test=test)


def test_a_training_split_without_entities_is_refused():
    with pytest.raises(ValueError, match="no word of train is in an entity"):
        task([record("anna saw", "O O")])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"text": "anna saw"}, "tokens"),
        ({"tokens": ["anna"]}, "ner_tags"),
        ({"tokens": "anna", "ner_tags": ["O"]}, "not a list of words"),
        ({"tokens": ["anna", "saw"], "ner_tags": ["O"]}, "2 tokens but 1 tags"),
        ({"tokens": ["anna"], "ner_tags": ["PER"]}, "not a list of tags"),
    ],
)
def test_a_record_of_another_form_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        task([bad])


def test_the_first_piece_of_a_word_carries_its_tag_and_no_other():
    one = task([SENTENCE])
    batch = one.collate(one.examples("train"))
    # [CLS] anna saw un ##good ##s oslo [SEP]
    tags = [one.labels.index(tag) for tag in SENTENCE["ner_tags"]]
    per, out, org, loc = tags
    assert batch.labels.tolist() == [
        [IGNORED, per, out, org, IGNORED, IGNORED, loc, IGNORED],
    ]
    assert batch.n_targets == 4


def test_targets_are_counted_over_the_whole_batch():
    one = task([SENTENCE, record("oslo", "B-LOC"), record("", "")])
    batch = one.collate(one.examples("train"))
    assert batch.n_targets == 5 == int((batch.labels != IGNORED).sum())
    loss = one.loss_sum(torch.zeros(*batch.labels.shape, 7), batch)
    assert loss.item() == pytest.approx(5 * np.log(7))


def test_logits_are_those_of_the_first_pieces():
    one = task([SENTENCE, record("oslo", "B-LOC")])
    batch = one.collate(one.examples("train"))
    output = torch.arange(2 * 8).reshape(2, 8, 1).expand(2, 8, 7).float()
    logits = one.predict(output, batch)
    assert [row[:, 0].tolist() for row in logits] == [[1, 2, 3, 6], [9]]


def test_an_entity_beyond_the_length_limit_counts_as_missed():
    whole, cut = task([SENTENCE]), task([SENTENCE], max_length=5)
    assert whole.score(whole.examples("train"), perfect(whole, whole.examples("train")))["f1"] == 1
    examples = cut.examples("train")
    assert examples[0].target.kept == [0, 1, 2]
    scores = cut.score(examples, perfect(cut, examples))
    assert (scores["precision"], scores["recall"]) == pytest.approx((1, 2 / 3))
    assert (scores["LOC/recall"], scores["LOC/support"]) == (0, 1)


def test_an_entity_that_the_limit_cuts_in_two_counts_as_missed():
    one = task([record("anna saw again oslo", "O O B-LOC I-LOC")], max_length=5)
    examples = one.examples("train")
    assert one.score(examples, perfect(one, examples))["f1"] == 0


def test_an_entity_of_a_dropped_word_counts_as_missed():
    rows = [{"tokens": ["anna", "\u200b", "oslo"], "ner_tags": ["B-PER", "B-LOC", "B-LOC"]}]
    one = task(rows)
    examples = one.examples("train")
    assert examples[0].target.kept == [0, 2]
    scores = one.score(examples, perfect(one, examples))
    assert (scores["precision"], scores["recall"]) == pytest.approx((1, 2 / 3))


def test_the_loss_does_not_see_words_beyond_the_limit():
    one = task([SENTENCE], max_length=5)
    batch = one.collate(one.examples("train"))
    assert batch.n_targets == 3
    assert (batch.labels != IGNORED).sum() == 3


def test_rows_of_arrays_line_up():
    records = [*tagged_records(4), record("", "") | {"id": "empty"}]
    one = task(records, max_length=5)
    examples = one.examples("train")
    logits = [
        np.random.default_rng(i).random((len(e.positions), 5)) for i, e in enumerate(examples)
    ]
    arrays = one.arrays(examples, logits)
    assert len({len(arrays[name]) for name in ("ids", "words", "labels", "logits")}) == 1
    by_id = {r["id"]: r for r in records}
    rows = zip(arrays["ids"], arrays["words"], arrays["labels"], strict=True)
    for name, word, label in rows:
        assert str(arrays["label_names"][label]) == by_id[str(name)]["ner_tags"][word]
    assert list(arrays["example_ids"]) == [r["id"] for r in records]
    assert list(arrays["n_words"]) == [len(r["tokens"]) for r in records]
    np.testing.assert_array_equal(arrays["logits"], np.concatenate(logits))


def test_scores_can_be_computed_again_from_the_arrays():
    one = task(tagged_records(9), max_length=5)
    examples = one.examples("train")
    rng = np.random.default_rng(0)
    logits = [rng.random((len(e.positions), len(one.labels))) for e in examples]
    arrays = one.arrays(examples, logits)
    predicted = {
        str(i): ["O"] * n for i, n in zip(arrays["example_ids"], arrays["n_words"], strict=True)
    }
    for name, word, row in zip(arrays["ids"], arrays["words"], arrays["logits"], strict=True):
        predicted[str(name)][word] = str(arrays["label_names"][row.argmax()])
    gold = [r["ner_tags"] for r in tagged_records(9)]
    assert entity_scores(gold, list(predicted.values())) == one.score(examples, logits)


def test_every_token_gets_its_own_logits():
    made = []
    task([SENTENCE]).heads(lambda n_out, pool: made.append((n_out, pool)))
    assert made == [(7, "each")]


def test_words_that_are_not_read_are_counted_and_get_no_tag():
    rows = [SENTENCE, record("anna saw oslo", "B-PER O B-LOC"), record("anna \u200b", "B-PER O")]
    one = task(rows, max_length=5)  # [CLS], [SEP] and three pieces
    examples = one.examples("train")
    first, second = one.notes("train", examples)
    assert first.startswith("1 of 3 train sentences are longer than 5 word pieces")
    assert second.startswith("2 words of 2 train sentences are not read")
    text = "anna saw ungoods oslo"
    given = one.encode_text(text, "0")
    (logits,) = perfect(one, [given])
    found = one.readable(text, given, logits)
    assert found == {"words": text.split(), "tags": ["O", "O", "O", None]}


def test_nothing_is_said_of_sentences_that_are_read():
    one = task([SENTENCE], max_length=8)  # exactly
    assert one.notes("train", one.examples("train")) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna's day_1, 3%.", ["Anna", "'", "s", "day_1", ",", "3", "%", "."]),
        ("हिन्दी भाषा।", ["हिन्दी", "भाषा", "।"]),
        ("Йод", ["Йод"]),
        ("1️⃣ ❤️!", ["1️⃣", "❤️", "!"]),
    ],
)
def test_marks_stay_with_what_they_are_on(text, words):
    assert words_of(text) == words
    decomposed = [unicodedata.normalize("NFD", word) for word in words]
    assert words_of(unicodedata.normalize("NFD", text)) == decomposed
