"""Runs of one configuration together: what their seeds find on average, and how sure that is.

Chance acts twice on a number: through the texts on which it is measured, and through the seed of
the training. An interval over texts alone speaks of one training; one over seeds alone, of these
texts.
"""

import numpy as np
from scipy.special import ndtri, stdtrit  # quantiles: of the normal, of Student's t

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


def half_width(values: np.ndarray, tail: float = 0.025) -> np.ndarray:
    """Half of the interval of a mean over seeds, t·s/√n; 0 for one seed, which says none.

    A percentile bootstrap over so few values covers far less than it says.

    Args:
        values: [seeds, …].
        tail: the share of either side that it leaves out.
    """
    n = len(values)
    if n == 1:
        return np.zeros(np.shape(values)[1:])
    return -stdtrit(n - 1, tail) * np.std(values, axis=0, ddof=1) / np.sqrt(n)


def interval(
    values: np.ndarray, draws: np.ndarray, n_claims: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The 95% interval of a mean over seeds, for other texts and other seeds.

    What the texts do to all seeds alike and what differs between seeds are independent, so their
    variances add, and so do the squares of the half widths. What the texts do to each seed in its
    own way is in the spread over seeds already, and is taken out of that of the draws. With few
    seeds it covers more than it says: up to 98% with three, 99% with two.

    Args:
        values: [seeds, …].
        draws: [seeds, …, draws] the same for other texts; a draw is of the same texts for all.
        n_claims: of so many intervals all hold at once (Bonferroni), where one is picked out of
            many for what it shows.

    Returns:
        both ends, […].
    """
    tail, mean = 0.025 / n_claims, np.mean(values, axis=0)
    together = np.mean(draws, axis=0)
    low, high = np.nanpercentile(together, (2.5, 97.5), axis=-1)
    # Draws are too few for rarer ends: those of a normal distribution as wide.
    scale = ndtri(tail) / ndtri(0.025) * _shared(draws, together)
    seeds = half_width(values, tail)
    sides = [np.maximum(side, 0) * scale for side in (mean - low, high - mean)]
    return mean - np.hypot(sides[0], seeds), mean + np.hypot(sides[1], seeds)


def _shared(draws: np.ndarray, together: np.ndarray) -> np.ndarray:
    """What share of the draws' standard deviation is the same for all seeds, […]."""
    n = len(draws)
    if n == 1:
        return np.ones(together.shape[:-1])
    own = np.nanvar(draws - together, axis=-1).mean(axis=0) / (n - 1)  # of the mean over seeds
    whole = np.nanvar(together, axis=-1)
    return np.sqrt(np.clip(1 - np.divide(own, whole, out=np.ones_like(own), where=whole > 0), 0, 1))


def n_seeds(n: int) -> str:
    """`3 seeds`."""
    return f"{n} seed{'s' * (n > 1)}"


def named(label: str, n: int) -> str:
    """`lora`, and of several seeds `lora (mean of 3 seeds)`."""
    return f"{label} (mean of {n_seeds(n)})" if n > 1 else label
