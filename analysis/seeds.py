"""Runs of one configuration together: what their seeds find on average, and how sure that is.

Chance acts twice on a number: through the texts on which it is measured, and through the seed of
the training. An interval over texts alone speaks of one training; one over seeds alone, of these
texts.
"""

import numpy as np
from scipy.special import stdtrit  # quantiles of Student's t

from analysis.finished import configurations, labels_of

N_DRAWS = 1000  # of the bootstrap


def together(results: list[dict]) -> dict[str, list[int]]:
    """The runs that differ by their seed only: places in the list, lowest seed first, by name.

    Raises:
        ValueError: if a configuration and seed is there twice.
    """
    labels_of(results)  # refuses doubles
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(configurations(results)):
        groups.setdefault(name, []).append(place)
    return {
        name: sorted(places, key=lambda place: results[place]["seed"])
        for name, places in groups.items()
    }


def draw_texts(n: int) -> np.ndarray:
    """How often each of n texts is drawn when n are drawn with replacement, [N_DRAWS, n].

    The same whenever n is the same: what is found on the same texts is compared draw by draw.
    """
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_DRAWS)


def half_width(values: np.ndarray) -> np.ndarray:
    """Half of the 95% interval of a mean over seeds, t·s/√n; 0 for one seed, which says none.

    A percentile bootstrap over so few values covers far less than it says.

    Args:
        values: [seeds, …].
    """
    n = len(values)
    if n == 1:
        return np.zeros(np.shape(values)[1:])
    return stdtrit(n - 1, 0.975) * np.std(values, axis=0, ddof=1) / np.sqrt(n)


def widened(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% interval of a mean over seeds for other texts and other seeds.

    The two kinds of chance are independent, so their variances add, and so do the squares of the
    half widths.

    Args:
        values: [seeds, …].
        low: the lower end for other texts, of the mean over these seeds, […].
        high: the upper end.

    Returns:
        both ends, […].
    """
    mean, seeds = np.mean(values, axis=0), half_width(values)
    return mean - np.hypot(mean - low, seeds), mean + np.hypot(high - mean, seeds)


def n_seeds(n: int) -> str:
    """`3 seeds`."""
    return f"{n} seed{'s' * (n > 1)}"


def named(label: str, n: int) -> str:
    """`lora`, and of several seeds `lora (mean of 3 seeds)`."""
    return f"{label} (mean of {n_seeds(n)})" if n > 1 else label
