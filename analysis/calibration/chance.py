"""What chance alone does: the errors of perfectly calibrated answers, and intervals of errors."""

from dataclasses import dataclass

import numpy as np

from analysis.calibration.bins import N_BINS, Scheme, assign
from analysis.calibration.errors import bins_of_two

N_DRAWS = 500


@dataclass(frozen=True)
class Against:
    """An error beside those that a calibrated model with the same confidences would show."""

    value: float
    expected: float  # mean over draws
    upper: float  # 95% of the draws lie below
    p_value: float  # share of draws with an error as large

    @classmethod
    def of(cls, value: float, draws: np.ndarray) -> "Against":
        """Judge an error; the p-value counts the error itself as one draw, so it is never 0."""
        as_large = (draws >= value * (1 - 1e-9)).sum()  # rounding breaks no tie
        p_value = (1 + as_large) / (1 + len(draws))
        return cls(
            float(value), float(draws.mean()), float(np.quantile(draws, 0.95)), float(p_value)
        )

    @property
    def is_chance(self) -> bool:
        return self.p_value > 0.05


def null_errors(
    confidence: np.ndarray, n_bins: int = N_BINS, scheme: Scheme = "width",
    n_draws: int = N_DRAWS, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """The ECE of `n_draws` samples in which each answer is right with its own confidence.

    Its mean is about Σ_b (n_b/n)·√(2·a_b(1 − a_b)/(π·n_b)), with a_b the mean confidence: the
    mean distance of a binomial share from its expectation.

    Args:
        confidence: [n].
        n_bins: as for the error that is judged.
        scheme: as for the error that is judged.
        n_draws: number of samples.
        seed: where chance comes from.
    """
    chance = np.random.default_rng(seed)
    index = assign(confidence, n_bins, scheme)
    sums = np.bincount(index, confidence, n_bins)
    found = np.empty(n_draws)
    for i in range(n_draws):
        hits = np.bincount(index[chance.random(len(index)) < confidence], minlength=n_bins)
        found[i] = np.abs(hits - sums).sum() / len(index)  # Σ_b (n_b/n)·|hits_b/n_b − conf_b|
    return found


def null_classwise_errors(
    probabilities: np.ndarray, n_bins: int = N_BINS, scheme: Scheme = "width",
    n_draws: int = N_DRAWS, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """The class-wise ECE of samples whose labels are drawn from the probabilities, [n, c]."""
    chance = np.random.default_rng(seed)
    n, n_classes = probabilities.shape
    columns = [assign(p, n_bins, scheme) for p in probabilities.T]
    # One number for a class and a bin of it, so that one count does for all.
    index = np.stack(columns, axis=1) + n_bins * np.arange(n_classes)
    sums = np.bincount(index.ravel(), probabilities.ravel(), n_bins * n_classes)
    limits = np.cumsum(probabilities, axis=1)[:, :-1]
    rows, found = np.arange(n), np.empty(n_draws)
    for i in range(n_draws):
        labels = (chance.random((n, 1)) > limits).sum(1)
        hits = np.bincount(index[rows, labels], minlength=n_bins * n_classes)
        found[i] = np.abs(hits - sums).sum() / n / n_classes
    return found


def debiased_interval(
    confidence: np.ndarray, right: np.ndarray, n_bins: int = N_BINS,
    n_draws: int = N_DRAWS, seed: int = 0,
) -> tuple[float, float]:  # fmt: skip
    """The 95% bootstrap interval of the debiased L2 error, in bins of equal mass (`bins_of_two`).

    Percentiles of the squared error, less what resampling adds to it once more: a resample's truth
    is the sample, whose own gaps hold chance already. Without that, as with percentiles of the
    plug-in ECE, a true error of 0 is hardly ever covered. The interval is conservative: true errors
    of 0, .03 and .08 were covered in 97 to 100% of simulated samples of 300 and of 2000 answers.

    Args:
        confidence: [n].
        right: [n].
        n_bins: at most; cut once, resampled answers stay in their bins.
        n_draws: number of resamples.
        seed: where chance comes from.

    Returns:
        both ends; NaN for one answer.
    """
    chance = np.random.default_rng(seed)
    index = assign(confidence, bins_of_two(len(confidence), n_bins), "mass")
    gaps, right = right - confidence, np.asarray(right, dtype=float)
    _, added = _squares(index, gaps, right)
    found = []
    for _ in range(n_draws):
        picked = chance.integers(len(index), size=len(index))
        square, own = _squares(index[picked], gaps[picked], right[picked])
        found.append(square - own - added)
    low, high = np.sqrt(np.maximum(0, np.quantile(found, [0.025, 0.975])))
    return float(low), float(high)


def _squares(index: np.ndarray, gaps: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """The squared L2 error, and what chance adds to it; NaN where no bin has two answers."""
    count = np.bincount(index)
    kept = count > 1
    gap, hits = (np.bincount(index, x)[kept] for x in (gaps, right))
    count = count[kept]
    if not len(count):
        return np.nan, np.nan
    share, weight = hits / count, count / count.sum()
    return float(weight @ (gap / count) ** 2), float(weight @ (share * (1 - share) / (count - 1)))
