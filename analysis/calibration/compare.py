"""Strategies side by side: who is calibrated worse, by runs over their seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.calibration.bins import Table, wilson
from analysis.calibration.page import Calibration
from analysis.statistics import Difference, Sample, at_once, compare

# What is shown of each group; of all but accuracy less is better.
MEASURES = (
    "accuracy", "ece", "debiased_l2", "classwise_ece", "brier", "nll", "ece_mended", "l2_mended",
    "nll_mended",
)  # fmt: skip
DECIDES, MENDED = "debiased_l2", "l2_mended"
CLAIMS = (DECIDES, MENDED, "nll")  # what the text says of each group, and is corrected for together


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
class Claim:
    """The difference in a measure of a group from the one that it is compared with."""

    label: str
    measure: str  # of CLAIMS
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    """Groups, and how each differs from one of them; claims are corrected together."""

    title: str
    split: str
    calibrated_on: str
    against: str
    groups: tuple[Group, ...]
    claims: tuple[Claim, ...]

    def difference(self, label: str, measure: str) -> Difference:
        return next(
            one.difference for one in self.claims if (one.label, one.measure) == (label, measure)
        )


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
    asked = [(one, measure) for measure in CLAIMS for one in others]
    found = at_once([compare(sample(one, name), sample(base, name)) for one, name in asked])
    claims = tuple(
        Claim(one.label, measure, difference)
        for (one, measure), difference in zip(asked, found, strict=True)
    )
    return Comparison(title, split, calibrated_on, against, tuple(groups), claims)


def sample(one: Group, measure: str) -> Sample:
    """Return what the runs of a group find; the texts are taken as given."""
    return Sample(one.seeds, one.values[measure])
