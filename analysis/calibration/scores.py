"""Proper scores: the truth alone minimises their expectation, so they need no bins."""

from dataclasses import dataclass

import numpy as np

from analysis.calibration.bins import N_BINS, assign


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The mean of −log p(label); infinite where something happened that was given 0.

    Args:
        probabilities: [n, c].
        labels: [n] class indices.
    """
    given = probabilities[np.arange(len(labels)), labels]
    with np.errstate(divide="ignore"):
        return float(-np.log(given).mean())


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The mean over examples of Σ_k (p_k − y_k)², in [0, 2] (Brier 1950)."""
    return float(((probabilities - one_hot(labels, probabilities.shape[1])) ** 2).sum(1).mean())


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    return np.eye(n_classes)[labels]


@dataclass(frozen=True)
class Murphy:
    """Brier = reliability − resolution + uncertainty + within (Murphy 1973).

    `reliability` is the squared error of calibration, `resolution` how far the bins' frequencies
    lie from the base rate, `uncertainty` the score of always giving the base rate. `within` is what
    bins hide: 0 where all forecasts in a bin are equal (Stephenson and others 2008).
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float

    @property
    def brier(self) -> float:
        return self.reliability - self.resolution + self.uncertainty + self.within


def decompose(probabilities: np.ndarray, labels: np.ndarray, n_bins: int = N_BINS) -> Murphy:
    """Take the Brier score apart, class by class, in bins of equal width; the parts are sums.

    Args:
        probabilities: [n, c].
        labels: [n] class indices.
        n_bins: of each class.
    """
    truth = one_hot(labels, probabilities.shape[1])
    indices = [assign(p, n_bins, "width") for p in probabilities.T]
    columns = zip(probabilities.T, truth.T, indices, strict=True)
    parts = [decompose_one(*column) for column in columns]
    return Murphy(*np.sum(parts, axis=0).tolist())


def decompose_one(
    p: np.ndarray, y: np.ndarray, index: np.ndarray
) -> tuple[float, float, float, float]:
    """The parts of mean((p − y)²), with forecasts grouped by `index`; all are [n]."""
    _, index = np.unique(index, return_inverse=True)
    count = np.bincount(index)
    share = count / len(p)
    p_mean, y_mean, base = np.bincount(index, p) / count, np.bincount(index, y) / count, y.mean()
    p_left, y_left = p - p_mean[index], y - y_mean[index]
    within = (p_left**2).mean() - 2 * (p_left * y_left).mean()  # variance − 2·covariance, in bins
    reliability, resolution = share @ (p_mean - y_mean) ** 2, share @ (y_mean - base) ** 2
    return float(reliability), float(resolution), float(base * (1 - base)), float(within)
