"""Runs of one configuration together: which they are, and the interval of what they find."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from analysis.seeds import draw_texts, half_width, interval, together

FEW_DRAWS = draw_texts(200)[:400]


def result(strategy, options="", seed=0):
    command = f"python train.py --task ner --strategy {strategy}{options}"
    return {"strategy": strategy, "seed": seed, "command": command}


def test_runs_that_differ_by_seed_alone_are_together_lowest_seed_first():
    runs = [
        result("lora", " --strategy.r 4 --seed 2", 2),
        result("full"),
        result("lora", " --seed 1", 1),
        result("lora", " --strategy.r 4 --seed 1", 1),
    ]
    assert together(runs) == {"lora (r 4)": [3, 0], "full": [1], "lora": [2]}


def test_a_seed_counts_once():
    with pytest.raises(ValueError, match="both called 'full'"):
        together([result("full"), result("full")])


def test_the_half_width_is_that_of_students_t():
    values = np.random.default_rng(0).normal(size=(5, 3))
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(half_width(values), (interval.high - interval.low) / 2)


def sampled(own):
    """Means of each seed, [seeds], and those for each draw of texts, of values [seeds, texts]."""
    n = own.shape[1]
    return own.mean(axis=1), own @ draw_texts(n).T / n


def test_the_interval_of_one_seed_is_the_percentiles_of_its_texts():
    values, draws = sampled(np.random.default_rng(0).exponential(size=(1, 50)))
    ends = np.percentile(draws[0], (2.5, 97.5))
    np.testing.assert_allclose(interval(values, draws), ends)


def test_seeds_that_agree_on_every_text_have_the_interval_of_one():
    own = np.repeat(np.random.default_rng(0).normal(size=(1, 50)), 3, axis=0)
    alone = interval(*sampled(own[:1]))
    np.testing.assert_allclose(interval(*sampled(own)), alone)


def test_what_texts_do_to_each_seed_in_its_own_way_counts_once():
    """Without anything shared, the interval is Student's t over the seeds, and no wider."""
    own = np.random.default_rng(0).normal(size=(4, 400))
    own -= own.mean(axis=0)  # what texts do to all seeds alike
    own += np.array([[-0.1], [0.0], [0.0], [0.1]])
    low, high = interval(*sampled(own))
    assert (high - low) / 2 == pytest.approx(float(half_width(own.mean(axis=1))))


def test_the_freedom_of_few_seeds_is_that_of_students_t_only_where_they_differ():
    """Seeds that differ little, on texts that do: the interval of the texts."""
    shared = np.random.default_rng(0).normal(size=300)
    own = shared + np.array([[-0.001], [0.0], [0.001]])
    alone = interval(*sampled(shared[None]))
    np.testing.assert_allclose(interval(*sampled(own)), alone, atol=1e-4)


def test_intervals_of_several_claims_hold_at_once():
    values, draws = sampled(np.random.default_rng(0).normal(size=(1, 500)))
    half = np.subtract(*interval(values, draws, 10)[::-1]) / 2
    assert half == pytest.approx(norm.isf(0.0025) * draws.std(), rel=0.05)


@pytest.mark.parametrize(("n_seeds", "least"), [(2, 0.9), (3, 0.92), (5, 0.93)])
@pytest.mark.parametrize(("of_seed", "of_both"), [(0.0, 1.0), (0.1, 0.2), (0.07, 1.0)])
def test_an_interval_over_texts_and_seeds_covers_what_it_says(n_seeds, least, of_seed, of_both):
    """600 experiments with an effect of 0, moved by seeds, by 200 texts, and by both together."""
    chance, covered = np.random.default_rng(0), 0
    for _ in range(600):
        own = chance.normal(0, of_seed, size=(n_seeds, 1)) + chance.normal(size=200)
        own = own + chance.normal(0, of_both, size=(n_seeds, 200))
        low, high = interval(own.mean(axis=1), own @ FEW_DRAWS.T / 200)
        covered += low <= 0 <= high
    assert least <= covered / 600 <= 0.985
