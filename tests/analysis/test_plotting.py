"""Labels that stand beside what they name."""

import numpy as np
import pytest

from analysis.plotting import moved_apart


def test_labels_that_meet_stand_around_their_mean_and_others_stay():
    assert moved_apart([0.0, 5.0, 5.1, 5.2], 1.0) == pytest.approx([0.0, 4.1, 5.1, 6.1])
    assert moved_apart([1.0, 3.0, 5.0], 1.0) == [1.0, 3.0, 5.0]


def test_neighbours_are_a_step_apart_whatever_their_heights():
    chance = np.random.default_rng(0)
    for n in (1, 2, 9):
        for _ in range(50):
            heights = np.sort(chance.random(n) * 5).tolist()
            places = moved_apart(heights, 0.7)
            assert (np.diff(places) >= 0.7 - 1e-9).all()
            assert np.mean(places) == pytest.approx(np.mean(heights))
