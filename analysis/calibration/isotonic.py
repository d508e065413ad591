"""Isotonic regression: the rising staircase that lies nearest, by pooling adjacent violators."""

from dataclasses import dataclass

import numpy as np


def pool_adjacent_violators(y: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """The non-decreasing f that minimises Σ w·(y − f)², [n] (Ayer and others 1955).

    From left to right: while a block's mean is below that of the block before, both become one.

    Args:
        y: [n], in the order of the scores.
        weight: [n], above 0; None: all 1.
    """
    weight = np.ones(len(y)) if weight is None else weight
    means, weights, sizes = [], [], []
    for value, w in zip(np.asarray(y, dtype=float).tolist(), weight.tolist(), strict=True):
        size = 1
        while means and means[-1] >= value:
            before = weights.pop()
            value = (before * means.pop() + w * value) / (before + w)
            w, size = before + w, size + sizes.pop()
        means.append(value)
        weights.append(w)
        sizes.append(size)
    return np.repeat(means, sizes)


@dataclass(frozen=True)
class Staircase:
    """The map that goes through (x, y) in straight lines and is level outside."""

    x: np.ndarray  # [k] rising
    y: np.ndarray  # [k] not falling, in [0, 1]

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return np.interp(scores, self.x, self.y)


def fit_isotonic(scores: np.ndarray, truth: np.ndarray) -> Staircase:
    """Isotonic calibration (Zadrozny and Elkan 2002): equal scores are one point.

    Args:
        scores: [n].
        truth: [n] whether it was so.
    """
    x, index, count = np.unique(scores, return_inverse=True, return_counts=True)
    share = np.bincount(index, np.asarray(truth, dtype=float)) / count
    return Staircase(x, pool_adjacent_violators(share, count))
