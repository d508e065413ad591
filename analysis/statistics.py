"""One way to say that A differs from B: pairs by seed, and a p-value for all claims of a page.

A number that a run finds varies twice: with the seed of the training, and with the texts on which
it is measured. The difference D of two configurations has an error for each:

    seeds   s/√n, with Student's t of n − 1 degrees of freedom. In pairs of runs with one seed, s is
            the standard deviation of the n differences. Where no pairs exist, each side has its own
            part, as in Welch's test (Biometrika 29, 1938).
    texts   the standard deviation of D over bootstrap draws of texts (Efron 1979), less the part
            that differs from seed to seed, which s holds already. Texts are many: normal.

The half width of an interval at level α adds the parts as Banerjee does (Sankhyā 22, 1960):

    h(α) = √( Σᵢ (qᵢ(1 − α/2) · seᵢ)² )        qᵢ: the quantile of part i

It covers D at least as often as it says, for any number of seeds from two on and any ratio of the
parts. p is the α at which h(α) = |D|. Degrees of freedom after Satterthwaite (Biometrics Bulletin
2, 1946), the usual way, are right on average at α = .05, and used for a single claim from three
seeds on. At α = .05/20 they fail: they are estimated large where s is small by chance, and up to
a third of all pages would hold a false claim.

One run has no part for seeds. Its interval is over texts alone, and there is no p and no verdict:
another seed of the same two configurations may say the opposite.

Claims that a page makes at once are corrected together: p-values by Holm (Scandinavian Journal of
Statistics 6, 1979), intervals by Bonferroni. A verdict is by p.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit  # quantiles of Student's t; of the normal for infinite freedom

ALPHA = 0.05
SMALLEST_P = 1e-12  # smaller ones are not told apart


@dataclass(frozen=True)
class Sample:
    """The numbers that the runs of one configuration find.

    Attributes:
        seeds: of the runs, s of them, each once.
        values: [s] a number of each.
        draws: [s, draws] the same for draws of texts; a draw has the same texts for every run.
            None: the texts are taken as given.
    """

    seeds: tuple[int, ...]
    values: np.ndarray
    draws: np.ndarray | None = None

    def known(self) -> "Sample":
        """The runs that have a number; NaN says that one has none."""
        missing = np.isnan(self.values)
        return self.take([seed for seed, no in zip(self.seeds, missing, strict=True) if not no])

    def take(self, seeds: Sequence[int]) -> "Sample":
        """The runs with these seeds, in this order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        draws = None if self.draws is None else self.draws[rows]
        return Sample(tuple(seeds), self.values[rows], draws)


@dataclass(frozen=True)
class Part:
    """One part of the error of a difference: its standard error and degrees of freedom."""

    error: float
    freedom: float


@dataclass(frozen=True)
class Difference:
    """A less B.

    Attributes:
        mean: over pairs of seeds, or of all runs of A less all of B; NaN where no run has a number.
        low, high: of the interval that holds for all claims at once; None: nothing says how sure
            the mean is (one seed, no draws of texts).
        p: corrected for all claims; None where a side has one seed: numbers of this run only; and
            where the mean is no finite number.
        seeds: of the pairs; without pairs, those of A and those of B.
        n_claims: how many claims low, high and p are corrected for.
        parts: of the error.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    seeds: tuple[tuple[int, ...], ...]
    n_claims: int
    parts: tuple[Part, ...]

    @property
    def n_seeds(self) -> int:
        """Count the pairs, or the runs on the side that has fewer."""
        return min(map(len, self.seeds))

    @property
    def of_seeds(self) -> str:
        """`3 seeds`, or `3 and 4 seeds, not in pairs`."""
        numbers = " and ".join(str(len(seeds)) for seeds in self.seeds)
        several = "s" * (numbers != "1")
        return f"{numbers} seed{several}" + ", not in pairs" * (len(self.seeds) > 1)

    @property
    def verdict(self) -> str:
        """`higher`, `lower` or `not shown`; without a p `this run only` or `unknown`."""
        if self.p is None:
            return "this run only" if np.isfinite(self.mean) else "unknown"
        if self.p >= ALPHA:
            return "not shown"
        return "higher" if self.mean > 0 else "lower"


def compare(a: Sample, b: Sample | None = None) -> Difference:
    """Compare two configurations, in pairs of one seed where two or more exist.

    Runs without a number, NaN, and draws of texts without one are left out.

    Args:
        a: what is compared.
        b: what it is compared with; None: with 0.

    Returns:
        the difference, as if it were the only claim; `at_once` corrects it for others.
    """
    sides = [a.known()] if b is None else _sides(a.known(), b.known())
    seeds = tuple(side.seeds for side in sides)
    if not all(seeds):
        return Difference(np.nan, None, None, None, seeds, 1, ())
    mean = float(sum(side.values.mean() for side in sides))
    if not np.isfinite(mean):
        return Difference(mean, None, None, None, seeds, 1, ())
    if min(map(len, seeds)) == 1:
        low, high = _percentiles(sides)
        return Difference(mean, low, high, None, seeds, 1, ())
    return _judged(Difference(mean, None, None, None, seeds, 1, _parts(sides)))


def at_once(differences: Sequence[Difference]) -> list[Difference]:
    """Correct all that a page claims together: intervals by Bonferroni, p-values by Holm."""
    claims = [i for i, one in enumerate(differences) if one.p is not None]
    n_claims, judged = len(claims), list(differences)
    for i in claims:
        judged[i] = _judged(replace(judged[i], n_claims=n_claims))
    largest = 0.0
    for n_before, i in enumerate(sorted(claims, key=lambda i: judged[i].p)):
        # Those decided before are left out of the correction; no p is below one before it.
        largest = max(largest, min(1.0, (n_claims - n_before) * judged[i].p))
        judged[i] = replace(judged[i], p=largest)
    return judged


def correction(differences: Sequence[Difference]) -> str:
    """Say what the verdicts of a page are corrected for."""
    n_claims = max((one.n_claims for one in differences if one.p is not None), default=0)
    if not n_claims:
        texts = any(one.low is not None for one in differences)
        over = "; each 95% interval is by itself, and over texts alone" * texts
        return f"One seed gives no verdict: these are the numbers of this run only{over}."
    if n_claims == 1:
        return "It is the only claim: a 95% interval, and a verdict where p < .05."
    return (
        f"Corrected for all {n_claims} claims together: 95% intervals that hold at once "
        "(Bonferroni), p by Holm, and a verdict where p < .05."
    )


def half_width(parts: Sequence[Part], alpha: float, *, pooled: bool = False) -> float:
    """Half of the interval that leaves out the truth with a probability of α.

    Args:
        parts: of the error.
        alpha: α, in (0, 1).
        pooled: one quantile, with Satterthwaite's degrees of freedom, instead of one for each part.
    """
    errors = np.array([part.error for part in parts])
    freedom = np.array([part.freedom for part in parts])
    if pooled:
        freedom = _satterthwaite(errors, freedom)
    return float(np.sqrt(np.square(stdtrit(freedom, 1 - alpha / 2) * errors).sum()))


def p_value(mean: float, parts: Sequence[Part], *, pooled: bool = False) -> float:
    """The α whose half width is |mean|, see `half_width`."""

    def excess(log_alpha: float) -> float:
        return half_width(parts, float(np.exp(log_alpha)), pooled=pooled) - abs(mean)

    lowest = float(np.log(SMALLEST_P))
    if excess(lowest) <= 0:
        return 0.0 if mean else 1.0
    return float(np.exp(brentq(excess, lowest, 0.0)))


def _satterthwaite(errors: np.ndarray, freedom: np.ndarray) -> float:
    """Degrees of freedom of the sum of all parts: (Σ seᵢ²)² / Σ (seᵢ⁴ / νᵢ)."""
    spread = (errors**4 / freedom).sum()
    return float((errors**2).sum() ** 2 / spread) if spread > 0 else np.inf


def _sides(a: Sample, b: Sample) -> list[Sample]:
    """Return what adds up to A less B: one side of pairs, or two whose runs are independent."""
    shared = [seed for seed in a.seeds if seed in b.seeds]
    if len(shared) > 1 or len(shared) == min(len(a.seeds), len(b.seeds)):
        a, b = a.take(shared), b.take(shared)
        both = a.draws is not None and b.draws is not None
        with np.errstate(invalid="ignore"):  # infinite on both sides: no number
            values = a.values - b.values
        return [Sample(a.seeds, values, a.draws - b.draws if both else None).known()]
    return [a, Sample(b.seeds, -b.values, None if b.draws is None else -b.draws)]


def _known_draws(sides: Sequence[Sample]) -> list[np.ndarray]:
    """The draws of texts for which every run of every side has a number; [] without draws."""
    if any(side.draws is None for side in sides):
        return []
    known = ~np.isnan(np.concatenate([side.draws for side in sides])).any(axis=0)
    return [side.draws[:, known] for side in sides]


def _percentiles(sides: Sequence[Sample]) -> tuple[float | None, float | None]:
    """The 95% interval over texts alone: percentiles, since shares near 0 and 1 are skewed."""
    draws = _known_draws(sides)
    if not draws:
        return None, None
    of_mean = sum(own.mean(axis=0) for own in draws)
    return tuple(float(np.percentile(of_mean, q)) for q in (50 * ALPHA, 100 - 50 * ALPHA))


def _parts(sides: Sequence[Sample]) -> tuple[Part, ...]:
    """The parts of the error of a sum of means, of one side or of two that share their texts."""
    parts = []
    for side in sides:
        n = len(side.values)
        parts.append(Part(float(side.values.std(ddof=1) / np.sqrt(n)), n - 1.0))
    draws = _known_draws(sides)
    if draws:
        # The seeds' parts hold what texts do to each seed in its own way.
        own = sum((x - x.mean(axis=0)).var(axis=-1).mean() / (len(x) - 1) for x in draws)
        texts = float(sum(x.mean(axis=0) for x in draws).var())
        parts.append(Part(float(np.sqrt(max(0.0, texts - own))), np.inf))
    return tuple(parts)


def _judged(one: Difference) -> Difference:
    """The interval that holds for all claims, and p, as if it were the only one."""
    pooled = one.n_claims == 1 and one.n_seeds > 2
    half = half_width(one.parts, ALPHA / one.n_claims, pooled=pooled)
    p = p_value(one.mean, one.parts, pooled=pooled)
    return replace(one, low=one.mean - half, high=one.mean + half, p=p)
