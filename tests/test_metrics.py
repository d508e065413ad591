"""Scores against cases worked out by hand, and against the libraries themselves."""

import unicodedata

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from sklearn.metrics import f1_score as f1_of
from sklearn.metrics import precision_score, recall_score

from tl.metrics import NO_CLASS, classification_scores, entity_scores, rouge_scores, words_of


def overall(gold, predicted):
    scores = entity_scores([g.split() for g in gold], [p.split() for p in predicted])
    return tuple(scores[name] for name in ("precision", "recall", "f1"))


def test_classes_count_alike_in_macro_averages():
    labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    # class 0: P 2/2, R 2/3, F1 4/5; class 1: P 1/2, R 1/1, F1 2/3
    assert classification_scores(labels, predicted) == pytest.approx(
        {
            "accuracy": 3 / 4,
            "precision_macro": (1 + 1 / 2) / 2,
            "recall_macro": (2 / 3 + 1) / 2,
            "f1_macro": (4 / 5 + 2 / 3) / 2,
        }
    )


MACRO = {"precision_macro": precision_score, "recall_macro": recall_score, "f1_macro": f1_of}


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [
        ([0, 0, 1, 4], [0, 0, 1, 4]),  # classes 2 and 3 are nowhere: they are no zeros
        ([0, 0, 1, 1], [0, 3, 1, 1]),  # class 3 is only predicted: a zero
        ([5, 5, 5], [5, 5, 5]),
        ([0, 2, 2], [1, 1, 1]),
    ],
)
def test_macro_averages_are_scikit_learns_by_default(labels, predicted):
    """Over the classes that occur, in labels or predictions."""
    scores = classification_scores(np.array(labels), np.array(predicted))
    for name, score in MACRO.items():
        expected = score(labels, predicted, average="macro", zero_division=0)
        assert scores[name] == pytest.approx(expected), name


def test_an_answer_that_is_no_class_is_wrong_and_no_class_of_its_own():
    scores = classification_scores(np.array([0, 0, 1]), np.array([0, NO_CLASS, 1]))
    # class 0: P 1/1, R 1/2, F1 2/3; class 1: 1 each
    assert scores == pytest.approx(
        {
            "accuracy": 2 / 3,
            "precision_macro": 1.0,
            "recall_macro": 3 / 4,
            "f1_macro": (2 / 3 + 1) / 2,
        }
    )


def test_one_predicted_class_scores_its_share():
    scores = classification_scores(np.array([0, 1, 2]), np.array([0, 0, 0]))
    # class 0: P 1/3, R 1, F1 1/2; the others 0
    assert scores["f1_macro"] == pytest.approx(1 / 6)
    assert scores["precision_macro"] == pytest.approx(1 / 9)


def test_macro_f1_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    got = classification_scores(labels, predicted)["f1_macro"]
    assert got == pytest.approx(f1_of(labels, predicted, average="macro"))


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        (["B-PER I-PER O"], ["B-PER I-PER O"], (1, 1, 1)),
        (["B-PER I-PER O"], ["B-PER O O"], (0, 0, 0)),
        (["B-PER I-PER O"], ["B-PER I-PER I-PER"], (0, 0, 0)),
        (["B-PER I-PER O"], ["B-LOC I-LOC O"], (0, 0, 0)),
        (["B-PER I-PER O"], ["I-PER I-PER O"], (0, 0, 0)),
        (["B-PER I-PER O"], ["B-PER I-LOC O"], (0, 0, 0)),
        (["B-PER B-PER"], ["B-PER I-PER"], (0, 0, 0)),
        (["B-PER O B-LOC"], ["B-PER O O"], (1, 1 / 2, 2 / 3)),
        (["B-PER O O"], ["B-PER O B-LOC"], (1 / 2, 1, 2 / 3)),
        (["B-PER O", "B-PER O"], ["B-PER O", "O B-PER"], (1 / 2, 1 / 2, 1 / 2)),
        (["O O"], ["O B-PER"], (0, 0, 0)),
        (["B-PER O"], ["O O"], (0, 0, 0)),
        (["O O"], ["O O"], (0, 0, 0)),
        (["O O"], ["I-PER O"], (0, 0, 0)),
    ],
    ids=[
        "right",
        "too short",
        "too long",
        "wrong type",
        "I- begins no entity",
        "type changes inside",
        "two as one",
        "one missed",
        "one invented",
        "one shifted",
        "none in the gold tags",
        "none predicted",
        "nobody named one",
        "nobody named a valid one",
    ],
)
def test_a_hit_has_the_same_words_and_the_same_type(gold, predicted, expected):
    assert overall(gold, predicted) == pytest.approx(expected)


def test_each_type_has_its_own_scores():
    gold = [["B-PER", "O", "B-LOC", "O", "B-ORG"]]
    predicted = [["B-PER", "B-PER", "O", "O", "B-ORG"]]
    scores = entity_scores(gold, predicted)
    assert (scores["PER/precision"], scores["PER/recall"]) == (1 / 2, 1)
    assert (scores["LOC/precision"], scores["LOC/recall"], scores["LOC/f1"]) == (0, 0, 0)
    assert (scores["ORG/f1"], scores["ORG/support"]) == (1, 1)
    assert (scores["precision"], scores["recall"]) == pytest.approx((2 / 3, 2 / 3))


def test_types_keep_their_names_where_one_was_only_predicted():
    scores = entity_scores([["B-ZOO", "O"]], [["B-ZOO", "B-ACE"]])
    assert (scores["ZOO/f1"], scores["ZOO/support"]) == (1, 1)
    assert (scores["ACE/f1"], scores["ACE/support"]) == (0, 0)


def test_a_type_that_only_invalid_tags_name_has_no_row():
    scores = entity_scores([["B-PER", "O"]], [["B-PER", "I-ACE"]])
    assert {name.split("/")[0] for name in scores if "/" in name} == {"PER"}


def test_entity_scores_agree_with_seqeval():
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    rng = np.random.default_rng(0)
    gold, predicted = ([list(rng.choice(tags, 12)) for _ in range(50)] for _ in range(2))
    scores = entity_scores(gold, predicted)
    assert scores["f1"] == pytest.approx(f1_score(gold, predicted, mode="strict", scheme=IOB2))
    each = f1_score(gold, predicted, mode="strict", scheme=IOB2, average=None)
    assert [scores["LOC/f1"], scores["PER/f1"]] == pytest.approx(list(each))


def test_scores_are_plain_numbers():
    scores = entity_scores([["B-PER"]], [["B-PER"]])
    scores |= classification_scores(np.array([0, 1]), np.array([0, 1]))
    assert {type(value) for value in scores.values()} == {float}


def test_rouge_by_hand():
    """5 words against 4: 4 in common, 1 pair of neighbours, a common subsequence of 3."""
    scores = rouge_scores(["the cat sat down again"], ["the cat again sat"])
    assert scores["rouge1"] == pytest.approx(2 * (4 / 4) * (4 / 5) / (4 / 4 + 4 / 5))
    assert scores["rouge2"] == pytest.approx(2 * (1 / 3) * (1 / 4) / (1 / 3 + 1 / 4))
    assert scores["rougeL"] == pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))


def test_rouge_of_english_is_that_of_the_library():
    gold = ["Stocks fell 3% on Monday, U.S. officials said.", "A new plan: e-mail for all!"]
    made = ["Officials said stocks fell on Monday.", "The plan gives e-mail to all."]
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"])
    for name, value in rouge_scores(gold, made).items():
        each = [theirs.score(g, m)[name].fmeasure for g, m in zip(gold, made, strict=True)]
        assert value == pytest.approx(np.mean(each))


def test_rouge_keeps_russian():
    """The library's own tokenizer drops every Cyrillic letter, and scores 0."""
    text = "Ёлки растут в лесу №5"
    assert words_of(text) == ["ёлки", "растут", "в", "лесу", "5"]
    assert rouge_scores([text], [text]) == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),  # vowels and the virama are marks
        ("العَرَبِيّة", ["العَرَبِيّة"]),
        ("می\u200cخواهم", ["میخواهم"]),  # noqa: RUF001
        ("今天天气很好。ABC 12", [*"今天天气很好", "abc", "12"]),
        ("カタカナと々", [*"カタカナと々"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("für Männer", ["für", "männer"]),
        ("❤️ a_b, U.S.", ["a", "b", "u", "s"]),
    ],
)
def test_words_of_any_script_and_form(text, words):
    found = [unicodedata.normalize("NFC", word) for word in words]
    for form in ("NFC", "NFD"):
        assert words_of(unicodedata.normalize(form, text)) == found


def test_rouge_does_not_depend_on_how_letters_are_composed():
    for text in ("Новый российский ёж", "für Männer schön"):
        (score,) = set(rouge_scores([unicodedata.normalize("NFD", text)], [text]).values())
        assert score == 1.0


def test_rouge_of_scripts_with_marks_and_without_spaces():
    assert rouge_scores(["दिन"], ["दान"])["rouge1"] == 0.0  # day, gift
    first = "सरकार ने नई योजना का एलान कर दिया"
    second = "भारत ने कल मैच जीत लिया आज फिर"
    assert rouge_scores([first], [second])["rouge1"] == pytest.approx(1 / 8)  # ने
    assert rouge_scores(["今天天气很好"], ["天气不好"])["rouge1"] == pytest.approx(2 * 3 / 10)


def test_an_empty_summary_scores_zero():
    assert rouge_scores(["a day"], [""]) == {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}
