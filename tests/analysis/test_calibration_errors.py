"""Errors of calibration against known answers, and against what other libraries say."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss

from analysis.calibration import scores
from analysis.calibration.bins import assign, reliability_table, softmax, wilson
from analysis.calibration.chance import (
    Against,
    debiased_interval,
    null_classwise_errors,
    null_errors,
)
from analysis.calibration.errors import (
    class_tables,
    classwise_error,
    debiased_error,
    expected_error,
    largest_error,
    squared_error,
)
from analysis.calibration.judge import judge_confidences
from analysis.calibration.selective import select

LEVELS = np.repeat([0.55, 0.65, 0.75, 0.85, 0.95], 1000)
HITS = np.concatenate([np.arange(1000) < n for n in (500, 600, 700, 800, 900)])


def sample(n, seed, shift=0.0):
    """Confidences of U[.5, 1] that are too high by `shift`; the draws of chance use other seeds."""
    chance = np.random.default_rng([seed, 1])
    confidence = chance.uniform(0.5, 1, n)
    return confidence, chance.random(n) < confidence - shift


@pytest.mark.parametrize("n_bins", [10, 20])
@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_c1_a_shift_of_5_points_is_an_error_of_5_points(n_bins, scheme):
    order = np.random.default_rng(n_bins).permutation(5000)
    for rows in (slice(None), order):
        table = reliability_table(LEVELS[rows], HITS[rows], n_bins, scheme)
        assert expected_error(table) == pytest.approx(0.05, abs=1e-12)
        assert largest_error(table) == pytest.approx(0.05, abs=1e-12)
        assert squared_error(table) == pytest.approx(0.05, abs=1e-12)


def test_c2_c3_known_worlds_of_100_000_answers():
    assert expected_error(reliability_table(*sample(100_000, 0, 0.05))) == pytest.approx(
        0.05, abs=0.005
    )
    chance = np.random.default_rng(1)
    confidence = chance.uniform(0.5, 1, 100_000)
    right = chance.random(100_000) < 0.5 + 0.6 * (confidence - 0.5)
    table = reliability_table(confidence, right)
    assert expected_error(table) == pytest.approx(0.1, abs=0.005)
    assert squared_error(table) == pytest.approx(0.1155, abs=0.005)


@pytest.mark.parametrize(
    ("n", "known"),
    [
        (300, 0.0518),
        (1000, 0.0279),
        (10_000, 0.0088),
        pytest.param(100_000, 0.0028, marks=pytest.mark.slow),
    ],
)
def test_c4_perfect_calibration_shows_an_error_of_known_size(n, known):
    found = [expected_error(reliability_table(*sample(n, seed))) for seed in range(200)]
    assert np.mean(found) == pytest.approx(known, rel=0.1)
    confidence, right = sample(n, 0)
    table = reliability_table(confidence, right)
    a, share = table.confidence, table.share
    closed_form = share @ np.sqrt(2 * a * (1 - a) / (np.pi * table.count))
    assert null_errors(confidence).mean() == pytest.approx(closed_form, rel=0.1)
    assert np.mean(found) == pytest.approx(closed_form, rel=0.1)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0, 12), (0.05, 80, 100)])
def test_c4_the_band_of_chance_finds_a_shift_and_little_else(shift, least, most):
    n_found = 0
    for seed in range(100):
        confidence, right = sample(1000, seed, shift)
        ece = expected_error(reliability_table(confidence, right))
        n_found += not Against.of(ece, null_errors(confidence, n_draws=100)).is_chance
    assert least <= n_found <= most


def test_c5_without_what_chance_adds_the_error_is_nearer_the_truth():
    tables = [reliability_table(*sample(1000, seed, 0.05)) for seed in range(200)]
    debiased, plug_in = (
        np.mean([error(t) for t in tables]) for error in (debiased_error, squared_error)
    )
    assert debiased == pytest.approx(0.046, abs=0.004)
    assert abs(debiased - 0.05) < abs(plug_in - 0.05)


def test_c6_errors_that_cancel_inside_a_bin_are_not_seen():
    chance = np.random.default_rng(0)
    confidence = chance.uniform(0.5, 1, 100_000)
    true = np.clip(confidence + 0.05 * np.sin(2 * np.pi * 15 * confidence), 0, 1)
    right = chance.random(100_000) < true
    assert np.abs(true - confidence).mean() == pytest.approx(0.0318, abs=0.001)
    assert expected_error(reliability_table(confidence, right, 15, "width")) <= 0.008
    assert expected_error(reliability_table(confidence, right, 15, "mass")) == pytest.approx(
        0.032, abs=0.004
    )


def test_c7_a_confidence_of_exactly_1_is_in_the_last_bin():
    """torchmetrics 1.9 drops it into a bin of its own, and says .525."""
    assert expected_error(reliability_table(np.array([0.95, 1.0]), np.array([1, 0]))) == 0.475


def test_c8_ties_stay_together_in_any_order():
    """A cut through ties would let the order of rows decide; netcal 1.4 refuses such data."""
    right = np.arange(1000) < 600
    for seed in range(20):
        mixed = right[np.random.default_rng(seed).permutation(1000)]
        table = reliability_table(np.full(1000, 0.9), mixed, 15, "mass")
        assert len(table.count) == 1
        assert expected_error(table) == pytest.approx(0.3, abs=1e-12)


def test_equal_mass_bins_are_equal_but_for_ties():
    np.testing.assert_array_equal(
        assign(np.arange(11) / 11, 3, "mass"), [0] * 4 + [1] * 4 + [2] * 3
    )
    # The cut behind row 2 falls into the run of .2 and moves to its nearer end.
    values = np.array([0.1, 0.2, 0.2, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(assign(values, 3, "mass"), [0, 1, 1, 1, 2, 2])


def test_c9_no_answers_have_no_error_and_few_answers_have_one():
    empty = reliability_table(np.array([]), np.array([]))
    for error in (expected_error, largest_error, squared_error, debiased_error):
        assert np.isnan(error(empty))
    for scheme in ("width", "mass"):
        few = reliability_table(np.array([0.6, 0.8]), np.array([1, 1]), 15, scheme)
        assert expected_error(few) == pytest.approx(0.3)
        assert np.isnan(debiased_error(few))


@pytest.mark.parametrize("n", [2, 3, 10, 16, 29])
def test_the_debiased_error_of_few_answers_is_of_all_of_them(n):
    confidence, right = sample(n, 0)
    found = judge_confidences(confidence, right, 15)
    table = reliability_table(confidence, right, n // 2, "mass")
    assert table.count.min() >= 2
    assert table.count.sum() == n
    assert found.debiased_l2 == debiased_error(table)
    assert np.isfinite(found.debiased_interval).all()
    assert len(found.mass.count) == min(n, 15)  # other errors take what was asked


@pytest.mark.parametrize(
    ("confidence", "right", "n_bins", "answer"),
    [
        ([0.5, np.nan], [1, 0], 15, "1 of 2 confidences are no probabilities"),
        ([0.5, 1.1], [1, 0], 15, "the first is 1.1 at 1"),
        ([-0.1, 0.5], [1, 0], 15, "no probabilities"),
        ([0.5, 0.5], [1], 15, r"\(2,\) and \(1,\)"),
        ([[0.5]], [[1]], 15, "for each answer"),
        ([0.5], [1], 0, "at least 1, got 0"),
    ],
)
def test_c9_what_is_no_probability_is_refused(confidence, right, n_bins, answer):
    with pytest.raises(ValueError, match=answer):
        reliability_table(np.array(confidence), np.array(right), n_bins)


@pytest.fixture
def continuous():
    """Confidences without ties and far from 1, where all libraries mean the same, and answers."""
    chance = np.random.default_rng(3)
    p = chance.uniform(0.001, 0.999, 20_000)
    return p, (chance.random(20_000) < p**1.3).astype(int)


def test_c10_netcal_agrees(continuous):
    netcal = pytest.importorskip("netcal.metrics", reason="netcal is not installed")
    p, y = continuous
    table = reliability_table(p, y)
    assert expected_error(table) == pytest.approx(netcal.ECE(15).measure(p, y), abs=1e-6)
    assert largest_error(table) == pytest.approx(netcal.MCE(15).measure(p, y), abs=1e-6)


def test_c10_torchmetrics_agrees(continuous):
    torchmetrics = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is not installed"
    )
    p, y = continuous
    table = reliability_table(p, y)
    for norm, error in (("l1", expected_error), ("l2", squared_error), ("max", largest_error)):
        theirs = torchmetrics.binary_calibration_error(
            torch.tensor(p), torch.tensor(y), n_bins=15, norm=norm
        )
        assert error(table) == pytest.approx(float(theirs), abs=1e-6)


def test_c10_uncertainty_calibration_agrees(continuous):
    theirs = pytest.importorskip("calibration", reason="uncertainty-calibration is not installed")
    p, y = continuous
    both = np.stack([1 - p, p], axis=1)
    width, mass = (
        reliability_table(both.max(1), both.argmax(1) == y, 15, scheme)
        for scheme in ("width", "mass")
    )
    assert expected_error(width) == pytest.approx(theirs.get_ece(both, y), abs=1e-6)
    assert expected_error(mass) == pytest.approx(theirs.get_ece_em(both, y, num_bins=15), abs=1e-6)
    debiased = theirs.get_calibration_error(p, y, p=2, debias=True)
    assert debiased_error(reliability_table(p, y, 15, "mass")) == pytest.approx(debiased, abs=1e-6)


def test_classwise_error_is_the_mean_over_classes():
    chance = np.random.default_rng(4)
    p = softmax(2 * chance.normal(size=(3000, 4)))
    labels = (chance.random((3000, 1)) > np.cumsum(p, 1)[:, :-1]).sum(1)
    by_hand = []
    for k in range(4):
        index = np.minimum((p[:, k] * 15).astype(int), 14)
        gaps = [
            abs((labels == k)[index == b].mean() - p[index == b, k].mean()) * (index == b).mean()
            for b in np.unique(index)
        ]
        by_hand.append(sum(gaps))
    found = classwise_error(p, labels)
    assert found == pytest.approx(np.mean(by_hand), abs=1e-12)
    null = null_classwise_errors(p, n_draws=300)
    assert np.quantile(null, 0.001) < found < np.quantile(null, 0.999)
    # The closed form of chance, class by class.
    tables = class_tables(p, labels, 15, "width")
    expected = [
        t.share @ np.sqrt(2 * t.confidence * (1 - t.confidence) / (np.pi * t.count)) for t in tables
    ]
    assert null.mean() == pytest.approx(np.mean(expected), rel=0.1)


def test_s5_wilson_interval_is_scipys():
    np.testing.assert_allclose(
        wilson(np.array([8]), np.array([10])), [[0.4902], [0.9433]], atol=5e-5
    )
    for hits, n in ((0, 5), (5, 5), (8, 10), (120, 400)):
        theirs = binomtest(hits, n).proportion_ci(0.95, "wilson")
        np.testing.assert_allclose(wilson(np.array(hits), np.array(n)), theirs, atol=1e-12)


def test_c18_brier_is_reliability_less_resolution_plus_uncertainty():
    chance = np.random.default_rng(5)
    grid = np.array([0.05, 0.25, 0.45, 0.7, 0.9])
    p = grid[chance.integers(5, size=2000)]
    y = (chance.random(2000) < 0.2 + 0.5 * p).astype(int)
    both = np.stack([1 - p, p], axis=1)
    parts = scores.decompose(both, y)
    assert parts.within == pytest.approx(0, abs=1e-12)  # one forecast in each bin
    three = parts.reliability - parts.resolution + parts.uncertainty
    assert three == pytest.approx(scores.brier_score(both, y), abs=1e-12)
    base = y.mean()
    assert parts.uncertainty == pytest.approx(2 * base * (1 - base), abs=1e-12)


def test_c18_proper_scores_are_scikit_learns():
    chance = np.random.default_rng(6)
    p = softmax(3 * chance.normal(size=(2000, 5)))
    y = chance.integers(5, size=2000)
    brier = brier_score_loss(y, p, scale_by_half=False)
    assert scores.brier_score(p, y) == pytest.approx(brier, abs=1e-12)
    assert scores.decompose(p, y).brier == pytest.approx(brier, abs=1e-12)
    assert scores.negative_log_likelihood(p, y) == pytest.approx(log_loss(y, p), abs=1e-9)
    assert scores.negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])) == np.inf


def test_the_surest_answers_first_and_ties_by_their_mean():
    found = select(np.array([0.9, 0.8, 0.8, 0.6]), np.array([1, 0, 1, 0]))
    np.testing.assert_allclose(found.accuracy, [1, 0.75, 2 / 3, 0.5])
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1])
    assert found.area == pytest.approx(1 - np.mean([1, 0.75, 2 / 3, 0.5]))
    assert found.least_area == pytest.approx(1 - np.mean([1, 1, 2 / 3, 0.5]))
    assert [found.at(c) for c in (0.01, 0.5, 1)] == [1, 0.75, 0.5]


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.0, 0.02, 0.05, 0.1])
def test_c19_the_interval_of_the_debiased_error_covers_the_truth(truth):
    covered = 0
    for seed in range(200):
        low, high = debiased_interval(*sample(1000, seed, truth), n_draws=300)
        covered += low <= truth <= high
    assert covered >= 170
