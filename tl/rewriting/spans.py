# ruff: noqa: RUF001 - typographic apostrophes are meant here.
"""Tagged sentences, rewritten: every entity must stand in the new text, word for word."""

import re
from collections.abc import Sequence

from tl.rewriting.base import without_marks

PIECE = re.compile(r"\d+(?:[.,:]\d+)*|\w+(?:['’-]\w+)*|[^\w\s]")
Entity = tuple[tuple[str, ...], str]  # its words, its type


def retagged(tokens: list[str], tags: list[str], rewritten: str) -> tuple[list[str], list[str]]:
    """The words of a rewritten sentence, and their IOB2 tags.

    Args:
        tokens: of the source, which was joined by spaces.
        tags: of the source, one for each token.
        rewritten: its new text.

    Raises:
        LookupError: if an entity is gone, stands there more or less often than in the source, or
            has words that stand outside of entities or in another entity too.
    """
    words = cut(rewritten, frozenset(token.lower() for token in tokens))
    found = ["O"] * len(words)
    of_source = spans(tags)
    # Long names first: of "New York Times" and "New York", the second must not take the first's.
    wanted = sorted({tuple(tokens[start:end]) for start, end, _ in of_source}, key=len)[::-1]
    for name in wanted:
        types = [kind for start, end, kind in of_source if tuple(tokens[start:end]) == name]
        places = free_places(words, found, name)
        ambiguous = len(free_places(tokens, taken(tags, len(name)), name)) > len(types)
        if len(places) != len(types) or len(set(types)) > 1 or ambiguous:
            raise LookupError(" ".join(name))
        for place in places:
            inside = [f"I-{types[0]}"] * (len(name) - 1)
            found[place : place + len(name)] = [f"B-{types[0]}", *inside]
    return words, found


def cut(text: str, known: frozenset[str]) -> list[str]:
    """Cut a text into words as its source was: what stood there as one word stays one.

    Args:
        text: a rewritten sentence.
        known: the words of its source, in lower case.
    """
    words = []
    for chunk in text.split():
        pieces = PIECE.finditer(without_marks(chunk))
        whole = chunk.lower() in known
        words += [chunk] if whole else [chunk[m.start() : m.end()] for m in pieces]
    return words


def spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """The entities of IOB2 tags: first word, word behind the last, type."""
    found = []
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append((i, i + 1, tag[2:]))
        elif tag.startswith("I-") and found and found[-1][1] == i and found[-1][2] == tag[2:]:
            found[-1] = (found[-1][0], i + 1, tag[2:])
    return found


def taken(tags: list[str], length: int) -> list[str]:
    """The tags without entities up to a length: only longer ones hide the names inside them."""
    kept = ["O"] * len(tags)
    for start, end, kind in spans(tags):
        if end - start > length:
            kept[start:end] = [f"B-{kind}"] * (end - start)
    return kept


def free_places(words: Sequence[str], tags: Sequence[str], name: tuple[str, ...]) -> list[int]:
    """Where a name begins among words that no entity has taken yet; places do not overlap."""
    places, i = [], 0
    while i <= len(words) - len(name):
        end = i + len(name)
        if tuple(words[i:end]) == name and all(tag == "O" for tag in tags[i:end]):
            places.append(i)
            i = end
        else:
            i += 1
    return places
