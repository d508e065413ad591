"""A linear probe in closed form, against scikit-learn and against worlds that are known."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from analysis.forgetting import ridge


def world(n, shift, d=16, seed=0):
    """Two classes, `shift` standard deviations from the middle each."""
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=n)
    states = random.normal(size=(n, d))
    states[:, 3] += shift * (2 * labels - 1)
    return states, labels


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_answers_are_those_of_ridge_regression_onto_indicators(strength):
    states, labels = world(300, 0.5)
    (found,) = ridge.fit_predict(states[:200], labels[:200], states[200:], (strength,))
    scaler = StandardScaler().fit(states[:200])
    targets = np.eye(2)[labels[:200]]
    model = Ridge(alpha=strength * 200).fit(scaler.transform(states[:200]), targets)
    np.testing.assert_array_equal(
        found, model.predict(scaler.transform(states[200:])).argmax(axis=1)
    )


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
def test_accuracy_is_what_the_world_allows(shift):
    states, labels = world(4000, shift)
    predicted = ridge.out_of_fold(states, labels, np.arange(4000))
    assert (predicted == labels).mean() == pytest.approx(norm.cdf(shift), abs=0.025)


def test_a_text_is_never_on_both_sides():
    """Rows of a text are copies: a probe that saw one would know the label of the others."""
    random = np.random.default_rng(0)
    items = np.repeat(np.arange(100), 5)
    states = random.normal(size=(100, 200))[items]
    labels = random.integers(2, size=100)[items]
    assert (ridge.out_of_fold(states, labels, items) == labels).mean() < 0.65
    assert (ridge.out_of_fold(states, labels, np.arange(500)) == labels).mean() > 0.9


def test_equal_states_give_equal_answers():
    states, labels = world(200, 0.5)
    one, other = (ridge.out_of_fold(states.copy(), labels, np.arange(200)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("labels", "items", "bad", "reason"),
    [([1] * 9, range(9), 0, "two classes"), ([0, 1, 0, 1], range(4), 0, "too few"),
     ([0, 1] * 5, range(10), np.nan, "not finite")],
)  # fmt: skip
def test_what_cannot_be_probed_is_refused(labels, items, bad, reason):
    states = np.full((len(labels), 3), bad, dtype=float)
    with pytest.raises(ValueError, match=reason):
        ridge.out_of_fold(states, np.array(labels), np.array(items))
