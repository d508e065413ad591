"""Reliability tables: how often answers are right where they are how sure."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Scheme = Literal["width", "mass"]
N_BINS = 15  # as in arXiv 1706.04599, §2
Z95 = 1.959963984540054  # the normal quantile of a two-sided 95% interval


@dataclass(frozen=True)
class Table:
    """The bins that hold answers, b of them; all errors and all figures are computed from them."""

    lower: np.ndarray  # [b] edges of a bin of equal width; least and largest confidence of others
    upper: np.ndarray
    count: np.ndarray  # [b] at least 1
    confidence: np.ndarray  # [b] mean
    accuracy: np.ndarray  # [b] share of right answers
    low: np.ndarray  # [b] Wilson's 95% interval of that share
    high: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """Accuracy less confidence: negative where answers are too sure."""
        return self.accuracy - self.confidence

    @property
    def share(self) -> np.ndarray:
        return self.count / self.count.sum()


def reliability_table(
    confidence: np.ndarray, right: np.ndarray, n_bins: int = N_BINS, scheme: Scheme = "width"
) -> Table:
    """Sort answers into bins by their confidence.

    Args:
        confidence: [n] in [0, 1].
        right: [n] whether the answer was right.
        n_bins: at most as many are filled; fewer answers than bins are no fault.
        scheme: bins of equal width, or of equal mass: of as many answers, but for ties.

    Raises:
        ValueError: if the arrays do not fit, or a confidence is no probability.
    """
    confidence, right = checked(confidence, right)
    index = assign(confidence, n_bins, scheme)
    count = np.bincount(index, minlength=n_bins)
    filled = np.flatnonzero(count)
    count = count[filled]
    sums, hits = (np.bincount(index, x, n_bins)[filled] for x in (confidence, right))
    if scheme == "width":
        lower, upper = filled / n_bins, (filled + 1) / n_bins
    else:
        lower, upper = np.ones(len(filled)), np.zeros(len(filled))
        place = np.searchsorted(filled, index)
        np.minimum.at(lower, place, confidence)
        np.maximum.at(upper, place, confidence)
    low, high = wilson(hits, count)
    return Table(lower, upper, count, sums / count, hits / count, low, high)


def checked(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64; ValueError if they do not fit or a confidence is no probability."""
    confidence, right = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    if confidence.ndim != 1 or confidence.shape != right.shape:
        raise ValueError(
            f"a confidence and a truth for each answer are needed, got arrays of shapes "
            f"{confidence.shape} and {right.shape}"
        )
    outside = ~((confidence >= 0) & (confidence <= 1))  # true for NaN too
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"{int(outside.sum())} of {len(confidence)} confidences are no probabilities in "
            f"[0, 1]; the first is {confidence[first]} at {first}"
        )
    return confidence, right


def assign(confidence: np.ndarray, n_bins: int, scheme: Scheme) -> np.ndarray:
    """The bin of each answer, [n].

    Bins of equal width are [lower, upper), the last one closed: a confidence of exactly 1 is in it.
    """
    if n_bins < 1:
        raise ValueError(f"the number of bins must be at least 1, got {n_bins}")
    if scheme == "width":
        return np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    return _equal_mass(confidence, n_bins)


def _equal_mass(confidence: np.ndarray, n_bins: int) -> np.ndarray:
    """Bins of n/b answers; a cut inside a run of equal confidences moves to its nearer end.

    A cut through ties would let the order of the rows decide which of them is where.
    """
    n = len(confidence)
    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    sizes = np.full(n_bins, n // n_bins)
    sizes[: n % n_bins] += 1
    cuts = np.cumsum(sizes)[:-1]
    cuts = cuts[cuts < n]
    first = np.searchsorted(ordered, ordered[cuts], "left")
    behind = np.searchsorted(ordered, ordered[cuts], "right")
    cuts = np.unique(np.where(cuts - first <= behind - cuts, first, behind))
    index = np.empty(n, dtype=int)
    index[order] = np.searchsorted(cuts, np.arange(n), "right")
    return index


def wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% interval of a share (Wilson 1927): inside [0, 1], and never of width 0.

        (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)        p = hits/n

    Args:
        hits: how many were right.
        n: of how many, at least 1.
    """
    share, square = hits / n, Z95**2 / n
    centre = share + square / 2
    half = Z95 * np.sqrt(share * (1 - share) / n + square / n / 4)
    return (centre - half) / (1 + square), (centre + half) / (1 + square)


def log_odds(p: np.ndarray) -> np.ndarray:
    """The log-odds, log p/(1 − p); where p is 0 or 1, of the nearest number that is not."""
    tiny = np.finfo(float).eps
    inside = np.clip(p, tiny, 1 - tiny)
    return np.log(inside) - np.log1p(-inside)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1/(1 + e⁻ˣ), without overflow."""
    return np.exp(-np.logaddexp(0, -x))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits [n, c] in float64: float32 would round many to exactly 1."""
    logits = np.asarray(logits, dtype=float)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)
