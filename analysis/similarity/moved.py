"""Which layers moved, and which models end alike; the seeds of a configuration together."""

from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import numpy as np

from analysis.seeds import half_width
from analysis.similarity.cka import all_equal, cka
from analysis.states import BEFORE, SEED
from tl.bars import bar

ByName = dict[str, list[np.ndarray]]  # a configuration -> states of each seed, [n, L + 1, d]


@dataclass(frozen=True)
class Moved:
    """How alike each layer is before and after adaptation, for each seed of a configuration."""

    each: np.ndarray  # [seeds, L + 1], debiased; nan: see `cka`
    collapsed: np.ndarray  # [seeds, L + 1] bool: states that differed before are equal after

    @property
    def mean(self) -> np.ndarray:
        return self.each.mean(axis=0)

    @property
    def half(self) -> np.ndarray:
        """Half of the 95% interval over seeds, [L + 1]; 0 for one seed."""
        return half_width(self.each)


@dataclass(frozen=True)
class Map:
    """CKA of every layer of one model with every layer of another, the embeddings first."""

    rows: str
    columns: str
    values: np.ndarray  # [L + 1, other L + 1]; nan: see `cka`


@dataclass(frozen=True)
class Bias:
    """What the biased form says of one run, and both forms of examples that are shuffled apart.

    Shuffled, the states before and after are of different texts, and have nothing in common.
    """

    run: str
    biased: np.ndarray  # [L + 1]
    shuffled_biased: np.ndarray
    shuffled_debiased: np.ndarray


@dataclass(frozen=True)
class Ends:
    """CKA of the last layers of configurations, the mean over all pairs of their runs.

    On the diagonal are pairs of seeds: how alike one way of training ends twice.
    """

    names: tuple[str, ...]
    values: np.ndarray  # [g, g], symmetric; nan on the diagonal where there is one seed


@dataclass(frozen=True)
class Similarity:
    """Before against after for each configuration, and configurations against each other."""

    pool: str
    n_examples: int
    moved: dict[str, Moved]
    bias: Bias
    map: Map | None  # of one or two configurations, their lowest seeds
    ends: Ends | None  # of two runs or more


def compute(pool: str, before: ByName, after: ByName) -> Similarity:
    """Compare models layer by layer.

    Args:
        pool: which states they are, in words.
        before: states of the runs of each configuration before adaptation, one array for each
            seed; row i is the same example everywhere.
        after: and after it.

    Raises:
        ValueError: for fewer than 4 examples.
    """
    name = next(iter(after))
    old, new = before[name][0], after[name][0]
    moved = {run: _moved(before[run], states) for run, states in after.items()}
    n_runs = sum(map(len, after.values()))
    return Similarity(
        pool, len(old), moved, bias(name, old, new), layer_map(before, after),
        ends(after) if n_runs > 1 else None,
    )  # fmt: skip


def _moved(before: list[np.ndarray], after: list[np.ndarray]) -> Moved:
    """Of the seeds of one configuration."""
    pairs = list(zip(before, after, strict=True))
    collapsed = [
        [all_equal(new[:, i]) and not all_equal(old[:, i]) for i in range(new.shape[1])]
        for old, new in pairs
    ]
    return Moved(np.array([layers(*pair) for pair in pairs]), np.array(collapsed))


def layers(one: np.ndarray, other: np.ndarray, debiased: bool = True) -> np.ndarray:
    """CKA of each layer with the same one of another model, [L + 1]."""
    same = bar(range(other.shape[1]), "layers")
    return np.array([cka(one[:, i], other[:, i], debiased=debiased) for i in same])


def bias(run: str, old: np.ndarray, new: np.ndarray) -> Bias:
    """What a reader would be told by the biased form."""
    shuffled = old[np.random.default_rng(SEED).permutation(len(old))]
    return Bias(
        run,
        layers(old, new, debiased=False),
        layers(shuffled, new, debiased=False),
        layers(shuffled, new),
    )


def layer_map(before: ByName, after: ByName) -> Map | None:
    """All pairs of layers: of one configuration before and after, or of two; None for more."""
    names = list(after)
    if len(names) > 2:
        return None
    rows, columns = names if len(names) == 2 else (BEFORE, *names)
    one = before[columns][0] if rows == BEFORE else after[rows][0]
    other = after[columns][0]
    values = [
        [cka(one[:, i], other[:, j]) for j in range(other.shape[1])]
        for i in bar(range(one.shape[1]), "pairs of layers")
    ]
    return Map(rows, columns, np.array(values))


def ends(after: ByName) -> Ends:
    """Compare the last layers of all runs."""
    names = tuple(after)
    last = {name: [states[:, -1] for states in after[name]] for name in names}
    values = np.full((len(names), len(names)), np.nan)
    for i, j in combinations_with_replacement(range(len(names)), 2):
        one, other = last[names[i]], last[names[j]]
        pairs = combinations(one, 2) if i == j else ((a, b) for a in one for b in other)
        found = [cka(*pair) for pair in pairs]
        if found:
            values[i, j] = values[j, i] = np.mean(found)
    return Ends(names, values)
