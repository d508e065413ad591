# ruff: noqa: RUF001 - Cyrillic letters and typographic apostrophes are meant here.
"""Rewrites by rules, for English and Russian: typos, spellings, synonyms; no model, no network.

Each rule takes a text and a random stream, and gives the changed text, or None where it finds
nothing to change. What it does not change stays as it was written, to the last space and accent.
Words that hold a capital letter are left alone but by rules of case and punctuation: they may be
names.
"""

import random
import re
from collections.abc import Callable

from tl.rewriting import words_en, words_ru
from tl.rewriting.base import Language, Rewrite, chance, language_of, tidy
from tl.rewriting.edits import Edit, Tidied, changed
from tl.rewriting.keyboard import NEIGHBOURS

TABLES = {"en": words_en, "ru": words_ru}
# No part of an address or a #tag, and without marks that have no letter of their own.
WORD = re.compile(r"(?<![\w@#/'’.\u0300-\u036f-])[^\W\d_]+(?![\w@/'’\u0300-\u036f-])")
SHORTEST = 4  # letters of a word that is misspelt: shorter ones soon become other words
ONE_IN = 10  # words, one is misspelt; at least one of a text
ROUNDS = 3  # how often each rule is asked

Edits = list[Edit]
Finder = Callable[[str, random.Random], Edits | None]  # what to change in a tidy text
Rule = Callable[[str, random.Random], str | None]


class RuleRewriter:
    """All rules that fit a text's language, each in its turn and in a random order."""

    def rewrite(self, text: str, k: int, seed: int) -> list[Rewrite]:
        """See `tl.rewriting.base.Rewriter`; nothing for a text in another script."""
        language = language_of(tidy(text))
        if language is None:
            return []
        stream = chance(seed, tidy(text))
        kinds = list(RULES[language])
        stream.shuffle(kinds)
        proposals: dict[str, Rewrite] = {}  # by their text: what two rules agree on counts once
        for kind in kinds * ROUNDS:
            new = RULES[language][kind](text, stream)
            if new is not None:
                proposals.setdefault(new, Rewrite(new, kind))
            if len(proposals) == k:
                break
        return list(proposals.values())


def rule_of(find: Finder) -> Rule:
    """The rule that makes the changes of a finder, and no others."""

    def rule(text: str, stream: random.Random) -> str | None:
        tidied = Tidied(text)
        edits = find(tidied.text, stream)
        return None if edits is None else tidied.edited(edits)

    return rule


def replaced(match: re.Match, new: str) -> Edits:
    return [(match.start(), match.end(), new)]


def every(pattern: str, new: str, text: str) -> Edits:
    """Edits that put `new` in place of all that a pattern matches."""
    return [(match.start(), match.end(), new) for match in re.finditer(pattern, text)]


def each_letter(text: str, change: Callable[[str], str], start: int = 0) -> Edits:
    """Edits that change the letters of a text, which begins at `start`, one by one."""
    pairs = enumerate(map(change, text))
    return [(start + i, start + i + 1, new) for i, new in pairs if new != text[i]]


def as_written(model: str, word: str) -> str:
    """A word with a capital where `model` begins with one."""
    return word[0].upper() + word[1:] if model[0].isupper() else word


def misspelt(
    text: str, stream: random.Random, slip: Callable[[str, random.Random], str]
) -> Edits | None:
    """Let the typist slip in one word of ten, at least in one."""
    words = list(WORD.finditer(text))
    long = [m for m in words if len(m[0]) >= SHORTEST and m[0].islower()]
    if not long:
        return None
    chosen = stream.sample(long, min(len(long), max(1, len(words) // ONE_IN)))
    from_behind = sorted(chosen, key=re.Match.start, reverse=True)
    return [edit for m in from_behind for edit in replaced(m, slip(m[0], stream))][::-1]


def typo(language: Language) -> Finder:
    """A letter becomes one of its neighbours on the keyboard."""
    keys = NEIGHBOURS[language]

    def slip(word: str, stream: random.Random) -> str:
        places = [i for i, letter in enumerate(word) if letter in keys]
        if not places:
            return word
        i = stream.choice(places)
        return word[:i] + stream.choice(keys[word[i]]) + word[i + 1 :]

    return lambda text, stream: misspelt(text, stream, slip)


def swap(text: str, stream: random.Random) -> Edits | None:
    """Two letters inside a word change places."""

    def slip(word: str, stream: random.Random) -> str:
        places = [i for i in range(1, len(word) - 1) if word[i] != word[i + 1]]
        if not places:
            return word
        i = stream.choice(places)
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]

    return misspelt(text, stream, slip)


def case(text: str, stream: random.Random) -> Edits | None:
    """A word in capitals, the first letter or the whole text in the other case."""
    options = [
        each_letter(text, str.upper), each_letter(text, str.lower),
        each_letter(text[0], str.swapcase),
    ]  # fmt: skip
    words = [m for m in WORD.finditer(text) if len(m[0]) >= SHORTEST]
    if words:
        match = stream.choice(words)
        options.append(each_letter(match[0], str.upper, match.start()))
    return _one_of(text, options, stream)


def punctuation(text: str, stream: random.Random) -> Edits | None:
    """A mark more or less that carries no meaning: a full stop, a comma, quotes, a dash."""
    left, right = "«»" if language_of(text) == "ru" else "“”"
    quotes = re.finditer(r'"([^"]+)"', text)
    options = [
        every(r"\s*[.…]+$", "", text),
        every(r"(?<=[\w)»\"])$", ".", text),
        every(r"\s*,(?!\d)", "", text)[:1],
        every(r"(?<=\s)-(?=\s)", "–", text),
        [edit for m in quotes for edit in ((m.start(), m.start() + 1, left),
                                           (m.end() - 1, m.end(), right))],
        every(r"\.\.\.", "…", text),
    ]  # fmt: skip
    return _one_of(text, options, stream)


def _one_of(text: str, options: list[Edits], stream: random.Random) -> Edits | None:
    """Some of the options that change anything."""
    some = [edits for edits in options if changed(text, edits)]
    return stream.choice(some) if some else None


def discourse(language: Language) -> Finder:
    """A few words in front that add nothing: "by the way, …"."""
    table = TABLES[language]

    def find(text: str, stream: random.Random) -> Edits:
        first = re.match(r"\w*", text)[0]
        small = each_letter(text[0], str.lower) if first.lower() in table.OPENERS else []
        return [(0, 0, as_written(text, stream.choice(table.DISCOURSE))), *small]

    return find


def synonym(language: Language) -> Finder:
    """A word becomes one that means the same, in the same form."""
    others: dict[str, list[str]] = {}
    for line in TABLES[language].SYNONYMS.split("\n"):
        group = line.split(", ")
        for word in group:
            others[folded(word)] = [other for other in group if other != word]

    def find(text: str, stream: random.Random) -> Edits | None:
        known = [m for m in WORD.finditer(text) if folded(m[0].lower()) in others]
        while known:
            match = known.pop(stream.randrange(len(known)))
            word = stream.choice(others[folded(match[0].lower())])
            article = language == "en" and re.search(r"\ban?\s+$", text[: match.start()], re.I)
            if article and (word[0] in "aeiou") != (match[0][0].lower() in "aeiou"):
                continue  # "an easy day", but "a simple day"
            return replaced(match, as_written(match[0], word))
        return None

    return find


def folded(word: str) -> str:
    return word.replace("ё", "е")


def contraction(text: str, stream: random.Random) -> Edits | None:
    """What is short becomes long, "don't" to "do not", or the other way round."""
    options = []
    for pattern, new in CONTRACTIONS:
        for match in pattern.finditer(text):
            options.append(replaced(match, as_written(match[0], new)))
    return stream.choice(options) if options else None


def _contractions() -> list[tuple[re.Pattern, str]]:
    """Pairs of what is looked for and what takes its place.

    Before a pronoun nothing is changed, since there the order of words would be wrong: "don't you".
    """
    subject = r"(?!\s+(?:i|you|he|she|it|we|they)\b)"
    pairs = []
    for line in words_en.CONTRACTIONS.split("\n"):
        short, long = line.removesuffix(" *").split(" | ")
        written = re.escape(short).replace("'", "['’]")
        pairs.append((re.compile(rf"(?<![\w'’]){written}(?![\w'’]){subject}", re.I), long))
        if not line.endswith("*"):  # before a word: not "that is what they are"
            spaced = long.replace(" ", r"\s")
            pairs.append((re.compile(rf"(?<![\w'’]){spaced}(?=\s\w){subject}", re.I), short))
    return pairs


CONTRACTIONS = _contractions()


def number(language: Language) -> Finder:
    """A number in another form: 12,000 and 12000, 3 and three; in Russian 3,5 and 3.5."""
    comma, grouped = (",", ",") if language == "en" else (" ", r"[ \u00a0]")
    words = {digits: word for word, digits in words_en.NUMBERS.items()}

    def find(text: str, stream: random.Random) -> Edits | None:
        options = []
        for match in re.finditer(r"(?<![\w.,:/-])\d{5,9}(?![\w.,:/%-])", text):
            options.append(replaced(match, f"{int(match[0]):,}".replace(",", comma)))
        for match in re.finditer(rf"(?<![\w.,])\d{{1,3}}(?:{grouped}\d{{3}})+(?![\w.,])", text):
            options.append(replaced(match, re.sub(r"\D", "", match[0])))
        if language == "ru":
            for match in re.finditer(r"(?<![\w.,])\d+[.,]\d{1,2}(?![\w.,])", text):
                options.append(replaced(match, match[0].translate({44: ".", 46: ","})))
        else:
            for match in re.finditer(r"(?<![^\s(])\d{1,2}(?=\s+[a-z])", text):
                if match[0] in words:
                    options.append(replaced(match, words[match[0]]))
            for match in WORD.finditer(text):
                if match[0] in words_en.NUMBERS:
                    options.append(replaced(match, words_en.NUMBERS[match[0]]))
        return stream.choice(options) if options else None

    return find


def yo(text: str, stream: random.Random) -> Edits | None:
    """Russian ё is written with its dots or without."""
    if "ё" in text or "Ё" in text:
        return each_letter(text, lambda letter: {"ё": "е", "Ё": "Е"}.get(letter, letter))
    dotted = {folded(word): word for word in words_ru.YO}
    found = [m for m in WORD.finditer(text) if m[0] in dotted]
    return [edit for m in found for edit in replaced(m, dotted[m[0]])] or None


FINDERS: dict[Language, dict[str, Finder]] = {
    language: {
        "typo": typo(language),
        "swap": swap,
        "case": case,
        "punctuation": punctuation,
        "discourse": discourse(language),
        "synonym": synonym(language),
        "number": number(language),
        **({"contraction": contraction} if language == "en" else {"ё": yo}),
    }
    for language in ("en", "ru")
}
RULES: dict[Language, dict[str, Rule]] = {
    language: {kind: rule_of(find) for kind, find in finders.items()}
    for language, finders in FINDERS.items()
}
