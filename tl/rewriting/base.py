# ruff: noqa: RUF001 - Cyrillic letters are meant here.
"""The one interface of all rewriters, and where their chance comes from."""

import hashlib
import random
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

Language = Literal["en", "ru"]
Form = Literal["NFC", "NFD"]  # accents within their letters, or behind them
LETTER = "\u02d1"  # stands for a combining mark


@dataclass(frozen=True)
class Rewrite:
    """A text that should mean what its source means, and the kind of change that made it."""

    text: str
    kind: str


class Rewriter(Protocol):
    """Proposes rewrites; `tl.rewriting.filters.choose` takes the good ones among them.

    What is proposed depends on `seed` and `text` alone, not on other texts or on their order.
    """

    def rewrite(self, text: str, k: int, seed: int) -> list[Rewrite]:
        """Up to k proposals, the preferred ones first; some may be no good, or alike."""


def chance(seed: int, text: str) -> random.Random:
    """The random stream of a text: the same in every process, whatever was drawn before."""
    return random.Random(hashlib.sha256(f"{seed}/{text}".encode("utf-8", "surrogatepass")).digest())


def tidy(text: str) -> str:
    """The same text in NFC, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def form_of(texts: Iterable[str]) -> Form | None:
    """The Unicode form of all these texts, NFC where they are in both; None: in neither."""
    possible: list[Form] = ["NFC", "NFD"]
    for text in texts:
        possible = [form for form in possible if unicodedata.is_normalized(form, text)]
    return possible[0] if possible else None


def is_mark(letter: str) -> bool:
    """Whether a letter is a combining mark, which belongs to the letter before it."""
    return unicodedata.category(letter).startswith("M")


def without_marks(text: str) -> str:
    """The text with a letter in place of each mark, so that a pattern finds whole words in it."""
    return text if text.isascii() else "".join(LETTER if is_mark(x) else x for x in text)


def language_of(text: str) -> Language | None:
    """The language by its script: "ru" if most letters are Cyrillic, "en" if Latin; else None."""
    cyrillic = sum("а" <= letter <= "я" or letter == "ё" for letter in text.lower())
    latin = sum("a" <= letter <= "z" for letter in text.lower())
    if not cyrillic + latin:
        return None
    return "ru" if cyrillic > latin else "en"
