"""The numbers of robustness: of configurations, with intervals, and of one against another."""

from dataclasses import dataclass

import numpy as np

from analysis.robustness.counts import Counts, Estimate, Kind, Sampled
from analysis.robustness.dump import Dump, Failure
from analysis.seeds import draw_texts


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
    """What rewrites do to a configuration; scores are accuracy, or F1 over entities.

    Attributes:
        seeds: of the runs over which all estimates are means.
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
        failures: of the lowest seed.
    """

    label: str
    seeds: tuple[int, ...]
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
    """How much more the rewrites cost one configuration than another: its drop − that of the other.

    `pairs` are the seeds of which each is compared with which.
    """

    label: str
    against: str
    pairs: tuple[tuple[int, int], ...]
    drop: Estimate


def compute(label: str, dumps: dict[int, Dump]) -> Robustness:
    """Sum up the dumps of a configuration, by seed, which hold the same rewrites."""
    counts = [dump.counts for dump in dumps.values()]
    dump = dumps[min(dumps)]
    n, n_rewrites = len(dump.texts), len(dump.source)
    draws = draw_texts(n)
    kinds = {
        name: _of_kind(name, dump, [some.kinds[name] for some in counts], draws)
        for name in counts[0].kinds
    }
    return Robustness(
        label=label,
        seeds=tuple(dumps),
        metric=dump.metric,
        item=dump.item,
        by=dump.by,
        k=dump.k,
        n_texts=n,
        n_without=n - len(np.unique(dump.source)),
        n_rewrites=n_rewrites,
        n_missing=n * dump.k - n_rewrites,
        drop=_drop(counts, draws).estimate(),
        kinds=dict(sorted(kinds.items(), key=lambda item: -(item[1].drop.value or 0))),
        rejected=dict(sorted(dump.rejected.items(), key=lambda item: -item[1])),
        failures=dump.failures,
        **{
            name: _sampled(counts, name, draws).estimate()
            for name in ("before", "after", "worst", "success", "same", "shift")
        },
    )


def _of_kind(name: str, dump: Dump, kinds: list[Kind], draws: np.ndarray) -> OfKind:
    """From what each seed says of the rewrites of a kind."""
    rows = dump.kinds == name
    return OfKind(
        n=int(rows.sum()),
        unseen=float(dump.unseen[rows].mean()),
        drop=_drop(kinds, draws).estimate(),
        **{part: _sampled(kinds, part, draws).estimate() for part in ("before", "after", "same")},
    )


def _sampled(counts: list[Counts] | list[Kind], name: str, draws: np.ndarray) -> Sampled:
    return Sampled.of([getattr(one, name) for one in counts], draws)


def _drop(counts: list[Counts] | list[Kind], draws: np.ndarray) -> Sampled:
    """Before − after, both from the same draws of texts."""
    return _sampled(counts, "before", draws) - _sampled(counts, "after", draws)


def check_same_rewrites(dumps: dict[str, Dump]) -> None:
    """Raise ValueError unless all runs, by their labels, saw the same rewrites."""
    known, first = next(iter(dumps.items()))
    for label, dump in dumps.items():
        same = dump.texts == first.texts and np.array_equal(dump.source, first.source)
        if not (same and np.array_equal(dump.kinds, first.kinds) and dump.by == first.by):
            raise ValueError(
                f"{label} saw other texts or other rewrites than {known}; give both the same "
                "--data, --limit and --rewrites.… in: python eval.py RUN --dump rewrites"
            )


def compare(configurations: dict[str, dict[int, Dump]]) -> list[Difference]:
    """The drop of every configuration against that of the one that loses least.

    Args:
        configurations: dumps by label and seed, all of the same rewrites.
    """
    first = next(iter(next(iter(configurations.values())).values()))
    draws = draw_texts(len(first.texts))
    drops = {
        label: _drop([dump.counts for dump in dumps.values()], draws)
        for label, dumps in configurations.items()
    }
    least = min(drops, key=lambda label: drops[label].values.mean())
    return [
        _difference(label, least, drops, {name: list(one) for name, one in configurations.items()})
        for label in configurations
        if label != least
    ]


def _difference(
    label: str, against: str, drops: dict[str, Sampled], seeds: dict[str, list[int]]
) -> Difference:
    """In pairs of one seed; where none is shared, runs are independent, and any pairs will do."""
    own, others = seeds[label], seeds[against]
    shared = [seed for seed in own if seed in others]
    pairs = list(zip(shared or own, shared or others, strict=False))
    one = drops[label][[own.index(seed) for seed, _ in pairs]]
    other = drops[against][[others.index(seed) for _, seed in pairs]]
    return Difference(label, against, tuple(pairs), (one - other).estimate())
