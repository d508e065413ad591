# ruff: noqa: RUF001 - Cyrillic letters are meant here.
"""The one interface of all rewriters, and where their chance comes from."""

import hashlib
import random
from dataclasses import dataclass
from typing import Literal, Protocol

Language = Literal["en", "ru"]


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


def language_of(text: str) -> Language | None:
    """The language by its script: "ru" if most letters are Cyrillic, "en" if Latin; else None."""
    cyrillic = sum("а" <= letter <= "я" or letter == "ё" for letter in text.lower())
    latin = sum("a" <= letter <= "z" for letter in text.lower())
    if not cyrillic + latin:
        return None
    return "ru" if cyrillic > latin else "en"
