"""Runs of one configuration together: which they are, and the interval of what they find."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from analysis.seeds import half_width, together, widened


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


def test_one_seed_widens_nothing():
    ends = widened(np.array([[0.5, 0.7]]), np.array([0.4, 0.6]), np.array([0.7, 0.8]))
    np.testing.assert_allclose(ends, [[0.4, 0.6], [0.7, 0.8]])


def test_an_interval_over_texts_and_seeds_covers_what_it_says():
    """400 draws of what is measured: an effect of 0, moved by 4 seeds and by 200 texts."""
    chance, covered, texts_alone = np.random.default_rng(0), 0, 0
    for _ in range(400):
        own = chance.normal(0, 0.1, size=(4, 1)) + chance.normal(0, 1, size=200)
        values = own.mean(axis=1)
        half = 1.96 * own.mean(axis=0).std(ddof=1) / np.sqrt(200)
        low, high = widened(values, values.mean() - half, values.mean() + half)
        covered += low <= 0 <= high
        texts_alone += abs(values.mean()) <= half
    assert covered >= 0.93 * 400
    assert texts_alone < 0.93 * 400
