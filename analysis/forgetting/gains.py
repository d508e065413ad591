"""Gains and losses: what models score on groups of texts before and after, and how sure that is."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from analysis.dumped import Arrays
from analysis.forgetting.ridge import out_of_fold
from analysis.seeds import N_DRAWS, draw_groups, draw_texts
from analysis.statistics import Difference, Sample, at_once, compare
from tl.bars import bar

# How much of a score nobody misses: an interval that lies within it says "kept".
MARGINS = {"probe": 0.02, "pairs": 0.02, "language": 0.05}
ROLES = {
    "target": "of what it was trained for",
    "seen": "of the texts that it learned from",
    "domain": "of new texts of that kind, whatever is asked of them",
    "control": "of the rest",
}


@dataclass(frozen=True)
class Score:
    """The score of a model on a group; `chance` is that of guessing (of a loss, −∞)."""

    value: float
    n_texts: int
    chance: float


Scored = tuple[Score, np.ndarray]  # on all texts, and on draws of them [N_DRAWS]


@dataclass(frozen=True)
class Change:
    """One ability on one group of texts, before and after adaptation: means over seeds.

    A gain is after − before, of a loss before − after; `gains` holds it for each seed and for draws
    of texts, `found` its mean, interval and p, which `judge` corrects for all that a page claims.
    """

    group: str
    measure: str  # a key of MARGINS
    role: str  # a key of ROLES
    n_texts: int
    before: float
    after: float
    known: bool  # whether before or after is better than chance, for other texts
    gains: Sample
    found: Difference

    @property
    def key(self) -> tuple[str, str, str]:
        return self.group, self.role, self.measure

    @property
    def gain(self) -> float:
        return self.found.mean

    @property
    def verdict(self) -> str:
        """`learned` or `lost` by p; `kept` if the interval lies in the margin.

        Of one seed `this run only`: another may do the opposite.
        """
        margin = MARGINS[self.measure]
        if self.found.p is None:
            return self.found.verdict
        if not self.known:
            return "absent"
        if -margin <= self.found.low and self.found.high <= margin:
            return "kept"
        said = {"higher": "learned", "lower": "lost", "not shown": "unclear"}
        return said[self.found.verdict]


@dataclass(frozen=True)
class Forgetting:
    """All changes of one configuration; `missing` says why no language model is among them."""

    label: str
    seeds: tuple[int, ...]
    changes: tuple[Change, ...]
    missing: str


@dataclass(frozen=True)
class Gap:
    """The gain of a configuration less that of the one it is compared with."""

    label: str
    change: Change
    found: Difference


@dataclass(frozen=True)
class Page:
    """All configurations, and how they differ from one of them, corrected together."""

    results: tuple[Forgetting, ...]
    against: str | None
    gaps: tuple[Gap, ...]

    @property
    def claims(self) -> list[Difference]:
        own = [change.found for result in self.results for change in result.changes]
        return [*own, *(gap.found for gap in self.gaps)]


def judge(results: list[Forgetting], against: str | None = None) -> Page:
    """Correct all changes of all configurations together, and what they are compared by.

    Args:
        results: of `compute`, about the same texts.
        against: the label of one, with which the others are compared; None: no comparisons.
    """
    page = Page(tuple(results), against, tuple(_gaps(results, against)))
    found = iter(at_once(page.claims))
    corrected = tuple(
        replace(result, changes=tuple(replace(one, found=next(found)) for one in result.changes))
        for result in page.results
    )
    return Page(corrected, against, tuple(replace(gap, found=next(found)) for gap in page.gaps))


def _gaps(results: list[Forgetting], against: str | None) -> list[Gap]:
    base = {c.key: c.gains for one in results if one.label == against for c in one.changes}
    return [
        Gap(one.label, change, compare(change.gains, base[change.key]))
        for one in results
        if one.label != against
        for change in one.changes
        if change.key in base
    ]


def compute(label: str, dumps: dict[int, tuple[Arrays, Arrays]]) -> Forgetting:
    """Compare what a model knew with what it knows; `judge` corrects what all of them claim.

    Args:
        label: of the configuration.
        dumps: of each seed, what `--dump forgetting` and `--dump source` wrote of the pretrained
            and of the trained weights.

    Raises:
        ValueError: if they are not about the same texts, or a group cannot be scored.
    """
    check_same_texts(dumps)
    for seed, both in dumps.items():
        check_numbers(f"{label}, seed {seed}", *both)
    first = next(after for _, after in dumps.values())
    changes = []
    for key in bar(first, "groups"):
        kind, _, group = key.partition("/")
        if kind in SCORERS:
            scores = [[SCORERS[kind](some, group) for some in both] for both in dumps.values()]
            changes.append(_change(kind, group, role(first, group), tuple(dumps), scores))
    roles, measures = list(ROLES), list(MARGINS)
    changes.sort(key=lambda c: (roles.index(c.role), measures.index(c.measure)))
    missing = str(first.get("no_language_model", ""))
    return Forgetting(label, tuple(dumps), tuple(changes), missing)


def check_same_texts(dumps: dict[int, tuple[Arrays, Arrays]]) -> None:
    """Raise ValueError unless all are about the same groups, texts and labels."""
    seeds = list(dumps)
    for seed, (before, after) in dumps.items():
        if odd := other_texts(before, after):
            raise ValueError(
                f"{odd} is not that of the same texts before and after; dump both with one "
                "command: --weights trained,pretrained"
            )
        if odd := other_texts(after, dumps[seeds[0]][1]):
            raise ValueError(
                f"{odd} is not that of the same texts in the runs of seeds {seeds[0]} and {seed}; "
                "dump both with the same options of eval.py"
            )


def other_texts(one: Arrays, other: Arrays) -> str | None:
    """The first array that is not about the same texts in both, if there is one."""
    for key in sorted(one.keys() | other.keys()):
        if key.startswith("texts/") and not (key in one and key in other):
            continue  # dumps of an earlier version have none
        if key not in one or key not in other or one[key].shape != other[key].shape:
            return key
        given = key.startswith(("labels/", "items/", "texts/", "grades/"))
        if given and not np.array_equal(one[key], other[key]):
            return key
    return None


def check_numbers(run: str, before: Arrays, after: Arrays) -> None:
    """Raise ValueError for what a model says that has diverged."""
    for key in after:
        if not key.startswith(("states/", "cosines/", "losses/")):
            continue
        both = np.stack([before[key], after[key]])
        # A text without a word piece to predict has no loss, whatever the weights.
        empty = np.isnan(both).all(axis=0) & key.startswith("losses/")
        if not np.isfinite(both[:, ~empty]).all():
            raise ValueError(f"{run}: some of its {key} are no numbers; train the run again")


def role(arrays: Arrays, group: str) -> str:
    """What a group is to the run: its target, texts it has seen, a neighbour, or a control."""
    if group in arrays["own"]:
        return "target"
    domain = str(arrays["domain"])
    if group == f"{domain} train":
        return "seen"
    return "domain" if group == domain or group.startswith(f"{domain} ") else "control"


def _change(
    kind: str, group: str, role: str, seeds: tuple[int, ...], scores: list[list[Scored]]
) -> Change:
    """From the scores of each seed, before and after; a draw is of the same texts for all."""
    values = np.array([[score.value for score, _ in both] for both in scores])  # [seeds, 2]
    draws = np.array([[drawn for _, drawn in both] for both in scores])  # [seeds, 2, draws]
    sign = -1 if kind == "losses" else 1
    gains = Sample(seeds, sign * (values[:, 1] - values[:, 0]), sign * (draws[:, 1] - draws[:, 0]))
    before, after = values.mean(axis=0)
    score = scores[0][0][0]
    return Change(
        group=group,
        measure={"states": "probe", "cosines": "pairs", "losses": "language"}[kind],
        role=role,
        n_texts=score.n_texts,
        before=float(before),
        after=float(after),
        known=bool((np.nanquantile(draws.mean(axis=0), 0.025, axis=1) > score.chance).any()),
        gains=gains,
        found=compare(gains),
    )


def probe_scores(arrays: Arrays, group: str) -> tuple[Score, np.ndarray]:
    """Macro-F1 of out-of-fold predictions; the probes are not fitted anew for a draw."""
    labels, items = arrays[f"labels/{group}"], arrays[f"items/{group}"]
    try:
        predicted = out_of_fold(arrays[f"states/{group}"], labels, items)
    except ValueError as error:
        raise ValueError(f"{group}: {error}") from None
    texts, place = np.unique(items, return_inverse=True)
    weights = np.concatenate([np.ones((1, len(texts))), draw_texts(len(texts))])
    scores = _macro_f1(labels, predicted, weights[:, place])
    # Who guesses each class as often as it comes has its share as F1, and 1 / c as the mean.
    return Score(float(scores[0]), len(texts), 1 / len(np.unique(labels))), scores[1:]


def _macro_f1(labels: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """2·hits / (true + predicted), the mean over classes, for each row of weights [·, n].

    As in tl.metrics, the mean is over the classes that occur: one of which a row draws no example,
    true or predicted, is left out. As 0 it would say that a perfect model errs.
    """
    classes = np.union1d(labels, predicted)
    true, found = (x[:, None] == classes for x in (labels, predicted))
    hits, total = weights @ (true & found), weights @ (true.astype(float) + found)
    return (2 * hits / np.maximum(total, 1)).mean(axis=1, where=total > 0)


def pair_scores(arrays: Arrays, group: str) -> tuple[Score, np.ndarray]:
    """Spearman's rank correlation of cosines and grades."""
    cosines, grades = arrays[f"cosines/{group}"], arrays[f"grades/{group}"]
    if len(np.unique(grades)) < 2:
        raise ValueError(f"{group}: all pairs have the same label; dump more of them")
    n = len(cosines)
    chosen = np.random.default_rng(0).integers(n, size=(N_DRAWS, n))
    chosen = np.concatenate([np.arange(n)[None], chosen])
    ranks = [rankdata(values[chosen], axis=1) for values in (cosines, grades)]
    x, y = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    lengths = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    with np.errstate(invalid="ignore"):  # a draw of pairs of one grade
        scores = (x * y).sum(axis=1) / lengths
    scores[~x.any(axis=1)] = 0.0  # a model that finds all pairs alike ranks none
    return Score(float(scores[0]), n, 0.0), scores[1:]


def loss_scores(arrays: Arrays, group: str) -> tuple[Score, np.ndarray]:
    """The mean over texts that have a word piece to predict."""
    losses = arrays[f"losses/{group}"]
    known = ~np.isnan(losses)
    if not known.any():
        raise ValueError(f"{group}: no text has a word piece to predict")
    texts = arrays.get(f"texts/{group}", np.arange(len(losses)))[known]
    losses, drawn = losses[known], draw_groups(texts)
    draws = drawn @ losses / drawn.sum(axis=1)
    return Score(float(losses.mean()), len(np.unique(texts)), -np.inf), draws


SCORERS = {"states": probe_scores, "cosines": pair_scores, "losses": loss_scores}
