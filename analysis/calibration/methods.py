"""The four maps by their names, each of logits to probabilities of all classes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.calibration.isotonic import Staircase, fit_isotonic
from analysis.calibration.scaling import Sigmoid, fit_sigmoid, fit_temperature, fit_vector

Map = Callable[[np.ndarray], np.ndarray]  # logits [n, c] -> probabilities [n, c]


@dataclass(frozen=True)
class OneVersusRest:
    """A map for each class of its own log-odds; what they give is divided by its sum.

    Of two classes one map does: the other class has the rest (Zadrozny and Elkan 2002, §4).
    """

    maps: tuple[Sigmoid | Staircase, ...]

    @property
    def at_bound(self) -> bool:
        return any(getattr(one, "at_bound", False) for one in self.maps)

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        scores = class_log_odds(logits)
        if len(self.maps) == 1:
            p = self.maps[0](scores[:, 1])
            return np.stack([1 - p, p], axis=1)
        each = np.stack([one(s) for one, s in zip(self.maps, scores.T, strict=True)], axis=1)
        total = each.sum(1, keepdims=True)
        # Where no class is possible by its own map, all are alike.
        return np.where(total > 0, each / np.where(total > 0, total, 1), 1 / each.shape[1])


def class_log_odds(logits: np.ndarray) -> np.ndarray:
    """The log-odds of each class, z_k − log Σ_{j≠k} exp z_j, [n, c]; of two ±(z₁ − z₀)."""
    n_classes = logits.shape[1]
    others = np.stack([np.delete(logits, k, axis=1) for k in range(n_classes)], axis=1)
    return logits - np.logaddexp.reduce(others, axis=2)


def fit_one_versus_rest(
    fit: Callable[[np.ndarray, np.ndarray], Sigmoid | Staircase],
    logits: np.ndarray,
    labels: np.ndarray,
) -> OneVersusRest:
    """Fit a map of one score for each class.

    Args:
        fit: of scores [n] and truths [n].
        logits: [n, c].
        labels: [n] class indices.
    """
    scores = class_log_odds(logits)
    classes = [1] if logits.shape[1] == 2 else range(logits.shape[1])
    return OneVersusRest(tuple(fit(scores[:, k], labels == k) for k in classes))


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> OneVersusRest:
    return fit_one_versus_rest(fit_sigmoid, logits, labels)


def fit_staircases(logits: np.ndarray, labels: np.ndarray) -> OneVersusRest:
    return fit_one_versus_rest(fit_isotonic, logits, labels)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], Map]] = {
    "temperature": fit_temperature,
    "Platt": fit_platt,
    "vector scaling": fit_vector,
    "isotonic": fit_staircases,
}
