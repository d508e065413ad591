"""All that is asked of confidences, and of probabilities of all classes."""

from dataclasses import dataclass

import numpy as np

from analysis.calibration import chance, errors, scores
from analysis.calibration.bins import Table, reliability_table
from analysis.calibration.chance import Against


@dataclass(frozen=True)
class Confidences:
    """How honest the confidences of n answers are."""

    n: int
    accuracy: float
    confidence: float  # mean
    width: Table
    mass: Table
    ece: Against  # bins of equal width
    ece_mass: Against  # bins of equal mass
    mce: float
    debiased_l2: float  # `bins_of_two`, of equal mass; NaN for one answer, as its interval is
    debiased_interval: tuple[float, float]


@dataclass(frozen=True)
class Probabilities:
    """How honest the probabilities of all classes are."""

    top: Confidences  # of the most probable class
    classwise: Against
    classwise_mass: Against
    brier: float
    parts: scores.Murphy
    nll: float  # infinite where something happened that was given 0


def judge_confidences(confidence: np.ndarray, right: np.ndarray, n_bins: int) -> Confidences:
    """Judge answers by themselves.

    Args:
        confidence: [n], n at least 1.
        right: [n] whether the answer was right.
        n_bins: of the tables.
    """
    width, mass = (reliability_table(confidence, right, n_bins, s) for s in ("width", "mass"))
    twos = errors.bins_of_two(len(confidence), n_bins)
    null, null_mass = (chance.null_errors(confidence, n_bins, s) for s in ("width", "mass"))
    return Confidences(
        n=len(confidence),
        accuracy=float(np.mean(right)),
        confidence=float(np.mean(confidence)),
        width=width,
        mass=mass,
        ece=Against.of(errors.expected_error(width), null),
        ece_mass=Against.of(errors.expected_error(mass), null_mass),
        mce=errors.largest_error(width),
        debiased_l2=errors.debiased_error(reliability_table(confidence, right, twos, "mass")),
        debiased_interval=chance.debiased_interval(confidence, right, n_bins),
    )


def judge(probabilities: np.ndarray, labels: np.ndarray, n_bins: int) -> Probabilities:
    """Judge the probabilities of all classes.

    Args:
        probabilities: [n, c].
        labels: [n] class indices.
        n_bins: of the tables.
    """
    right = probabilities.argmax(1) == labels
    classwise = [
        Against.of(
            errors.classwise_error(probabilities, labels, n_bins, scheme),
            chance.null_classwise_errors(probabilities, n_bins, scheme),
        )
        for scheme in ("width", "mass")
    ]
    return Probabilities(
        judge_confidences(top(probabilities), right, n_bins),
        *classwise,
        brier=scores.brier_score(probabilities, labels),
        parts=scores.decompose(probabilities, labels, n_bins),
        nll=scores.negative_log_likelihood(probabilities, labels),
    )


def top(probabilities: np.ndarray) -> np.ndarray:
    """The confidence of an answer: the probability of its class, [n]."""
    return np.minimum(probabilities.max(1), 1.0)  # a sum may round to more than 1
