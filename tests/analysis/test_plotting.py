"""Labels that stand beside what they name."""

import numpy as np
import pytest

from analysis.plotting import COLORS, OF_STRATEGY, colors_of, in_lines, moved_apart


def test_labels_that_meet_stand_around_their_mean_and_others_stay():
    assert moved_apart([0.0, 5.0, 5.1, 5.2], 1.0) == pytest.approx([0.0, 4.1, 5.1, 6.1])
    assert moved_apart([1.0, 3.0, 5.0], 1.0) == [1.0, 3.0, 5.0]
    assert moved_apart([1.0, 1.5, 9.0], [2.0, 1.0]) == pytest.approx([0.25, 2.25, 9.0])


def test_neighbours_are_a_step_apart_whatever_their_heights():
    chance = np.random.default_rng(0)
    for n in (1, 2, 9):
        for _ in range(50):
            heights = np.sort(chance.random(n) * 5).tolist()
            places = moved_apart(heights, 0.7)
            assert (np.diff(places) >= 0.7 - 1e-9).all()
            assert np.mean(places) == pytest.approx(np.mean(heights))


def test_a_strategy_has_one_colour_in_every_order_and_no_two_share_one():
    names = ["adapter", "ia3", "lora (r 8)", "full", "lora (r 4)"]
    found = colors_of(names)
    assert list(found) == names
    assert found == colors_of(names[::-1])
    assert len(set(found.values())) == len(names)
    assert all(found[name] == OF_STRATEGY[name] for name in ("adapter", "full"))
    assert found["lora (r 4)"] == OF_STRATEGY["lora"]
    many = [f"full (lr {i})" for i in range(9)]
    assert set(list(colors_of(many).values())[:7]) == set(COLORS)


def test_a_label_is_broken_before_what_is_in_parentheses():
    assert in_lines("lora") == "lora"
    assert in_lines("lora (train-size 200, epochs 3)") == "lora\n(train-size 200,\nepochs 3)"


def test_where_no_label_is_none_is_moved():
    assert moved_apart([], 1.0) == []
