# ruff: noqa: RUF001 - the Russian words of the tests are meant to be Cyrillic.
"""Filters: what is refused and why, and that nothing takes the place of what is missing."""

import pytest

from tl.rewriting.base import Rewrite
from tl.rewriting.filters import choose, fault, names, near, negations, numbers
from tl.rewriting.spans import retagged, spans

LONG = "a text of some words that goes on for a while"


@pytest.mark.parametrize(
    ("source", "rewritten", "reason"),
    [
        ("good day", "good  day ", "unchanged"),
        ("good day", "Good day", None),
        ("caf\u00e9 open", "cafe\u0301 open", "unchanged"),
        (LONG, "a text", "length"),
        ("a text", LONG, "length"),
        ("we sold 12,500 cars", "we sold 12500 cars", None),
        ("we sold 12,500 cars", "we sold 1250 cars", "numbers"),
        ("we sold two cars", "we sold 2 cars", None),
        ("we sold two cars", "we sold three cars", "numbers"),
        ("продали 12 500 машин", "продали 12500 машин", None),
        ("рост 3,5 процента", "рост 3.5 процента", None),
        ("рост 3,5 процента", "рост 35 процентов", "numbers"),
        ("I do not like it", "I don't like it", None),
        ("I don’t like it", "I like it very much", "negation"),
        ("I cannot come", "I can come now", "negation"),
        ("Мне не нравится", "Мне очень нравится", "negation"),
        ("we met Maria in Oslo", "we met maria in OSLO", None),
        ("we met Maria in Oslo", "we met Maria in Rome", "names"),
        ("Yesterday we met Maria", "we met Maria, yesterday", None),
        ("Мы видели Анну", "Мы видели Инну", "names"),
    ],
)
def test_faults(source, rewritten, reason):
    assert fault(source, rewritten) == reason


def test_numbers_negations_and_names():
    assert dict(numbers("3.5 of 1,000,000 and two")) == {"3.5": 1, "1000000": 1, "2": 1}
    assert dict(numbers("в 2017 году 12 000 и 3,5")) == {"2017": 1, "12000": 1, "3.5": 1}
    assert negations("I never didn't say no") == 3
    assert negations("knot in the nothing box") == 1
    assert dict(names("The day Anna came. But I left: Then Rome fell")) == {"anna": 1, "rome": 1}


def test_near_duplicates_differ_in_one_word_at_most():
    assert near("a b c d", "a b c e")
    assert near("a b c d", "d a b c")
    assert near("a b", "so a b")
    assert not near("a b c d", "a b x y")


def test_proposals_are_chosen_in_order_and_those_refused_are_counted():
    source = "the cat sat on my mat"
    texts = ["the cat  sat on my mat", "a cat sat on a mat", "a cat sat on a rug",
             "the cat never sat on my mat", "cat", "The Cat sat on my mat", "the cat, it sat there",
             "far behind"]  # fmt: skip
    proposals = [Rewrite(text, "some") for text in texts]
    chosen = choose(source, proposals, 3)
    assert [rewrite.text for rewrite in chosen.rewrites] == [texts[1], texts[5], texts[6]]
    expected = {"unchanged": 1, "near-duplicate": 1, "negation": 1, "length": 1}
    assert chosen.rejected == expected  # the last proposal was not needed
    short = choose(source, proposals, 5)
    assert len(short.rewrites) == 3  # never filled up with copies
    assert short.rejected == {**expected, "length": 2}


def test_one_more_filter_is_asked_last():
    proposals = [Rewrite("a b!", "x"), Rewrite("a b?", "x"), Rewrite("no a b", "x")]
    chosen = choose("a b", proposals, 2, lambda text: "entities" if "!" in text else None)
    assert [rewrite.text for rewrite in chosen.rewrites] == ["a b?"]
    assert chosen.rejected == {"entities": 1, "negation": 1}


WORDS = "Anna Lee left New York for York , said The New York Times .".split()
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O", "B-LOC", "O", "O", "B-ORG", "I-ORG", "I-ORG",
        "I-ORG", "O"]  # fmt: skip


def entities(words, tags):
    return sorted((" ".join(words[start:end]), kind) for start, end, kind in spans(tags))


@pytest.mark.parametrize(
    "text",
    [
        "Anna Lee left New York for York , said The New York Times",
        "The New York Times said: for York, Anna Lee left New York!",
        "Well , Anna Lee moved from New York to York , writes The New York Times .",
    ],
)
def test_entities_are_found_again_word_for_word(text):
    """R6."""
    words, tags = retagged(WORDS, TAGS, text)
    assert len(words) == len(tags)
    assert entities(words, tags) == entities(WORDS, TAGS)
    assert sum(tag != "O" for tag in tags) == sum(tag != "O" for tag in TAGS)


@pytest.mark.parametrize(
    "text",
    [
        "Ann Lee left New York for York , said The New York Times .",  # another name
        "anna lee left New York for York , said The New York Times .",  # its case has changed
        "She left New York for York , said The New York Times .",  # one is gone
        "Anna Lee left New York for York and York , said The New York Times .",  # one too many
    ],
)
def test_a_rewrite_that_loses_or_adds_an_entity_is_refused(text):
    """R6."""
    with pytest.raises(LookupError):
        retagged(WORDS, TAGS, text)


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("May met May", ["B-PER", "O", "O"]),  # which of the two is the person?
        ("May met May", ["B-PER", "O", "B-LOC"]),
    ],
)
def test_a_name_of_two_readings_is_refused(words, tags):
    with pytest.raises(LookupError, match="May"):
        retagged(words.split(), tags, "So , " + words)


def test_words_are_cut_as_in_the_source():
    words, tags = retagged(
        ["@anna", "did", "n't", "see", "U.S.", "."], ["O", "O", "O", "O", "B-LOC", "O"],
        "@ANNA did n't see the U.S. in 12,000 days, well-known...",
    )  # fmt: skip
    assert words == [
        "@ANNA", "did", "n't", "see", "the", "U.S.", "in", "12,000", "days", ",", "well-known",
        ".", ".", ".",
    ]  # fmt: skip
    assert [word for word, tag in zip(words, tags, strict=True) if tag != "O"] == ["U.S."]
