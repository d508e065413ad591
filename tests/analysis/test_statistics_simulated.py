"""Claims of pages whose truth is known: how often one of them is false, and what intervals cover.

`python -m pytest -m slow -s tests/analysis/test_statistics_simulated.py` prints the numbers.
"""

import numpy as np
import pytest

from analysis.seeds import draw_texts
from analysis.statistics import Sample, at_once, compare

pytestmark = pytest.mark.slow

N_TEXTS = 200
DRAWS = draw_texts(N_TEXTS)[:400].T / N_TEXTS
N_PAGES, N_INTERVALS = 1000, 4000
SHARED = 0.7  # of the variance of claims that are correlated, as those about one baseline are
OWN = 0.25  # of the variance of texts: what they do to each seed in its own way


def moved_by_chance(generator, n_seeds, ratio, n_claims, shared):
    """Claims whose truth is 0: the mean over 200 texts for each seed, and for draws of texts.

    `ratio` is the standard deviation between seeds over the standard error of the texts.
    """
    common_texts = generator.normal(size=N_TEXTS)
    common_seeds = generator.normal(size=(n_seeds, 1))
    for _ in range(n_claims):
        texts = mixed(common_texts, generator.normal(size=N_TEXTS), shared)
        seeds = mixed(common_seeds, generator.normal(size=(n_seeds, 1)), shared)
        both = mixed(generator.normal(size=(n_seeds, N_TEXTS)), texts, OWN)
        values = both + ratio * seeds / np.sqrt(N_TEXTS)
        yield Sample(tuple(range(n_seeds)), values.mean(axis=1), values @ DRAWS)


def mixed(one, other, share):
    return np.sqrt(share) * one + np.sqrt(1 - share) * other


def differences(generator, n_seeds, ratio, n_claims, shared=0.0):
    zero = Sample(tuple(range(n_seeds)), np.zeros(n_seeds), np.zeros((n_seeds, DRAWS.shape[1])))
    samples = moved_by_chance(generator, n_seeds, ratio, n_claims, shared)
    return at_once([compare(sample, zero) for sample in samples])


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n_seeds", [2, 3, 4, 8])
def test_at_most_one_page_of_twenty_holds_a_false_claim(n_seeds, ratio):
    generator, found = np.random.default_rng(0), {}
    for n_claims in (2, 8, 20):
        for shared in (0.0, SHARED):
            pages = [
                differences(generator, n_seeds, ratio, n_claims, shared) for _ in range(N_PAGES)
            ]
            false = np.mean([any(d.verdict != "not shown" for d in page) for page in pages])
            missed = np.mean([any(not d.low <= 0 <= d.high for d in page) for page in pages])
            found[n_claims, shared] = max(false, missed)
    print(f"\n{n_seeds} seeds, ratio {ratio}:", *(f"{k} {v:.3f}" for k, v in found.items()))
    assert max(found.values()) <= 0.06


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n_seeds", [3, 4, 8])
def test_a_single_interval_covers_what_it_says(n_seeds, ratio):
    generator = np.random.default_rng(1)
    singles = [differences(generator, n_seeds, ratio, 1)[0] for _ in range(N_INTERVALS)]
    covered = np.mean([one.low <= 0 <= one.high for one in singles])
    print(f"\n{n_seeds} seeds, ratio {ratio}: {covered:.3f}")
    assert 0.93 <= covered <= 0.97


def test_a_single_interval_of_two_seeds_covers_at_least_what_it_says():
    generator = np.random.default_rng(2)
    for ratio in (0.5, 1.0, 2.0):
        singles = [differences(generator, 2, ratio, 1)[0] for _ in range(N_INTERVALS)]
        assert np.mean([one.low <= 0 <= one.high for one in singles]) >= 0.94
