"""A linear probe in each layer of some models: what it finds, how surely, and beside what."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from analysis.probing import probe
from analysis.states import BEFORE, RANDOM, SEED, Property

STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # values of C, of which held-out examples choose one
TESTED, HELD_OUT = 1 / 3, 1 / 5  # shares: of all examples, and of those that are not tested on
FEWEST = 30  # examples
RESAMPLES = 1000


@dataclass(frozen=True)
class Curve:
    """What probes find in each layer of one model, the embeddings first."""

    name: str
    accuracy: np.ndarray  # [L + 1]
    low: np.ndarray  # [L + 1] of a 95% interval
    high: np.ndarray
    control: np.ndarray | None  # [L + 1] accuracy on the control task, for words
    compression: np.ndarray  # [L + 1] of the labels' online code
    strengths: np.ndarray  # [L + 1] the C of each probe


@dataclass(frozen=True)
class Change:
    """Accuracy after adaptation less that before, on the same examples."""

    name: str
    mean: np.ndarray  # [L + 1]
    low: np.ndarray  # of a 95% interval
    high: np.ndarray

    @property
    def clear(self) -> np.ndarray:
        """The layers whose interval leaves out 0."""
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

    def curve(self, name: str) -> Curve:
        return next(curve for curve in self.curves if curve.name == name)


@dataclass(frozen=True)
class Parts:
    """How rows are cut: no example has rows in two parts. [n] of bool each."""

    train: np.ndarray
    held_out: np.ndarray  # of train: those that choose C

    @property
    def test(self) -> np.ndarray:
        return ~self.train


def cut(examples: np.ndarray, generator: np.random.Generator) -> Parts:
    """Cut rows by the example that they are of.

    All are of a split from which the model did not learn. A probe that learned from its training
    split would see states that fit their labels better than those of any new text do.

    Raises:
        ValueError: if there are too few examples.
    """
    names = generator.permutation(np.unique(examples))
    if len(names) < FEWEST:
        raise ValueError(f"{len(names)} examples are too few for a probe; give {FEWEST} or more")
    n_test = round(TESTED * len(names))
    n_held = round(HELD_OUT * (len(names) - n_test))
    train = ~np.isin(examples, names[:n_test])
    return Parts(train, np.isin(examples, names[n_test : n_test + n_held]))


def compute(prop: Property, shown: dict[str, np.ndarray]) -> Probed:
    """Probe a property in every layer of some models.

    Args:
        prop: what is known of the rows; its own states are not read.
        shown: the states of each model by its name, [n, L + 1, d]; `BEFORE` is one, and each that
            is neither that nor `RANDOM` is compared with it.

    Raises:
        ValueError: if there are too few examples, or one class only.
    """
    generator = np.random.default_rng(SEED)
    parts = cut(prop.examples, generator)
    seen = np.bincount(prop.labels[parts.train], minlength=len(prop.label_names))
    if np.count_nonzero(seen) < 2:
        raise ValueError(f"{prop.name}: one class only, {prop.label_names[seen.argmax()]!r}")
    has_types = prop.types is not None
    control = probe.control_labels(prop.types, prop.labels, generator) if has_types else None
    order = generator.permutation(np.flatnonzero(parts.train))
    draws = resamples(prop.examples[parts.test], generator)
    curves, hits = [], {}
    for name, states in shown.items():
        layers = [
            probe_layer(states[:, layer], prop, parts, control, order)
            for layer in tqdm(range(states.shape[1]), desc=f"  {prop.name}, {name}", leave=False)
        ]
        hits[name] = np.array([layer.hits for layer in layers])
        curves.append(curve(name, layers, draws(hits[name])))
    changes = [
        change(name, hits[name], hits[BEFORE], draws)
        for name in shown
        if name not in (BEFORE, RANDOM)
    ]
    return Probed(
        prop.name, prop.label_names, int(parts.train.sum()), int(parts.test.sum()),
        float(np.mean(prop.labels[parts.test] == seen.argmax())), tuple(curves), tuple(changes),
    )  # fmt: skip


def curve(name: str, layers: list["Layer"], draws: np.ndarray) -> Curve:
    """The layers of a model as arrays; `draws` [L + 1, k] are accuracies on resampled examples."""
    return Curve(
        name,
        np.array([layer.hits.mean() for layer in layers]),
        *np.percentile(draws, (2.5, 97.5), axis=1),
        None if layers[0].control is None else np.array([layer.control for layer in layers]),
        np.array([layer.compression for layer in layers]),
        np.array([layer.strength for layer in layers]),
    )


def change(
    name: str, after: np.ndarray, before: np.ndarray, draws: Callable[[np.ndarray], np.ndarray]
) -> Change:
    """What is right after adaptation less what was before, [L + 1, n] of bool each."""
    gain = after.astype(float) - before
    return Change(name, gain.mean(axis=1), *np.percentile(draws(gain), (2.5, 97.5), axis=1))


@dataclass(frozen=True)
class Layer:
    """What a probe finds in one layer."""

    hits: np.ndarray  # [n_test] of bool: which labels are right
    strength: float
    control: float | None
    compression: float


def probe_layer(
    states: np.ndarray,
    prop: Property,
    parts: Parts,
    control: np.ndarray | None,
    order: np.ndarray,
) -> Layer:
    """Fit and test the probe of one layer, [n, d], its control task and its code."""
    h, y = probe.standardise(states, parts.train), prop.labels
    train, test, n_classes = parts.train, parts.test, len(prop.label_names)
    C = probe.choose_strength(h[train], y[train], parts.held_out[train], n_classes, STRENGTHS)
    hits = probe.fit(h[train], y[train], n_classes, C).predict(h[test]) == y[test]
    control_score = None
    if control is not None:
        remembered = probe.fit(h[train], control[train], n_classes, C)
        control_score = remembered.accuracy(h[test], control[test])
    bits = probe.online_bits(h, y, n_classes, C, order)
    return Layer(hits, C, control_score, probe.compression(bits, len(order), n_classes))


def resamples(
    examples: np.ndarray, generator: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
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
