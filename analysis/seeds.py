"""Runs of one configuration together: what their seeds find on average, and how sure that is.

Chance acts twice on a number: through the texts on which it is measured, and through the seed of
the training. An interval over texts alone speaks of one training; one over seeds alone, of these
texts.
"""

import argparse

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


def add_against(parser: argparse.ArgumentParser) -> None:
    """Add the option that `choose` reads."""
    parser.add_argument(
        "--against",
        metavar="LABEL",
        help="of several configurations, whom the others are compared with, by the name that is "
        'printed, such as "lora (r 4)" (default: "full", else the first)',
    )


def choose(labels: list[str], against: str | None) -> str:
    """Whom the others are compared with: whom one names, else "full", else the first.

    Raises:
        ValueError: if no group has that label, or there is only one.
    """
    if len(labels) < 2:
        raise ValueError(
            f"all these runs are of one configuration, {labels[0]}; a comparison takes two, such "
            "as --strategy full and --strategy lora"
        )
    if against is not None and against not in labels:
        raise ValueError(f"--against {against}: no such runs; there are {', '.join(labels)}")
    return against or ("full" if "full" in labels else labels[0])


def draw_texts(n: int) -> np.ndarray:
    """How often each of n texts is drawn when n are drawn with replacement, [N_DRAWS, n].

    The same whenever n is the same: what is found on the same texts is compared draw by draw.
    """
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_DRAWS)


def draw_groups(groups: np.ndarray) -> np.ndarray:
    """Count how often each of n rows is drawn when groups are, [N_DRAWS, n]; see `draw_texts`.

    Args:
        groups: equal for rows that are drawn together, as copies of one text are.
    """
    _, first, place = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # in the order of the rows: alone, each is as `draw_texts`
    return draw_texts(len(first))[:, rank[place]]


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


def interval(
    values: np.ndarray, draws: np.ndarray, n_claims: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The 95% interval of a mean over seeds, for other texts and other seeds.

    Two variances add: that between seeds, s² / n, which holds what texts do to each seed in its own
    way, and that of the draws, less that part. The half width is Student's t, with Satterthwaite's
    degrees of freedom (Biometrics Bulletin 2, 1946: few where seeds differ, many where texts do),
    times the root. One seed leaves the percentiles of the draws. By simulation it covers 92 to 98%
    with three seeds or more, 90 to 98% with two.

    Args:
        values: [seeds, …].
        draws: [seeds, …, draws] the same for other texts; a draw is of the same texts for all.
        n_claims: of so many intervals all hold at once (Bonferroni), where one is picked out of
            many for what it shows.

    Returns:
        both ends, […].
    """
    n, mean, of_mean = len(values), np.mean(values, axis=0), np.mean(draws, axis=0)
    texts = np.nanvar(of_mean, axis=-1)
    own = seeds = np.zeros_like(texts)
    if n > 1:
        own = np.nanvar(draws - of_mean, axis=-1).mean(axis=0) / (n - 1)
        seeds = np.var(values, axis=0, ddof=1) / n
    variance = np.maximum(seeds + np.maximum(texts - own, 0), texts)
    freedom = np.full_like(variance, np.inf)
    np.divide((n - 1) * variance**2, seeds**2, out=freedom, where=seeds > 0)
    half = -stdtrit(freedom, 0.025 / n_claims) * np.sqrt(variance)
    # Draws may lie askew around the mean, as those of shares near 0 or 1 do.
    sides = [mean - np.nanpercentile(of_mean, 2.5, -1), np.nanpercentile(of_mean, 97.5, -1) - mean]
    normal = -ndtri(0.025) * np.sqrt(texts)
    low, high = (
        half * np.divide(np.maximum(side, 0), normal, out=np.ones_like(half), where=normal > 1e-9)
        for side in sides
    )
    return mean - low, mean + high


def n_seeds(n: int) -> str:
    """`3 seeds`."""
    return f"{n} seed{'s' * (n > 1)}"


def named(label: str, n: int) -> str:
    """`lora`, and of several seeds `lora (mean of 3 seeds)`."""
    return f"{label} (mean of {n_seeds(n)})" if n > 1 else label
