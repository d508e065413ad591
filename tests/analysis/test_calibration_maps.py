"""Maps that mend probabilities: what they find in worlds whose truth is known."""

import numpy as np
import pytest
from sklearn.calibration import _sigmoid_calibration, _TemperatureScaling
from sklearn.isotonic import IsotonicRegression

from analysis.calibration.bins import reliability_table, sigmoid, softmax
from analysis.calibration.errors import expected_error
from analysis.calibration.isotonic import fit_isotonic, pool_adjacent_violators
from analysis.calibration.methods import METHODS, class_log_odds
from analysis.calibration.scaling import _minimum, fit_sigmoid, fit_temperature, fit_vector
from analysis.calibration.scores import negative_log_likelihood


def drawn(probabilities, chance):
    """Labels of these probabilities."""
    return (chance.random((len(probabilities), 1)) > np.cumsum(probabilities, 1)[:, :-1]).sum(1)


@pytest.mark.parametrize("T", [0.25, 0.5, 1, 2, 5, 10, 20])
def test_c11_the_true_temperature_is_found(T):
    chance = np.random.default_rng(0)
    z = 2 * chance.normal(size=(20_000, 4))
    labels = drawn(softmax(z), chance)
    found = fit_temperature(z * T, labels)
    np.testing.assert_allclose(found.T, T, rtol=0.04)
    assert not found.at_bound
    before, after = softmax(z * T), found(z * T)
    assert negative_log_likelihood(after, labels) <= negative_log_likelihood(before, labels)
    np.testing.assert_array_equal(before.argmax(1), after.argmax(1))


@pytest.mark.parametrize("T", [0.25, 0.5, 1, 2, 5, 10, 20])
def test_c11_scikit_learn_finds_the_inverse(T):
    chance = np.random.default_rng(1)
    z = chance.normal(size=(20_000, 4)) * 2
    labels = drawn(softmax(z), chance)
    theirs = _TemperatureScaling().fit(z * T, labels)
    np.testing.assert_allclose(fit_temperature(z * T, labels).T, 1 / theirs.beta_, rtol=1e-3)


def test_c12_where_no_temperature_is_best_the_bound_is_named():
    z = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    separable = fit_temperature(z, z.argmax(1))
    contrary = fit_temperature(z, z.argmin(1))
    assert (separable.T, separable.at_bound) == (0.01, True)
    assert (contrary.T, contrary.at_bound) == (100.0, True)
    assert np.isfinite(separable(z)).all()
    assert fit_vector(z, z.argmax(1)).at_bound


def test_c13_platts_scaling_is_scikit_learns():
    chance = np.random.default_rng(2)
    s = chance.normal(0, 2, 20_000)
    y = chance.random(20_000) < sigmoid(0.5 * s - 0.3)
    found = fit_sigmoid(s, y)
    assert found.a == pytest.approx(0.5, abs=0.03)
    assert found.b == pytest.approx(-0.3, abs=0.03)
    a, b = _sigmoid_calibration(s, y.astype(int))  # σ(−(a·s + b))
    assert (found.a, found.b) == (pytest.approx(-a, abs=1e-4), pytest.approx(-b, abs=1e-4))
    few = fit_sigmoid(np.array([-1.0, -0.5, 0.5, 1.0]), np.array([0, 0, 1, 1]))
    assert not few.at_bound  # separable, but Platt's targets have an optimum


def test_vector_scaling_undoes_a_weight_and_a_bias_for_each_class():
    chance = np.random.default_rng(3)
    z = 2 * chance.normal(size=(20_000, 3))
    labels = drawn(softmax(z), chance)
    w, b = np.array([2.0, 1.0, 0.5]), np.array([1.0, 0.0, -1.0])
    found = fit_vector((z - b) / w, labels)
    np.testing.assert_allclose(found.w, w, rtol=0.06)
    np.testing.assert_allclose(found.b, b, atol=0.06)
    assert not found.at_bound


def test_c14_adjacent_violators_are_pooled():
    np.testing.assert_array_equal(pool_adjacent_violators(np.array([0, 1, 0, 1])), [0, 0.5, 0.5, 1])
    chance = np.random.default_rng(4)
    for n in (1, 2, 50, 1000):
        y, weight = chance.random(n), chance.uniform(0.1, 3, n)
        ours = pool_adjacent_violators(y, weight)
        theirs = IsotonicRegression().fit(np.arange(n), y, weight).predict(np.arange(n))
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
        assert (np.diff(ours) >= 0).all()


def test_c14_isotonic_calibration_is_scikit_learns_with_ties_too():
    chance = np.random.default_rng(5)
    s = np.round(chance.normal(size=3000), 1)
    y = chance.random(3000) < sigmoid(s)
    new = np.linspace(-6, 6, 500)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(s, y).predict(new)
    ours = fit_isotonic(s, y)(new)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert ours.min() >= 0
    assert ours.max() <= 1


def test_a_search_that_does_not_end_is_refused():
    """The slope that is said here leads uphill, so that no step makes the loss smaller."""
    with pytest.raises(ValueError, match="the search for its parameters did not end"):
        _minimum(lambda x: (float((x**2).sum()), -2 * x), np.array([1.0, 2.0]))
    found, at_bound = _minimum(lambda x: (float((x**2).sum()), 2 * x), np.array([1.0, 2.0]))
    np.testing.assert_allclose(found, 0, atol=1e-6)
    assert at_bound  # the least loss is 0


WORLDS = {
    "c15 too sure": lambda s: sigmoid(s / 2),
    "c16 biased": lambda s: sigmoid(0.6 * s - 0.8),
    "c17 no sigmoid": lambda s: sigmoid(s + 1.2 * np.sin(1.5 * s)),
}


@pytest.fixture(scope="module")
def held_out():
    """The ECE of "it is class 1" on 20,000 new answers, of each map in each world."""
    found = {}
    for world, truth in WORLDS.items():
        chance = np.random.default_rng(6)
        s = chance.normal(0, 2, 40_000)
        labels = (chance.random(40_000) < truth(s)).astype(int)
        z = np.stack([np.zeros_like(s), s], axis=1)
        fitted, new = slice(None, 20_000), slice(20_000, None)
        maps = {name: fit(z[fitted], labels[fitted]) for name, fit in METHODS.items()}
        found[world] = {
            name: expected_error(reliability_table(apply(z[new])[:, 1], labels[new] == 1))
            for name, apply in (maps | {"raw": softmax}).items()
        }
    return found


@pytest.mark.parametrize(
    ("world", "method", "least", "most"),
    [
        ("c15 too sure", "raw", 0.09, 0.11),
        ("c15 too sure", "isotonic", 0, 0.02),
        ("c15 too sure", "Platt", 0, 0.017),
        ("c15 too sure", "temperature", 0, 0.015),
        ("c16 biased", "temperature", 0.14, 1),  # it cannot move the bias
        ("c16 biased", "Platt", 0, 0.015),
        ("c16 biased", "isotonic", 0, 0.018),
        ("c17 no sigmoid", "isotonic", 0, 0.015),
        ("c17 no sigmoid", "Platt", 0.07, 1),
        ("c17 no sigmoid", "temperature", 0.07, 1),
    ],
)
def test_c15_c16_c17_what_each_map_can_do(held_out, world, method, least, most):
    assert least <= held_out[world][method] <= most


def test_log_odds_of_classes_against_the_plain_formula():
    z = np.random.default_rng(7).normal(size=(20, 4))
    p = softmax(z)
    np.testing.assert_allclose(class_log_odds(z), np.log(p / (1 - p)), atol=1e-10)
    np.testing.assert_allclose(class_log_odds(z[:, :2])[:, 1], z[:, 1] - z[:, 0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_every_map_gives_probabilities_also_of_a_class_that_it_never_saw(method, n_classes):
    chance = np.random.default_rng(8)
    z = 2 * chance.normal(size=(300, n_classes))
    labels = drawn(softmax(z), chance)
    seen = np.minimum(labels, max(1, n_classes - 2))
    p = METHODS[method](z, seen)(3 * z)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
    if method == "temperature":
        np.testing.assert_array_equal(p.argmax(1), z.argmax(1))


def test_isotonic_without_any_possible_class_is_undecided():
    z = np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    labels = np.array([0, 0, 1, 2])
    p = METHODS["isotonic"](z, labels)(np.array([[-50.0, -50.0, -50.0], [9.0, 0.0, 0.0]]))
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(p[1], [1, 0, 0])
