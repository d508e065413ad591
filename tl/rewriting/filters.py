# ruff: noqa: RUF001 - typographic apostrophes are meant here.
"""Which proposals count as rewrites: those that can still mean what their source means.

No filter proves that the meaning is kept; each refuses what has surely changed. A text that is left
with too few rewrites has too few: none is counted twice.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tl.rewriting import words_en, words_ru
from tl.rewriting.base import Form, Rewrite, form_of, language_of, tidy, without_marks

NEGATIONS = words_en.NEGATIONS | words_ru.NEGATIONS
SENTENCE_START = re.compile(r"(?:^|[.!?…:;«“\"(]\s*)[«“\"(]*\s*$")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

Fault = Callable[[str], str | None]  # the reason against a rewritten text, or None


@dataclass
class Chosen:
    """The rewrites of one text, and how many proposals were refused, by reason."""

    rewrites: list[Rewrite] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)


def choose(
    source: str,
    proposals: list[Rewrite],
    k: int,
    beside: Fault = lambda text: None,
    form: Form | None = None,
) -> Chosen:
    """The first k proposals that no filter refuses, in the Unicode form of their source.

    Args:
        source: the text.
        proposals: of a rewriter, the preferred ones first.
        k: how many are wanted; fewer, where the proposals do not suffice.
        beside: one more filter, asked last.
        form: that of all the data, where they have one; a text without accents is in both.
    """
    chosen, form = Chosen(), form or form_of([source])
    for proposal in proposals:
        if len(chosen.rewrites) == k:
            break
        text = proposal.text if form is None else unicodedata.normalize(form, proposal.text)
        reason = fault(source, text) or beside(text)
        if reason is None and any(near(text, r.text) for r in chosen.rewrites):
            reason = "near-duplicate"
        if reason is None:
            chosen.rewrites.append(Rewrite(text, proposal.kind))
        else:
            chosen.rejected[reason] += 1
    return chosen


def fault(source: str, rewritten: str) -> str | None:
    """Why a text is no rewrite of its source; None if nothing speaks against it."""
    before, after = tidy(source), tidy(rewritten)
    if after == before:
        return "unchanged"
    if not len(before) / 2 <= len(after) <= 2 * len(before):
        return "length"
    if numbers(before) != numbers(after):
        return "numbers"
    if negations(before) != negations(after):
        return "negation"
    if names(before) - Counter(words_of(after)):
        return "names"
    return None


def near(one: str, other: str) -> bool:
    """Whether two rewrites of a text differ in one word at most, order aside."""
    a, b = Counter(one.split()), Counter(other.split())
    return max((a - b).total(), (b - a).total()) <= 1


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, whatever their case."""
    found = re.finditer(r"\w+", without_marks(text))
    return [text[match.start() : match.end()].casefold() for match in found]


def numbers(text: str) -> Counter[str]:
    """The numbers of a text, whatever their form: 12,000 is 12000, and two is 2.

    English groups digits by commas; Russian by spaces, and writes a comma before decimals.
    """
    text = text.lower()
    if language_of(text) == "ru":
        text = re.sub(r"(?<=\d)\s(?=\d{3}(?!\d))", "", text)
        found = [match.replace(",", ".") for match in NUMBER.findall(text)]
    else:
        found = NUMBER.findall(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text))
        found += [words_en.NUMBERS[w] for w in words_of(text) if w in words_en.NUMBERS]
    return Counter(found)


def negations(text: str) -> int:
    """How many words of a text negate: not, n't, never, …; не, нет, …"""
    words = re.findall(r"\w+(?:['’]\w+)?", text.lower())
    return sum(word in NEGATIONS or re.search(r"n['’]t$", word) is not None for word in words)


def names(text: str) -> Counter[str]:
    """Words with a capital letter inside a sentence, as in `words_of`; English I is none."""
    found = Counter()
    for match in re.finditer(r"[^\W\d_]\w+", without_marks(text)):
        inside = not SENTENCE_START.search(text[: match.start()])
        # Of some letters, such as İ, the small form has two: a word is cut before its case changes.
        name = text[match.start() : match.end()].casefold()
        found[name] += match[0][0].isupper() and inside
    return +found
