# ruff: noqa: RUF001 - Cyrillic letters and typographic apostrophes are meant here.
"""Rewrites by rules, for English and Russian: typos, spellings, synonyms; no model, no network.

Each rule takes a text and a random stream, and gives the changed text, or None where it finds
nothing to change. Words that hold a capital letter are left alone but by rules of case and
punctuation: they may be names.
"""

import random
import re
from collections.abc import Callable

from tl.rewriting import words_en, words_ru
from tl.rewriting.base import Language, Rewrite, chance, language_of
from tl.rewriting.keyboard import NEIGHBOURS

TABLES = {"en": words_en, "ru": words_ru}
WORD = re.compile(r"(?<![\w@#/'’.-])[^\W\d_]+(?![\w@/'’-])")  # no part of an address or a #tag
SHORTEST = 4  # letters of a word that is misspelt: shorter ones soon become other words
ONE_IN = 10  # words, one is misspelt; at least one of a text
ROUNDS = 3  # how often each rule is asked

Rule = Callable[[str, random.Random], str | None]


class RuleRewriter:
    """All rules that fit a text's language, each in its turn and in a random order."""

    def rewrite(self, text: str, k: int, seed: int) -> list[Rewrite]:
        """See `tl.rewriting.base.Rewriter`; nothing for a text in another script."""
        language = language_of(text)
        if language is None:
            return []
        stream = chance(seed, text)
        kinds = list(RULES[language])
        stream.shuffle(kinds)
        proposals: dict[str, Rewrite] = {}  # by their text: what two rules agree on counts once
        for kind in kinds * ROUNDS:
            changed = RULES[language][kind](text, stream)
            if changed is not None:
                proposals.setdefault(changed, Rewrite(changed, kind))
            if len(proposals) == k:
                break
        return list(proposals.values())


def replaced(text: str, match: re.Match, new: str) -> str:
    return text[: match.start()] + new + text[match.end() :]


def as_written(model: str, word: str) -> str:
    """A word with a capital where `model` begins with one."""
    return word[0].upper() + word[1:] if model[0].isupper() else word


def misspelt(
    text: str, stream: random.Random, slip: Callable[[str, random.Random], str]
) -> str | None:
    """Let the typist slip in one word of ten, at least in one."""
    words = list(WORD.finditer(text))
    long = [m for m in words if len(m[0]) >= SHORTEST and m[0].islower()]
    if not long:
        return None
    chosen = stream.sample(long, min(len(long), max(1, len(words) // ONE_IN)))
    for match in sorted(chosen, key=re.Match.start, reverse=True):  # places before it stay valid
        text = replaced(text, match, slip(match[0], stream))
    return text


def typo(language: Language) -> Rule:
    """A letter becomes one of its neighbours on the keyboard."""
    keys = NEIGHBOURS[language]

    def slip(word: str, stream: random.Random) -> str:
        places = [i for i, letter in enumerate(word) if letter in keys]
        if not places:
            return word
        i = stream.choice(places)
        return word[:i] + stream.choice(keys[word[i]]) + word[i + 1 :]

    return lambda text, stream: misspelt(text, stream, slip)


def swap(text: str, stream: random.Random) -> str | None:
    """Two letters inside a word change places."""

    def slip(word: str, stream: random.Random) -> str:
        places = [i for i in range(1, len(word) - 1) if word[i] != word[i + 1]]
        if not places:
            return word
        i = stream.choice(places)
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]

    return misspelt(text, stream, slip)


def case(text: str, stream: random.Random) -> str | None:
    """A word in capitals, the first letter or the whole text in the other case."""
    options = [text.upper(), text.lower(), text[0].swapcase() + text[1:]]
    words = [m for m in WORD.finditer(text) if len(m[0]) >= SHORTEST]
    if words:
        match = stream.choice(words)
        options.append(replaced(text, match, match[0].upper()))
    return _other(text, options, stream)


def punctuation(text: str, stream: random.Random) -> str | None:
    """A mark more or less that carries no meaning: a full stop, a comma, quotes, a dash."""
    options = [
        re.sub(r"\s*[.…]+$", "", text),
        re.sub(r"(?<=[\w)»\"])$", ".", text),
        re.sub(r"\s*,(?!\d)", "", text, count=1),
        re.sub(r"(?<=\s)-(?=\s)", "–", text),
        re.sub(r'"([^"]+)"', r"«\1»" if language_of(text) == "ru" else r"“\1”", text),
        text.replace("...", "…"),
    ]
    return _other(text, options, stream)


def _other(text: str, options: list[str], stream: random.Random) -> str | None:
    changed = [option for option in options if option != text]
    return stream.choice(changed) if changed else None


def discourse(language: Language) -> Rule:
    """A few words in front that add nothing: "by the way, …"."""
    table = TABLES[language]

    def rule(text: str, stream: random.Random) -> str:
        first = re.match(r"\w*", text)[0]
        begun = text[0].lower() + text[1:] if first.lower() in table.OPENERS else text
        whole = stream.choice(table.DISCOURSE).format(begun)
        return as_written(text, whole)

    return rule


def synonym(language: Language) -> Rule:
    """A word becomes one that means the same, in the same form."""
    others: dict[str, list[str]] = {}
    for line in TABLES[language].SYNONYMS.split("\n"):
        group = line.split(", ")
        for word in group:
            others[folded(word)] = [other for other in group if other != word]

    def rule(text: str, stream: random.Random) -> str | None:
        known = [m for m in WORD.finditer(text) if folded(m[0].lower()) in others]
        while known:
            match = known.pop(stream.randrange(len(known)))
            word = stream.choice(others[folded(match[0].lower())])
            article = language == "en" and re.search(r"\ban?\s+$", text[: match.start()], re.I)
            if article and (word[0] in "aeiou") != (match[0][0].lower() in "aeiou"):
                continue  # "an easy day", but "a simple day"
            return replaced(text, match, as_written(match[0], word))
        return None

    return rule


def folded(word: str) -> str:
    return word.replace("ё", "е")


def contraction(text: str, stream: random.Random) -> str | None:
    """What is short becomes long, "don't" to "do not", or the other way round."""
    options = []
    for pattern, new in CONTRACTIONS:
        for match in pattern.finditer(text):
            options.append(replaced(text, match, as_written(match[0], new)))
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


def number(language: Language) -> Rule:
    """A number in another form: 12,000 and 12000, 3 and three; in Russian 3,5 and 3.5."""
    comma, grouped = (",", ",") if language == "en" else (" ", r"[ \u00a0]")
    words = {digits: word for word, digits in words_en.NUMBERS.items()}

    def rule(text: str, stream: random.Random) -> str | None:
        options = []
        for match in re.finditer(r"(?<![\w.,:/-])\d{5,9}(?![\w.,:/%-])", text):
            options.append(replaced(text, match, f"{int(match[0]):,}".replace(",", comma)))
        for match in re.finditer(rf"(?<![\w.,])\d{{1,3}}(?:{grouped}\d{{3}})+(?![\w.,])", text):
            options.append(replaced(text, match, re.sub(r"\D", "", match[0])))
        if language == "ru":
            for match in re.finditer(r"(?<![\w.,])\d+[.,]\d{1,2}(?![\w.,])", text):
                options.append(replaced(text, match, match[0].translate({44: ".", 46: ","})))
        else:
            for match in re.finditer(r"(?<![^\s(])\d{1,2}(?=\s+[a-z])", text):
                if match[0] in words:
                    options.append(replaced(text, match, words[match[0]]))
            for match in WORD.finditer(text):
                if match[0] in words_en.NUMBERS:
                    options.append(replaced(text, match, words_en.NUMBERS[match[0]]))
        return stream.choice(options) if options else None

    return rule


def yo(text: str, stream: random.Random) -> str | None:
    """Russian ё is written with its dots or without."""
    if "ё" in text or "Ё" in text:
        return text.translate(str.maketrans("ёЁ", "еЕ"))
    dotted = {folded(word): word for word in words_ru.YO}
    changed = WORD.sub(lambda m: dotted.get(m[0], m[0]), text)
    return None if changed == text else changed


RULES: dict[Language, dict[str, Rule]] = {
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
