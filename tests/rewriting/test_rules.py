# ruff: noqa: RUF001 - the Russian words of the tests are meant to be Cyrillic.
"""Rules: what each changes, in which language, and that chance belongs to a text alone."""

import random

import pytest

from tl.rewriting import words_en, words_ru
from tl.rewriting.base import chance, language_of
from tl.rewriting.filters import choose, fault, negations, numbers, tidy
from tl.rewriting.keyboard import NEIGHBOURS
from tl.rewriting.rules import RULES, RuleRewriter, folded

SUBJECTS = ("The company", "My old friend", "A woman from Oslo", "Nobody", "Maria Lopez")
VERBS = ("bought", "does not like", "talked about", "hasn't finished", "remembered")
OBJECTS = ("a big house", "12,500 small cars", "the strange film", "three ideas of mine")
ENDS = ("yesterday.", "because of the rain", "and was happy, really.", "without any problem!")
ENGLISH = [
    f"{s} {v} {o} {e}"
    for i, (s, v) in enumerate((s, v) for s in SUBJECTS for v in VERBS)
    for o, e in [(OBJECTS[i % 4], ENDS[i // 3 % 4]), (OBJECTS[(i + 1) % 4], ENDS[(i + 2) % 4]),
                 (OBJECTS[(i + 2) % 4], ENDS[(i + 1) % 4]), (OBJECTS[(i + 3) % 4], ENDS[i % 4])]
]  # fmt: skip
КТО = ("Директор", "Моя сестра", "Никто", "Анна Петрова", "Режиссёр")
ЧТО = ("сообщил о большой сделке", "не увидел новый фильм", "ещё получит 12 000 рублей",
       "сказал, что это странно", "всегда заплатит 3,5 процента")  # fmt: skip
КАК = ("вчера вечером.", "без особого желания", "и очень сильно обрадовался!", "на самолете")
RUSSIAN = [f"{a} {b} {c}" for a in КТО for b in ЧТО for c in КАК]
TEXTS = [*ENGLISH, *RUSSIAN]


def rewrites(text, k=4, seed=0):
    return choose(text, RuleRewriter().rewrite(text, 4 * k, seed), k).rewrites


def test_200_sentences_have_four_good_rewrites_each():
    """R2: none equals its source, or another; numbers and negations are kept."""
    assert len(set(TEXTS)) == 200
    for text in TEXTS:
        found = [rewrite.text for rewrite in rewrites(text)]
        assert len(found) == 4
        assert len({tidy(text), *found}) == 5
        for new in found:
            assert fault(text, new) is None
            assert numbers(new) == numbers(text)
            assert negations(new) == negations(text)


def test_rewrites_do_not_depend_on_the_order_of_texts():
    """R3."""
    some = TEXTS[::5]
    forwards = {text: rewrites(text) for text in some}
    backwards = {text: rewrites(text) for text in reversed(some)}
    assert forwards == backwards
    assert any(rewrites(text, seed=1) != forwards[text] for text in some)


def test_every_kind_is_used_in_its_language():
    for language, texts in (("en", ENGLISH), ("ru", RUSSIAN)):
        kinds = {r.kind for text in texts for r in RuleRewriter().rewrite(text, 16, 0)}
        assert kinds == set(RULES[language])


@pytest.mark.parametrize(
    ("language", "key", "around"),
    [("en", "s", "adwezx"), ("en", "q", "wa"), ("en", "m", "njk"), ("ru", "а", "впкесм")],
)
def test_neighbours_touch_on_the_keyboard(language, key, around):
    assert set(NEIGHBOURS[language][key]) == set(around)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_neighbours_are_mutual(language):
    keys = NEIGHBOURS[language]
    assert all(key in keys[other] for key in keys for other in keys[key])


def letters_that_differ(one, other):
    assert len(one) == len(other)
    return [i for i in range(len(one)) if one[i] != other[i]]


def test_a_typo_takes_the_next_key_and_a_swap_the_next_letter():
    text = "something strange happened"
    new = RULES["en"]["typo"](text, chance(0, text))
    (i,) = letters_that_differ(text, new)
    assert new[i] in NEIGHBOURS["en"][text[i]]
    new = RULES["en"]["swap"](text, chance(0, text))
    i, j = letters_that_differ(text, new)
    assert (j - i, new[i], new[j]) == (1, text[j], text[i])


def test_one_word_of_ten_is_misspelt_and_names_are_not():
    text = " ".join(["Moscow", *["different"] * 29])
    new = RULES["en"]["typo"](text, chance(0, text)).split()
    assert new[0] == "Moscow"
    assert sum(word != "different" for word in new[1:]) == 3


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("contraction", "I do not know", {"I don't know"}),
        ("contraction", "It Doesn’t rain", {"It Does not rain"}),
        ("contraction", "i cant come", {"i cannot come"}),
        ("contraction", "don't you know", None),  # the order of words would be wrong
        ("contraction", "that is what they are", None),
        ("synonym", "an easy day", None),  # "an simple day"
        ("synonym", "Big day", {"Large day"}),
        ("number", "sold 12500 cars", {"sold 12,500 cars"}),
        ("number", "sold 12,500 cars", {"sold 12500 cars"}),
        ("number", "after 3 days", {"after three days"}),
        ("number", "after three days", {"after 3 days"}),
        ("number", "in 2017 or at 10:30", None),
        ("punctuation", "It rains.", {"It rains"}),
        ("punctuation", "It rains", {"It rains."}),
        ("punctuation", "Does it rain?", None),
        ("typo", "so it is", None),
    ],
)
def test_english_rules(kind, text, expected):
    found = {RULES["en"][kind](text, random.Random(seed)) for seed in range(8)}
    assert found == (expected or {None})


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("ё", "ещё вчера", {"еще вчера"}),
        ("ё", "еще вчера", {"ещё вчера"}),
        ("ё", "все вчера", None),  # also a word of its own
        ("number", "15000 рублей", {"15 000 рублей"}),
        ("number", "15 000 рублей", {"15000 рублей"}),
        ("number", "3,5 процента", {"3.5 процента"}),
        ("number", "в 2017 году", None),
        ("synonym", "Врач сказал", {"Доктор сказал", "Врач заявил"}),
    ],
)
def test_russian_rules(kind, text, expected):
    found = {RULES["ru"][kind](text, random.Random(seed)) for seed in range(16)}
    assert found == (expected or {None})


def test_a_discourse_marker_takes_the_capital_of_a_word_that_is_no_name():
    for text, end in (
        ("The day", " the day"),
        ("Maria came", " Maria came"),
        ("Это день", " это день"),
    ):
        rule = RULES[language_of(text)]["discourse"]
        found = {rule(text, random.Random(seed)) for seed in range(8)}
        assert len(found) > 1
        assert all(new.endswith(end) and new[0].isupper() for new in found)


@pytest.mark.parametrize(
    ("text", "language"), [("good day", "en"), ("Добрый day", "ru"), ("早上好", None), ("12", None)]
)
def test_language_is_that_of_the_script(text, language):
    assert language_of(text) == language
    assert language is not None or RuleRewriter().rewrite(text, 8, 0) == []


@pytest.mark.parametrize("table", [words_en, words_ru])
def test_a_word_has_its_synonyms_in_one_place(table):
    words = [folded(word) for line in table.SYNONYMS.split("\n") for word in line.split(", ")]
    assert len(words) == len(set(words))
    assert not set(words) & table.NEGATIONS
