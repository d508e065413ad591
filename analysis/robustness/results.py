"""The numbers of robustness: of one run, with intervals, and of runs against each other."""

from dataclasses import dataclass

import numpy as np

from analysis.robustness.counts import Counts, Estimate, Kind, draw_texts
from analysis.robustness.dump import Dump, Failure


@dataclass(frozen=True)
class OfKind:
    """The rewrites of one kind beside their own sources."""

    n: int
    unseen: float  # share that the model reads as the same tokens as before
    before: Estimate
    after: Estimate
    drop: Estimate
    same: Estimate


@dataclass(frozen=True)
class Robustness:
    """What rewrites do to one run; scores are accuracy, or F1 over entities.

    Attributes:
        n_texts: source texts; `n_without` of them have no rewrite, and count nowhere below.
        n_missing: rewrites that the filters left wanting, of k for each text.
        before: score on the source texts.
        after: score on the rewrites.
        drop: before − after.
        worst: share of items that are right in the source and in all of its rewrites.
        success: share of items right in the source that some rewrite turns wrong (attack success).
        same: share of answers to rewrites that are the answer to the source; for entities, F1
            between both answers.
        shift: mean |Δp| of the first answer, or of the gold entities.
    """

    label: str
    metric: str
    item: str
    by: str
    k: int
    n_texts: int
    n_without: int
    n_rewrites: int
    n_missing: int
    before: Estimate
    after: Estimate
    drop: Estimate
    worst: Estimate
    success: Estimate
    same: Estimate
    shift: Estimate
    kinds: dict[str, OfKind]  # the most harmful first
    rejected: dict[str, int]
    failures: list[Failure]


@dataclass(frozen=True)
class Difference:
    """How much more the rewrites cost one run than another: the drop of one − that of the other."""

    label: str
    against: str
    drop: Estimate


def compute(dump: Dump, label: str) -> Robustness:
    """Sum up a dump, with intervals over source texts."""
    counts, n = dump.counts, len(dump.texts)
    draws = draw_texts(n)
    estimates = {
        name: Estimate.of(tally.value, tally.replicates(draws))
        for name in ("before", "after", "worst", "success", "same", "shift")
        for tally in [getattr(counts, name)]
    }
    kinds = {}
    for name, kind in counts.kinds.items():
        rows = dump.kinds == name
        kinds[name] = OfKind(
            n=int(rows.sum()),
            unseen=float(dump.unseen[rows].mean()),
            drop=_drop(kind, draws),
            **{
                part: Estimate.of(tally.value, tally.replicates(draws))
                for part in ("before", "after", "same")
                for tally in [getattr(kind, part)]
            },
        )
    n_rewrites = len(dump.source)
    return Robustness(
        label=label,
        metric=dump.metric,
        item=dump.item,
        by=dump.by,
        k=dump.k,
        n_texts=n,
        n_without=n - len(np.unique(dump.source)),
        n_rewrites=n_rewrites,
        n_missing=n * dump.k - n_rewrites,
        drop=_drop(counts, draws),
        kinds=dict(sorted(kinds.items(), key=lambda item: -(item[1].drop.value or 0))),
        rejected=dict(sorted(dump.rejected.items(), key=lambda item: -item[1])),
        failures=dump.failures,
        **estimates,
    )


def _drop(counts: Counts | Kind, draws: np.ndarray) -> Estimate:
    """Before − after, both from the same draws of texts."""
    replicates = counts.before.replicates(draws) - counts.after.replicates(draws)
    return Estimate.of(counts.before.value - counts.after.value, replicates)


def compare(dumps: dict[str, Dump]) -> list[Difference]:
    """The drop of every run against that of the run that loses least, text by text.

    Raises:
        ValueError: unless all runs saw the same rewrites.
    """
    first = next(iter(dumps.values()))
    for label, dump in dumps.items():
        same = dump.texts == first.texts and np.array_equal(dump.source, first.source)
        if not (same and np.array_equal(dump.kinds, first.kinds) and dump.by == first.by):
            raise ValueError(
                f"{label} saw other texts or other rewrites than {next(iter(dumps))}; give both "
                "the same --data, --limit and --rewrites.… in: python eval.py RUN --dump rewrites"
            )
    draws = draw_texts(len(first.texts))
    drops, replicates = {}, {}
    for label, dump in dumps.items():
        before, after = dump.counts.before, dump.counts.after
        drops[label] = before.value - after.value
        replicates[label] = before.replicates(draws) - after.replicates(draws)
    least = min(drops, key=drops.get)
    return [
        Difference(
            label,
            least,
            Estimate.of(drop - drops[least], replicates[label] - replicates[least]),
        )
        for label, drop in drops.items()
        if label != least
    ]
