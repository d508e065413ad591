"""From a record to its rewrites: records of the same label, or of the same tags at their words."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

from tl.data.records import Record
from tl.rewriting.base import Form, Rewrite, Rewriter
from tl.rewriting.filters import choose
from tl.rewriting.spans import retagged

PROPOSALS = 4  # for each rewrite that is wanted


@dataclass(frozen=True)
class Rewritten:
    """A record that stands for another one, and the kind of change that made it."""

    record: Record
    kind: str


@dataclass(frozen=True)
class Wanted:
    """The rewriter, how many rewrites of each record are wanted, and the seed of their chance.

    `form` is the Unicode form of all records; None where they have several.
    """

    rewriter: Rewriter
    k: int
    seed: int
    form: Form | None = None

    def proposals(self, text: str) -> list[Rewrite]:
        return self.rewriter.rewrite(text, PROPOSALS * self.k, self.seed)


Found = tuple[list[Rewritten], Counter[str]]  # and what was rejected, by reason


def texts_in(record: Record, columns: list[str]) -> list[str]:
    """Return what stands in some columns; words are joined by spaces."""
    return [" ".join(x) if isinstance(x := record[name], list) else str(x) for name in columns]


def rewrite_texts(columns: list[str]) -> Callable[[Record, Wanted], Found]:
    """Rewrites records of one text or a pair; of a pair, one text at a time, in turn."""

    def rewrite(record: Record, wanted: Wanted) -> Found:
        rejected: Counter[str] = Counter()
        of_columns = []
        for column in columns:
            text = str(record[column])
            chosen = choose(text, wanted.proposals(text), wanted.k, form=wanted.form)
            rejected += chosen.rejected
            of_columns.append(
                [Rewritten(record | {column: r.text}, r.kind) for r in chosen.rewrites]
            )
        in_turn = [one for pair in zip_longest(*of_columns) for one in pair if one is not None]
        return in_turn[: wanted.k], rejected

    return rewrite


def rewrite_tagged(record: Record, wanted: Wanted) -> Found:
    """Rewrites a tagged sentence; what loses an entity, or adds to one, is rejected."""
    tokens, tags = record["tokens"], record["ner_tags"]

    def lost(text: str) -> str | None:
        try:
            retagged(tokens, tags, text)
        except LookupError:
            return "entities"
        return None

    text = " ".join(tokens)
    chosen = choose(text, wanted.proposals(text), wanted.k, lost, wanted.form)
    found = []
    for one in chosen.rewrites:
        words, moved = retagged(tokens, tags, one.text)
        found.append(Rewritten(record | {"tokens": words, "ner_tags": moved}, one.kind))
    return found, chosen.rejected
