"""What adaptation taught and what it cost: knowledge of a run's own texts and of others."""

import argparse
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import rankdata

from analysis import dumped
from analysis.dumped import Arrays
from analysis.finished import add_runs, asked
from analysis.forgetting.figure import figure
from analysis.forgetting.ridge import out_of_fold
from analysis.plotting import save
from analysis.text import aligned
from tl.runs import Run, write_json

NEEDS = {"forgetting": ("trained", "pretrained")}  # dumps of eval.py
DRAWS = 1000  # of the bootstrap
# How much of a score nobody misses: an interval that lies within says "kept".
MARGINS = {"probe": 0.02, "pairs": 0.02, "language": 0.05}
WHAT = {
    "probe": "macro-F1 of a linear probe",
    "pairs": "Spearman's ρ of similarity and paraphrase",
    "language": "loss of the language model, nats per word piece",
}

ROLES = {
    "target": "of what it was trained for",
    "domain": "of new texts of that kind, whatever is asked of them",
    "control": "of the rest",
}
SAID = {
    "learned": "it knows more",
    "kept": "it knows as much",
    "lost": "it knows less",
    "unclear": "these texts do not tell",
    "absent": "it knows nothing, before and after",
}


@dataclass(frozen=True)
class Score:
    """The score of a model on a group; `chance` is that of guessing (of a loss, −∞)."""

    value: float
    n_texts: int
    chance: float


@dataclass(frozen=True)
class Change:
    """One ability on one group of texts, before and after a run.

    `gain` is after − before, of a loss before − after, with an interval of 95 % over the texts.
    """

    group: str
    measure: str  # a key of WHAT
    role: str  # a key of ROLES
    n_texts: int
    before: float
    after: float
    gain: float
    low: float
    high: float
    known: bool  # whether before or after is better than chance, by the lower end of its interval

    @property
    def verdict(self) -> str:
        """`learned` or `lost`: the interval is on one side of 0; `kept`: it lies in the margin."""
        margin = MARGINS[self.measure]
        if not self.known:
            return "absent"
        if -margin <= self.low and self.high <= margin:
            return "kept"
        if self.low > 0:
            return "learned"
        return "lost" if self.high < 0 else "unclear"


@dataclass(frozen=True)
class Forgetting:
    """All changes of one run; `missing` says why there is no language model among them."""

    label: str
    changes: tuple[Change, ...]
    missing: str


def compute(label: str, before: Arrays, after: Arrays) -> Forgetting:
    """Compare what a model knew with what it knows.

    Args:
        label: of the run.
        before: what `--dump forgetting` and `--dump source` wrote of the pretrained weights.
        after: the same of the trained ones.

    Raises:
        ValueError: if they are not about the same texts, or a group cannot be probed.
    """
    check_same_texts(before, after)
    changes = []
    for key in after:
        kind, _, group = key.partition("/")
        if kind in SCORERS:
            both = [SCORERS[kind](arrays, group) for arrays in (before, after)]
            changes.append(_change(kind, group, role(after, group), both))
    roles, measures = list(ROLES), list(WHAT)
    changes.sort(key=lambda c: (roles.index(c.role), measures.index(c.measure)))
    return Forgetting(label, tuple(changes), str(after.get("no_language_model", "")))


def check_same_texts(before: Arrays, after: Arrays) -> None:
    """Raise ValueError unless both are about the same groups, texts and labels."""
    odd = sorted(before.keys() ^ after.keys())
    odd += [key for key in before.keys() & after.keys() if before[key].shape != after[key].shape]
    odd += [
        key
        for key in before.keys() & after.keys()
        if key.startswith(("labels/", "items/", "grades/"))
        and not np.array_equal(before[key], after[key])
    ]
    if odd:
        raise ValueError(
            f"{odd[0]} is not that of the same texts before and after; dump both with one command: "
            "--weights trained,pretrained"
        )


def role(arrays: Arrays, group: str) -> str:
    """What a group is to the run: its target, a neighbour, or a control."""
    if group in arrays["own"]:
        return "target"
    domain = str(arrays["domain"])
    return "domain" if group == domain or group.startswith(f"{domain} ") else "control"


def _change(kind: str, group: str, role: str, both: list[tuple[Score, np.ndarray]]) -> Change:
    """From the scores of both models on all texts and on draws of them."""
    (before, draws_before), (after, draws_after) = both  # the texts of both are the same
    sign = -1 if kind == "losses" else 1
    gains = sign * (draws_after - draws_before)
    low, high = np.nanquantile(gains, [0.025, 0.975])
    return Change(
        group=group,
        measure={"states": "probe", "cosines": "pairs", "losses": "language"}[kind],
        role=role,
        n_texts=after.n_texts,
        before=before.value,
        after=after.value,
        gain=sign * (after.value - before.value),
        low=float(low),
        high=float(high),
        known=any(np.nanquantile(d, 0.025) > score.chance for score, d in both),
    )


def resampled(n: int) -> np.ndarray:
    """How often each of n texts is in each draw, [DRAWS, n]; the same whenever n is the same."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS)


def probe_scores(arrays: Arrays, group: str) -> tuple[Score, np.ndarray]:
    """Macro-F1 of out-of-fold predictions; the probes are not fitted anew for a draw."""
    labels, items = arrays[f"labels/{group}"], arrays[f"items/{group}"]
    try:
        predicted = out_of_fold(arrays[f"states/{group}"], labels, items)
    except ValueError as error:
        raise ValueError(f"{group}: {error}") from None
    texts, place = np.unique(items, return_inverse=True)
    weights = np.concatenate([np.ones((1, len(texts))), resampled(len(texts))])
    scores = _macro_f1(labels, predicted, weights[:, place])
    # Who guesses each class as often as it comes has its share as F1, and 1 / c as the mean.
    return Score(float(scores[0]), len(texts), 1 / len(np.unique(labels))), scores[1:]


def _macro_f1(labels: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """2·hits / (true + predicted), the mean over classes, for each row of weights [·, n]."""
    classes = np.unique(labels)
    true, found = (x[:, None] == classes for x in (labels, predicted))
    hits = weights @ (true & found)
    total = weights @ true.astype(float) + weights @ found.astype(float)
    return (2 * hits / np.maximum(total, 1)).mean(axis=1)


def pair_scores(arrays: Arrays, group: str) -> tuple[Score, np.ndarray]:
    """Spearman's rank correlation of cosines and grades."""
    cosines, grades = arrays[f"cosines/{group}"], arrays[f"grades/{group}"]
    if len(np.unique(grades)) < 2:
        raise ValueError(f"{group}: all pairs have the same label; dump more of them")
    n = len(cosines)
    chosen = np.random.default_rng(0).integers(n, size=(DRAWS, n))
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
    losses = losses[~np.isnan(losses)]
    if not len(losses):
        raise ValueError(f"{group}: no text has a word piece to predict")
    draws = resampled(len(losses)) @ losses / len(losses)
    return Score(float(losses.mean()), len(losses), -np.inf), draws


SCORERS = {"states": probe_scores, "cosines": pair_scores, "losses": loss_scores}


def table(found: Forgetting) -> str:
    """A row for each group and ability."""
    head = ["group", "role", "ability", "texts", "before", "after", "gain", "95 % interval"]
    rows = [[*head, "verdict"]]
    for c in found.changes:
        interval = f"{c.low:+.3f} … {c.high:+.3f}"
        numbers = [f"{c.before:.3f}", f"{c.after:.3f}", f"{c.gain:+.3f}", interval]
        rows.append([c.group, c.role, c.measure, str(c.n_texts), *numbers, c.verdict])
    return aligned(rows)


def words(found: Forgetting) -> str:
    """What was learned and what was lost, in a paragraph."""
    parts = []
    for role, whose in ROLES.items():
        for verdict, said in SAID.items():
            some = [c for c in found.changes if c.role == role and c.verdict == verdict]
            named = ", ".join(
                f"{c.group} ({c.measure} {c.before:.2f} → {c.after:.2f})" for c in some
            )
            if some:
                parts.append(f"{whose[0].upper()}{whose[1:]}, {said}: {named}.")
    missing = f" No language model was asked: {found.missing}." if found.missing else ""
    meaning = "; ".join(f"{name}: {what}" for name, what in WHAT.items())
    return f"{found.label}. {' '.join(parts)}{missing} ({meaning}.)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)


def load(run: Run, split: str) -> tuple[Arrays, Arrays]:
    """All that was dumped of a run before and after, other data with it."""
    both = ("pretrained", "trained")
    before, after = dumped.read(run, "forgetting", split, both, "own", "domain")
    names = {p.stem.removesuffix("--pretrained") for p in (run.path / "source").glob("*.npz")}
    for name in sorted(names):
        others = dumped.read(run, "source", name, both)
        before, after = before | others[0], after | others[1]
    return before, after


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    pairs = zip(given.labels, given.runs, strict=True)
    results = [compute(label, *load(run, given.split)) for label, run in pairs]
    save(figure(results), given.out / "forgetting.png")
    numbers = [
        {"run": r.label, "missing": r.missing, "words": words(r),
         "changes": [asdict(c) | {"verdict": c.verdict} for c in r.changes]}
        for r in results
    ]  # fmt: skip
    write_json(given.out / "forgetting.json", numbers)
    for result in results:
        print(f"{result.label}\n\n{table(result)}\n\n{words(result)}\n")
    print(f"wrote {given.out / 'forgetting.png'} and forgetting.json")
