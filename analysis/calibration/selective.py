"""Accuracy and coverage: how right a model is on the answers that it keeps, the surest first."""

from dataclasses import dataclass

import numpy as np

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)


@dataclass(frozen=True)
class Selective:
    """Accuracy when only the surest share of the answers is given (arXiv 1705.08500)."""

    accuracy: np.ndarray  # [n] of the i + 1 surest answers
    area: float  # mean of 1 − accuracy over all coverages (AURC); 0 is perfect
    least_area: float  # of the best order of the same answers: all wrong ones last

    @property
    def coverage(self) -> np.ndarray:
        n = len(self.accuracy)
        return np.arange(1, n + 1) / n

    def at(self, coverage: float) -> float:
        """Accuracy at a coverage in (0, 1]; of at least one answer."""
        return float(self.accuracy[max(1, round(coverage * len(self.accuracy))) - 1])


def select(confidence: np.ndarray, right: np.ndarray) -> Selective:
    """Order answers by confidence; among equal ones each stands for their mean.

    Args:
        confidence: [n].
        right: [n] whether the answer was right.
    """
    right = np.asarray(right, dtype=float)
    values, index = np.unique(-confidence, return_inverse=True)  # the surest first
    count = np.bincount(index, minlength=len(values))
    kept = np.repeat(np.bincount(index, right) / count, count)
    return Selective(_running_mean(kept), _area(kept), _area(np.sort(right)[::-1]))


def _running_mean(right: np.ndarray) -> np.ndarray:
    return np.cumsum(right) / np.arange(1, len(right) + 1)


def _area(right: np.ndarray) -> float:
    return float(1 - _running_mean(right).mean())
