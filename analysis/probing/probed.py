"""A linear probe in each layer of some models: what it finds, how surely, and beside what."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.copies import first_copies, n_copies
from analysis.probing import probe
from analysis.probing.gravity import centre
from analysis.probing.layers import Layer, Parts, Question, probe_layers
from analysis.seeds import interval
from analysis.states import BEFORE, RANDOM, SEED, Property, Shown

TESTED, HELD_OUT = 1 / 3, 1 / 5  # shares: of all examples, and of those that are not tested on
FEWEST = 30  # examples
RESAMPLES = 1000

Draws = Callable[[np.ndarray], np.ndarray]  # see `resamples`


@dataclass(frozen=True)
class Curve:
    """What probes find in each layer of one model, the embeddings first: means over its seeds."""

    name: str
    n_seeds: int
    accuracy: np.ndarray  # [L + 1]
    low: np.ndarray  # [L + 1] of a 95% interval
    high: np.ndarray
    f1: np.ndarray  # [L + 1] macro-averaged
    control: np.ndarray | None  # [L + 1] accuracy on the control task, for words
    compression: np.ndarray  # [L + 1] of the labels' online code
    seeds: np.ndarray  # [seeds, L + 1] accuracy of each
    strengths: np.ndarray  # [seeds, L + 1] the C of each probe

    @property
    def best(self) -> int:
        """The state in which it is read best, by its index; the lowest of equals."""
        return int(self.accuracy.argmax())

    @property
    def gain(self) -> float:
        """Accuracy there less that of the embeddings."""
        return float(self.accuracy.max() - self.accuracy[0])

    @property
    def centre(self) -> float | None:
        """The layer where what is read of it comes in; None where no layer gains anything."""
        return centre(self.accuracy)


@dataclass(frozen=True)
class Change:
    """Accuracy after adaptation less that before, on the same examples: the mean over seeds."""

    name: str
    mean: np.ndarray  # [L + 1]
    low: np.ndarray  # of 95% intervals that hold for all layers at once
    high: np.ndarray

    @property
    def clear(self) -> np.ndarray:
        """The states whose interval leaves out 0, by index."""
        return np.flatnonzero((self.low > 0) | (self.high < 0))


@dataclass(frozen=True)
class Probed:
    """One property: a curve for each model, `BEFORE` among them."""

    name: str
    label_names: tuple[str, ...]
    n_train: int  # rows
    n_test: int
    majority: float  # accuracy of always giving the label that is most frequent in training
    curves: tuple[Curve, ...]
    changes: tuple[Change, ...]
    n_copies: int = 0  # examples whose text is that of another

    def curve(self, name: str) -> Curve:
        return next(curve for curve in self.curves if curve.name == name)


def cut(examples: np.ndarray, generator: np.random.Generator) -> Parts:
    """Cut rows by the example that they are of, which is one for copies of a text.

    All are of a split from which the model did not learn. A probe that learned from its training
    split would see states that fit their labels better than those of any new text do.

    Raises:
        ValueError: if there are too few examples.
    """
    names = generator.permutation(np.unique(examples))
    if len(names) < FEWEST:
        raise ValueError(
            f"{len(names)} examples are too few for a probe; give {FEWEST} or more: write the dump "
            "again with a larger --limit, or of more data"
        )
    n_test = round(TESTED * len(names))
    n_held = round(HELD_OUT * (len(names) - n_test))
    train = ~np.isin(examples, names[:n_test])
    return Parts(train, np.isin(examples, names[n_test : n_test + n_held]))


def compute(prop: Property, shown: Shown, n_workers: int = 1) -> Probed:
    """Probe a property in every layer of some models.

    Args:
        prop: what is known of the rows; its own states are not read.
        shown: the states of each model; `BEFORE` is one, and each that is neither that nor `RANDOM`
            is compared with it.
        n_workers: how many layers are probed at once.

    Raises:
        ValueError: if there are too few examples, or one class only.
    """
    generator = np.random.default_rng(SEED)
    texts = first_copies(prop.examples, prop.texts, shown[BEFORE][0])
    parts = cut(texts, generator)
    seen = np.bincount(prop.labels[parts.train], minlength=len(prop.label_names))
    if np.count_nonzero(seen) < 2:
        raise ValueError(f"one class only, {prop.label_names[seen.argmax()]!r}")
    has_types = prop.types is not None
    control = probe.control_labels(prop.types, prop.labels, generator) if has_types else None
    # A copy takes no bits: the text is known by then.
    order = generator.permutation(np.flatnonzero(parts.train & (texts == prop.examples)))
    draws = resamples(texts[parts.test], generator)
    asked = Question(prop.labels, len(prop.label_names), parts, control, order)
    layers = probe_layers(asked, shown, prop.name, n_workers)
    hits = {name: hits_of(seeds) for name, seeds in layers.items()}
    changes = [
        change(name, hits[name], hits[BEFORE], draws)
        for name in shown
        if name not in (BEFORE, RANDOM)
    ]
    return Probed(
        prop.name, prop.label_names, int(parts.train.sum()), int(parts.test.sum()),
        float(np.mean(prop.labels[parts.test] == seen.argmax())),
        tuple(curve(name, seeds, draws) for name, seeds in layers.items()), tuple(changes),
        n_copies(prop.examples, texts),
    )  # fmt: skip


def hits_of(seeds: list[list[Layer]]) -> np.ndarray:
    """Which labels are right, [seeds, L + 1, n_test] of bool."""
    return np.array([[layer.hits for layer in layers] for layers in seeds])


def of_each(seeds: list[list[Layer]], name: str) -> np.ndarray:
    """A number of each layer, [seeds, L + 1]."""
    return np.array([[getattr(layer, name) for layer in layers] for layers in seeds])


def curve(name: str, seeds: list[list[Layer]], draws: Draws) -> Curve:
    """The layers of a model as arrays, with an interval for other examples and other seeds."""
    hits = hits_of(seeds)
    each = hits.mean(axis=2)
    return Curve(
        name,
        len(seeds),
        each.mean(axis=0),
        *ends(hits, draws),
        of_each(seeds, "f1").mean(axis=0),
        None if seeds[0][0].control is None else of_each(seeds, "control").mean(axis=0),
        of_each(seeds, "compression").mean(axis=0),
        each,
        of_each(seeds, "strength"),
    )


def change(name: str, after: np.ndarray, before: np.ndarray, draws: Draws) -> Change:
    """What is right after adaptation less what was before, [seeds, L + 1, n] of bool each."""
    gain = after.astype(float) - before
    return Change(name, gain.mean(axis=(0, 2)), *ends(gain, draws, gain.shape[1]))


def ends(values: np.ndarray, draws: Draws, n_claims: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The 95% intervals of means of values, [seeds, L + 1, n], for other examples and seeds."""
    return interval(values.mean(axis=2), np.array([draws(own) for own in values]), n_claims)


def resamples(examples: np.ndarray, generator: np.random.Generator) -> Draws:
    """Means over rows when examples are drawn anew: values [k, n] -> [k, RESAMPLES].

    Words of one sentence are no independent draws, so whole sentences are drawn.
    """
    _, place = np.unique(examples, return_inverse=True)
    sizes = np.bincount(place)
    drawn = generator.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), RESAMPLES)

    def means(values: np.ndarray) -> np.ndarray:
        sums = np.array([np.bincount(place, weights=row) for row in values])
        return sums @ drawn.T / (drawn @ sizes)

    return means
