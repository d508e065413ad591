# ruff: noqa: RUF001 - the Russian words of the tests are meant to be Cyrillic.
"""What a rewrite does not change stays as it was written: accents, tabs, runs of spaces, case."""

import random
import re
import unicodedata
from itertools import pairwise

import pytest

from tl.rewriting.base import Rewrite, form_of, tidy
from tl.rewriting.edits import Tidied
from tl.rewriting.filters import choose, fault
from tl.rewriting.records import Wanted, rewrite_tagged, rewrite_texts, texts_in
from tl.rewriting.rules import RULES, RuleRewriter

ENGLISH = 'The café didn\'t sell 12,500 naïve "things" of José, and it was a long - quiet day...'
RUSSIAN = 'Ещё 12 000 рублей, и большой "чёрный" район Китай-города - очень тёмный... Да.'
SCRIPTS = (
    ENGLISH,
    RUSSIAN,
    "Ȧ̈ x̂ ̈a",
    "각 가나 한국어",
    "हिन्दी भाषा का",
    "ক\u09c7\u09beন",
    "ﬁne Å",
    "",
)


def decomposed(text):
    return unicodedata.normalize("NFD", text)


def spaced(text):
    """Each gap is another: it holds as many tabs as gaps are before it."""
    gaps = iter(range(1, 99))
    return " \t" + re.sub(" ", lambda _: " " + "\t" * next(gaps) + "\u00a0", text) + "\n "


SHAPES = {
    "as usual": lambda text: text,
    "decomposed": decomposed,
    "irregular spaces": spaced,
    "both": lambda text: spaced(decomposed(text)),
    "two forms": lambda text: spaced(decomposed(text[:30]) + text[30:]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("language", "kind"), [(language, kind) for language in RULES for kind in RULES[language]]
)
def test_a_rule_changes_nothing_but_what_it_is_for(language, kind, shape):
    """F1: all words and gaps that are not changed are those of the source, letter by letter."""
    usual = {"en": ENGLISH, "ru": RUSSIAN}[language]
    source = SHAPES[shape](usual)
    written = {tidy(word): word for word in source.split()}
    for seed in range(12):
        new = RULES[language][kind](source, random.Random(seed))
        assert tidy(new) == RULES[language][kind](usual, random.Random(seed))
        assert all(written.get(tidy(word), word) == word for word in new.split())
        gaps = iter(re.findall(r"\s+", source))
        kept = [gap for gap in re.findall(r"\s+", new) if gap != " "]  # a rule may write " "
        assert all(gap in gaps for gap in kept)  # in their order
        front = source[: len(source) - len(source.lstrip())]
        assert new.startswith(front)
        assert new.endswith(source[len(source.rstrip()) :])


@pytest.mark.parametrize("source", [shape(text) for shape in SHAPES.values() for text in SCRIPTS])
def test_each_letter_of_a_tidy_text_has_its_place_in_the_source(source):
    tidied = Tidied(source)
    assert len(tidied.places) == len(tidied.text) + 1
    known = [i for i, place in enumerate(tidied.places) if place is not None]
    for start, end in pairwise(known):
        part = source[tidied.places[start] : tidied.places[end]]
        assert tidied.text[start:end] == (" " if part.isspace() else tidy(part))
    assert source[: tidied.places[0]] + source[tidied.places[-1] :] == (
        source.removeprefix(source.lstrip()) if not tidied.text else
        source[: len(source) - len(source.lstrip())] + source[len(source.rstrip()) :]
    )  # fmt: skip


def test_letters_that_the_source_writes_as_one_change_together():
    tidied = Tidied("a x\u0323\u0307 b")  # x with a dot above and one below
    assert tidied.text == "a \u1e8b\u0323 b"
    assert tidied.edited([(2, 3, "y")]) == "a y\u0323 b"
    assert tidied.edited([(3, 4, "")]) == "a \u1e8b b"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_what_a_model_writes_takes_the_form_of_its_source(form):
    source = unicodedata.normalize(form, "un café très réussi")
    other = "NFD" if form == "NFC" else "NFC"
    proposals = [Rewrite(unicodedata.normalize(other, "un café bien réussi, très"), "paraphrase")]
    (found,) = choose(source, proposals, 1).rewrites
    assert found.text == unicodedata.normalize(form, "un café bien réussi, très")


def test_data_have_a_form_where_some_text_tells_it():
    assert form_of(["plain", "words"]) == "NFC"
    assert form_of(["plain", decomposed("café")]) == "NFD"
    assert form_of(["café", "plain"]) == "NFC"
    assert form_of(["café", decomposed("café")]) is None
    assert texts_in({"a": ["x", "y"], "b": "z"}, ["a", "b"]) == ["x y", "z"]


TEXTS = [
    "Очень большой район, и ещё один", "The café is a big, naïve thing of José",
    "хорошая песня", "Он сказал, что это странно", "a good day in Oslo",
]  # fmt: skip


def test_data_in_nfd_are_rewritten_as_the_same_data_in_nfc():
    """F1: the twin of each rewrite, in the form of its data; so rewriting costs both the same."""
    found = {}
    for form in ("NFC", "NFD"):
        records = [{"text": unicodedata.normalize(form, text)} for text in TEXTS]
        wanted = Wanted(RuleRewriter(), 4, 0, form_of(record["text"] for record in records))
        some = [rewrite_texts(["text"])(record, wanted) for record in records]
        found[form] = [[one.record["text"] for one in rewrites] for rewrites, _ in some]
        found[f"refused, {form}"] = [refused for _, refused in some]
    assert found["refused, NFD"] == found["refused, NFC"]
    assert sum(map(len, found["NFC"])) == 4 * len(TEXTS)
    assert found["NFD"] == [[decomposed(new) for new in texts] for texts in found["NFC"]]


def test_tagged_words_in_nfd_are_those_in_nfc():
    tokens = "Вчера José , большой актёр , приехал в Китай-город , а район спал .".split()
    tags = ["O", "B-PER", *["O"] * 6, "B-LOC", *["O"] * 5]
    found = {}
    for form in ("NFC", "NFD"):
        record = {"tokens": [unicodedata.normalize(form, t) for t in tokens], "ner_tags": tags}
        some, _ = rewrite_tagged(record, Wanted(RuleRewriter(), 8, 0, form))
        found[form] = [(one.record["tokens"], one.record["ner_tags"]) for one in some]
    assert len(found["NFC"]) >= 4
    twins = [([decomposed(word) for word in words], own) for words, own in found["NFC"]]
    assert found["NFD"] == twins


@pytest.mark.parametrize("name", ["İstanbul", "Straße", "Ǆevad", "Istanbul", "Кита\u0301й"])
def test_names_hold_though_their_case_has_other_letters(name):
    """F3: the small form of İ has two letters."""
    text = f"a fine film about {name} and its people"
    for new in (text + ".", text.upper(), text.lower()):
        assert fault(text, new) is None
    assert fault(text, text.replace(name, "Vienna")) == "names"
    assert len(choose(text, RuleRewriter().rewrite(text, 16, 0), 4).rewrites) == 4
