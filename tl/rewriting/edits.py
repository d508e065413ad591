"""Changes of a text at some places, so that all the rest of it stays as it was written.

Rules look at a text in one Unicode form with single spaces. What they change goes back into the
text as its author wrote it: with its accents in their letters or behind them, its tabs and its runs
of spaces. A model that tells these apart would otherwise be tested on them.
"""

import unicodedata

from tl.rewriting.base import is_mark, tidy

Edit = tuple[int, int, str]  # from where, up to where, and what stands there instead


class Tidied:
    """A text in NFC with single spaces, and where each of its letters stands in the source."""

    def __init__(self, source: str) -> None:
        self.source, self.text = source, tidy(source)
        same = self.text == source
        self.places = range(len(source) + 1) if same else _places(source)

    def edited(self, edits: list[Edit]) -> str:
        """The source with these changes of `text`, which are in order and do not overlap."""
        parts, done = [], 0
        for start, end, new in edits:
            while self.places[start] is None:
                start -= 1
                new = self.text[start] + new
            while self.places[end] is None:
                new += self.text[end]
                end += 1
            parts += [self.source[done : self.places[start]], new]
            done = self.places[end]
        return "".join([*parts, self.source[done:]])


def changed(text: str, edits: list[Edit]) -> bool:
    """Whether some edit changes anything."""
    return any(text[start:end] != new for start, end, new in edits)


def _places(source: str) -> list[int | None]:
    """Find where each letter of the tidy text begins in the source, and where the last one ends.

    None: inside of letters that change together, since the source writes them otherwise.
    """
    at = len(source) - len(source.lstrip())
    places: list[int | None] = []
    for written in _letters(source.strip()):
        shown = " " if written.isspace() else unicodedata.normalize("NFC", written)
        inside = range(at + 1, at + len(written)) if shown == written else [None] * len(shown[1:])
        places += [at, *inside]
        at += len(written)
    return [*places, at]


def _letters(text: str) -> list[str]:
    """The text in parts that have a Unicode form of their own; each run of spaces is one."""
    found: list[str] = []
    for letter in text:
        behind = found[-1] if found else ""
        in_hangul = "\u1160" <= letter <= "\u11ff"  # these end its syllables
        joins = letter.isspace() if behind.isspace() else is_mark(letter) or in_hangul
        if behind and joins:
            found[-1] += letter
        else:
            found.append(letter)
    return found
