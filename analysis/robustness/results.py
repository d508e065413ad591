"""The numbers of robustness: of configurations, with intervals, and of one against another."""

from dataclasses import dataclass

import numpy as np

from analysis.robustness.counts import Counts, Estimate, Kind, Sampled
from analysis.robustness.dump import Dump, Failure
from analysis.seeds import draw_groups

FEW = 20  # texts: the harm of a kind that has fewer is not judged


@dataclass(frozen=True)
class OfKind:
    """The rewrites of one kind beside their own sources.

    `harmful` says that the drop is above 0 beyond chance, for all kinds at once; None where too few
    texts have anything to count.
    """

    n: int
    harmful: bool | None
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
        after: score on the rewrites; a text counts once, however many it has.
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

    `pairs` are the seeds of which each is compared with which. `clear` says that the drop is not 0
    beyond chance, for all differences at once.
    """

    label: str
    against: str
    pairs: tuple[tuple[int, int], ...]
    drop: Estimate
    clear: bool


def compute(label: str, dumps: dict[int, Dump]) -> Robustness:
    """Sum up the dumps of a configuration, by seed, which hold the same rewrites."""
    counts = [dump.counts for dump in dumps.values()]
    dump = dumps[min(dumps)]
    n, n_rewrites = len(dump.texts), len(dump.source)
    draws = draw_groups(np.array(dump.texts))
    by_kind = {name: [some.kinds[name] for some in counts] for name in counts[0].kinds}
    judged = [name for name, kinds in by_kind.items() if _n_counted(kinds) >= FEW]
    kinds = {
        name: _of_kind(name, dump, kinds, draws, len(judged) if name in judged else None)
        for name, kinds in by_kind.items()
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
        drop=_drop(counts, draws).estimate(-1.0),
        kinds=dict(sorted(kinds.items(), key=lambda item: -(item[1].drop.value or 0))),
        rejected=dict(sorted(dump.rejected.items(), key=lambda item: -item[1])),
        failures=dump.failures,
        **{
            name: _sampled(counts, name, draws).estimate()
            for name in ("before", "after", "worst", "success", "same", "shift")
        },
    )


def _n_counted(kinds: list[Kind]) -> int:
    """The source texts in which every seed has something to count."""
    return int(np.all([kind.before.whole > 0 for kind in kinds], axis=0).sum())


def _of_kind(
    name: str, dump: Dump, kinds: list[Kind], draws: np.ndarray, n_judged: int | None
) -> OfKind:
    """From what each seed says of the rewrites of a kind, one of so many that are judged."""
    rows, drop = dump.kinds == name, _drop(kinds, draws)
    ends = None if n_judged is None else drop.interval(n_judged)
    return OfKind(
        n=int(rows.sum()),
        harmful=None if ends is None else ends[0] > 0,
        unseen=float(dump.unseen[rows].mean()),
        drop=drop.estimate(-1.0),
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
        same = (dump.texts, dump.rewritten) == (first.texts, first.rewritten)
        if not (same and np.array_equal(dump.source, first.source)):
            raise ValueError(
                f"{label} saw other texts or other rewrites than {known}; give both the same "
                "--data, --limit and --rewrites.… in: python eval.py RUN --dump rewrites"
            )


def compare(configurations: dict[str, dict[int, Dump]], against: str) -> list[Difference]:
    """The drop of every configuration less that of one.

    Args:
        configurations: dumps by label and seed, all of the same rewrites.
        against: the label of that one.
    """
    first = next(iter(configurations[against].values()))
    draws = draw_groups(np.array(first.texts))
    drops = {
        label: _drop([dump.counts for dump in dumps.values()], draws)
        for label, dumps in configurations.items()
    }
    seeds = {label: list(dumps) for label, dumps in configurations.items()}
    others = [label for label in configurations if label != against]
    return [_difference(label, against, drops, seeds, len(others)) for label in others]


def _difference(
    label: str, against: str, drops: dict[str, Sampled], seeds: dict[str, list[int]], n_claims: int
) -> Difference:
    """In pairs of one seed; where none is shared, runs are independent, and any pairs will do."""
    own, others = seeds[label], seeds[against]
    shared = [seed for seed in own if seed in others]
    pairs = list(zip(shared or own, shared or others, strict=False))
    one = drops[label][[own.index(seed) for seed, _ in pairs]]
    other = drops[against][[others.index(seed) for _, seed in pairs]]
    ends = (one - other).interval(n_claims)
    clear = ends is not None and not ends[0] <= 0 <= ends[1]
    return Difference(label, against, tuple(pairs), (one - other).estimate(-1.0), clear)
