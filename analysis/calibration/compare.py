"""Strategies side by side: who is calibrated worse, by pairs of runs with one seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr  # distribution of Student's t

from analysis.calibration.bins import Table, wilson
from analysis.calibration.page import Calibration
from analysis.seeds import half_width

# What is compared, by pairs; of all but accuracy less is better.
MEASURES = (
    "accuracy", "ece", "debiased_l2", "classwise_ece", "brier", "nll", "ece_mended", "l2_mended",
    "nll_mended",
)  # fmt: skip
DECIDES, MENDED = "debiased_l2", "l2_mended"


@dataclass(frozen=True)
class Group:
    """Runs that differ by seed only, s of them."""

    label: str
    learning: int  # parameters
    seeds: tuple[int, ...]
    values: dict[str, np.ndarray]  # of each measure [s]
    chance: np.ndarray  # [s] the ECE that a calibrated model stays below 19 times of 20
    temperature: np.ndarray  # [s]
    table: Table  # of all seeds together
    area: np.ndarray  # [s] under the curve of risk and coverage


@dataclass(frozen=True)
class Difference:
    """A group less the one it is compared with, paired by seed."""

    label: str
    measure: str
    seeds: tuple[int, ...]
    mean: float  # NaN where no seed has a number of both
    low: float | None  # 95% t-interval; None for one seed, or where one differs infinitely
    high: float | None
    p_value: float | None  # of the paired t-test, by Holm for as many groups as are compared

    @property
    def is_shown(self) -> bool:
        return self.p_value is not None and self.p_value < 0.05


@dataclass(frozen=True)
class Comparison:
    """Groups, and how each differs from one of them."""

    title: str
    split: str
    calibrated_on: str
    against: str
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]

    def difference(self, label: str, measure: str) -> Difference:
        return next(d for d in self.differences if (d.label, d.measure) == (label, measure))


def group(label: str, learning: int, seeds: Sequence[int], pages: Sequence[Calibration]) -> Group:
    """Sum up the pages of runs that differ by seed only."""
    rows = [measures(page) for page in pages]
    first = [page.answers(page.ways[0]) for page in pages]
    return Group(
        label=label,
        learning=learning,
        seeds=tuple(seeds),
        values={name: np.array([row[name] for row in rows]) for name in MEASURES},
        chance=np.array([found.ece.upper for found in first]),
        temperature=np.array([page.temperature for page in pages]),
        table=pooled([found.width for found in first]),
        area=np.array([page.selective.area for page in pages]),
    )


def measures(page: Calibration) -> dict[str, float]:
    """The numbers of a page that are compared.

    Accuracy, ECE and L2 are of what is answered (of NER entities); the rest is of all classes'
    probabilities (of NER those of words).
    """
    raw, mended = page.ways[0], page.way("temperature")
    before, after = page.answers(raw), page.answers(mended)
    values = (
        before.accuracy, before.ece.value, before.debiased_l2, raw.judged.classwise.value,
        raw.judged.brier, raw.judged.nll, after.ece.value, after.debiased_l2, mended.judged.nll,
    )  # fmt: skip
    return dict(zip(MEASURES, values, strict=True))


def pooled(tables: Sequence[Table]) -> Table:
    """The table of all answers together, of tables with bins of equal width.

    Several seeds answer the same examples, so an interval is that of as many answers as one has.
    """
    edges = np.unique(np.concatenate([table.lower for table in tables]))
    place = [np.searchsorted(edges, table.lower) for table in tables]
    count, sums, hits, upper = (np.zeros(len(edges)) for _ in range(4))
    for table, own in zip(tables, place, strict=True):
        count[own] += table.count
        sums[own] += table.count * table.confidence
        hits[own] += table.count * table.accuracy
        upper[own] = table.upper
    low, high = wilson(hits / len(tables), count / len(tables))
    return Table(edges, upper, count.astype(int), sums / count, hits / count, low, high)


def compute(
    title: str, split: str, calibrated_on: str, groups: Sequence[Group], against: str
) -> Comparison:
    """Compare groups with one of them.

    Args:
        title: what is compared on.
        split: what was scored.
        calibrated_on: what maps were fitted on.
        groups: with labels of their own, two or more.
        against: the label of one.
    """
    groups = sorted(groups, key=lambda one: -one.learning)
    (base,) = [one for one in groups if one.label == against]
    others = [one for one in groups if one is not base]
    found = [d for name in MEASURES for d in _differences(others, base, name)]
    return Comparison(title, split, calibrated_on, against, tuple(groups), tuple(found))


def _differences(others: Sequence[Group], base: Group, measure: str) -> list[Difference]:
    raw = [paired(one, base, measure) for one in others]
    adjusted = holm([d.p_value for d in raw if d.p_value is not None])
    corrected = iter(adjusted)
    return [
        d if d.p_value is None else Difference(
            d.label, d.measure, d.seeds, d.mean, d.low, d.high, next(corrected)
        )
        for d in raw
    ]  # fmt: skip


def paired(one: Group, base: Group, measure: str) -> Difference:
    """The mean difference over the seeds that both have, with its 95% t-interval.

    A seed is left out where one of them has no such number (see `Confidences.debiased_l2`).

    Raises:
        ValueError: if they have no seed in common.
    """
    seeds = sorted(set(one.seeds) & set(base.seeds))
    if not seeds:
        raise ValueError(
            f"{one.label} and {base.label} have no seed in common (those of the first are "
            f"{', '.join(map(str, one.seeds))}); train both with the same --seed"
        )
    gaps = np.array(
        [
            one.values[measure][one.seeds.index(s)] - base.values[measure][base.seeds.index(s)]
            for s in seeds
        ]
    )
    known = ~np.isnan(gaps)
    seeds, gaps = tuple(s for s, has in zip(seeds, known, strict=True) if has), gaps[known]
    mean, n = float(gaps.mean()) if len(gaps) else np.nan, len(gaps)
    if n < 2 or not np.isfinite(mean):
        return Difference(one.label, measure, seeds, mean, None, None, None)
    error = float(gaps.std(ddof=1) / np.sqrt(n))
    half = float(half_width(gaps))
    p = float(2 * stdtr(n - 1, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return Difference(one.label, measure, seeds, mean, mean - half, mean + half, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down p-values: the chance of any false finding among all stays below 5%."""
    order = np.argsort(p_values)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
