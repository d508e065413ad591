"""How far confidences are from how often they are right; each error has its blind spot."""

import numpy as np

from analysis.calibration.bins import N_BINS, Scheme, Table, reliability_table


def expected_error(table: Table) -> float:
    """ECE = Σ_b (n_b/n)·|acc_b − conf_b| (arXiv 1706.04599, Eq. 3); NaN without answers.

    It is never below 0, so chance alone makes it positive (see `analysis.calibration.chance`), and
    errors that cancel inside a bin are not seen.
    """
    return float(table.share @ np.abs(table.gap)) if len(table.count) else np.nan


def largest_error(table: Table) -> float:
    """MCE = max_b |acc_b − conf_b| (1706.04599, Eq. 5); bins of few answers often decide it."""
    return float(np.abs(table.gap).max()) if len(table.count) else np.nan


def squared_error(table: Table) -> float:
    """The plug-in L2 error, √Σ_b (n_b/n)·(acc_b − conf_b)²; NaN without answers."""
    return float(np.sqrt(table.share @ table.gap**2)) if len(table.count) else np.nan


def debiased_error(table: Table) -> float:
    """The L2 error less what chance adds to it (arXiv 1909.10155, §5).

        √max(0, Σ_b (n_b/n)·((acc_b − conf_b)² − acc_b(1 − acc_b)/(n_b − 1)))

    A bin of one answer says nothing of its own variance and is left out; NaN where all are. So that
    the error is of all answers, also where there are few, bins are of equal mass and as many as
    `bins_of_two` says; only ties can leave a bin of one then.
    """
    kept = table.count > 1
    if not kept.any():
        return np.nan
    count, accuracy = table.count[kept], table.accuracy[kept]
    squares = table.gap[kept] ** 2 - accuracy * (1 - accuracy) / (count - 1)
    return float(np.sqrt(max(0.0, np.average(squares, weights=count))))


def bins_of_two(n: int, n_bins: int) -> int:
    """At most n_bins, and so few that n answers make two or more for each bin of equal mass."""
    return max(1, min(n_bins, n // 2))


def classwise_error(
    probabilities: np.ndarray, labels: np.ndarray, n_bins: int = N_BINS, scheme: Scheme = "width"
) -> float:
    """The mean over classes of the ECE of "it is this class" (arXiv 1910.12656, §2).

    Args:
        probabilities: [n, c].
        labels: [n] class indices.
        n_bins: of each class.
        scheme: of the bins.
    """
    tables = class_tables(probabilities, labels, n_bins, scheme)
    return float(np.mean([expected_error(table) for table in tables]))


def class_tables(
    probabilities: np.ndarray, labels: np.ndarray, n_bins: int, scheme: Scheme
) -> list[Table]:
    """A table for each class: how often it was this class where it was given this probability."""
    return [
        reliability_table(p, labels == k, n_bins, scheme) for k, p in enumerate(probabilities.T)
    ]
