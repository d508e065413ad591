"""Differences of configurations: known answers, and the claims of pages that hold at once."""

import numpy as np
import pytest
from scipy import stats

from analysis.seeds import draw_texts
from analysis.statistics import Sample, at_once, compare, correction, half_width, p_value


def sample(values, draws=None, first=0):
    values = np.asarray(values, dtype=float)
    return Sample(tuple(range(first, first + len(values))), values, draws)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_pairs_of_seeds_are_compared_by_the_paired_t_test():
    a, b = normal(5), normal(5, seed=1)
    found, expected = compare(sample(a), sample(b)), stats.ttest_rel(a, b)
    ends = expected.confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), (ends.low, ends.high))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.mean == pytest.approx(a.mean() - b.mean())


def test_seeds_are_paired_whatever_their_order_and_the_rest_is_left_out():
    a, b = normal(5), normal(5, seed=1)
    shuffled = Sample((4, 2, 0, 9), np.array([b[4], b[2], b[0], 100.0]))
    assert compare(sample(a), shuffled).mean == pytest.approx(np.mean((a - b)[[0, 2, 4]]))
    assert compare(sample(a), shuffled).n_seeds == 3


def test_runs_without_pairs_are_compared_by_welchs_test():
    a, b = normal(5), 2 * normal(4, seed=1)
    found, expected = compare(sample(a), sample(b, first=9)), stats.ttest_ind(a, b, equal_var=False)
    ends = expected.confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), (ends.low, ends.high))
    assert found.p == pytest.approx(expected.pvalue)


def test_texts_alone_give_the_interval_of_one_run_and_no_verdict():
    own = normal(1, 400)
    draws = own @ draw_texts(400).T / 400
    found = compare(sample(own.mean(axis=1), draws))
    np.testing.assert_allclose((found.low, found.high), np.percentile(draws, (2.5, 97.5)))
    assert (found.p, found.verdict) == (None, "this run only")


def test_one_run_without_texts_says_only_its_number():
    found = compare(sample([0.5]), sample([0.25]))
    assert (found.mean, found.low, found.high, found.p) == (0.25, None, None, None)


def test_what_texts_do_to_each_seed_in_its_own_way_counts_once():
    """Without anything shared, the difference is that of a t-test over the seeds."""
    own = normal(4, 400)
    own -= own.mean(axis=0)
    own += np.array([[-0.1], [0.1], [0.2], [0.3]])
    draws = own @ draw_texts(400).T / 400
    found = compare(sample(own.mean(axis=1), draws))
    assert found.p == pytest.approx(stats.ttest_1samp(own.mean(axis=1), 0).pvalue)


def test_p_values_are_corrected_by_holm():
    """p = .01, .04, .03 of three: 3·.01, then 2·.03, then 1·.04 raised to the one before."""
    # Two seeds at m ± s have t = m/s, and p = 1 − 2·atan(t)/π.
    pairs = [1 / np.tan(np.pi * p / 2) for p in (0.01, 0.04, 0.03)]
    found = at_once([compare(sample([m - 1, m + 1])) for m in pairs])
    np.testing.assert_allclose([one.p for one in found], [0.03, 0.06, 0.06])
    assert [one.verdict for one in found] == ["higher", "not shown", "not shown"]


def test_intervals_hold_for_all_claims_at_once():
    values = normal(6)
    alone = stats.ttest_1samp(values, 0).confidence_interval(1 - 0.05 / 4)
    found = at_once([compare(sample(values))] * 4)[0]
    np.testing.assert_allclose((found.low, found.high), (alone.low, alone.high))
    assert found.n_claims == 4


def test_runs_of_one_seed_are_no_claims():
    one, several = compare(sample([1.0]), sample([0.0])), compare(sample([1, 3]), sample([0, 0]))
    found = at_once([one, several, one])
    assert [each.p is None for each in found] == [True, False, True]
    assert found[1].p == pytest.approx(several.p)


@pytest.mark.parametrize("pooled", [False, True])
def test_p_is_the_level_at_which_the_interval_ends_at_zero(pooled):
    parts = compare(sample(normal(3), normal(3, 50))).parts
    for mean in (0.1, 1.0, 3.0):
        p = p_value(mean, parts, pooled=pooled)
        assert half_width(parts, p, pooled=pooled) == pytest.approx(mean)


def test_equal_runs_do_not_differ():
    draws = normal(3, 50)
    found = compare(sample(normal(3), draws), sample(normal(3), draws))
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_the_last_of_many_claims_keeps_its_own_p():
    """Holm's factor of the last is 1, whatever Bonferroni's p of it would be."""
    sure, open_ = compare(sample([1.0, 1.0 + 1e-9])), compare(sample([-1.0, 1.1]))
    found = at_once([sure] * 24 + [open_])
    assert [one.verdict for one in found] == ["higher"] * 24 + ["not shown"]
    assert found[-1].p == pytest.approx(open_.p)
    assert open_.p > 0.9


def test_runs_without_a_number_are_left_out():
    nan = np.nan
    a, b = sample([1.0, nan, 3.0, np.inf]), sample([0.0, 0.0, 1.0, np.inf])
    found = compare(a, b)
    assert (found.mean, found.seeds) == (1.5, ((0, 2),))
    none = compare(sample([nan, nan]), b)
    assert (np.isnan(none.mean), none.p, none.verdict) == (True, None, "unknown")
    endless = compare(sample([np.inf, 1.0]), sample([0.0, 1.0]))
    assert (endless.mean, endless.p, endless.verdict) == (np.inf, None, "unknown")
    assert at_once([none, endless]) == [none, endless]


@pytest.mark.parametrize("n", [1, 3])
def test_draws_without_a_number_are_left_out(n):
    values, draws = normal(n), normal(n, 60, seed=1)
    holed = draws.copy()
    holed[0, :10] = np.nan
    assert compare(sample(values, holed)) == compare(sample(values, draws[:, 10:]))


def test_seeds_are_told_as_pairs_or_as_those_of_both_sides():
    a = sample(normal(3))
    assert compare(a, sample(normal(4, seed=1))).of_seeds == "3 seeds"
    assert compare(a, sample(normal(4), first=9)).of_seeds == "3 and 4 seeds, not in pairs"
    assert compare(sample([1.0])).of_seeds == "1 seed"


def test_a_page_says_how_many_claims_it_corrected_for():
    one, several = compare(sample([1.0])), compare(sample([1.0, 3.0]))
    assert correction([one]).endswith("these are the numbers of this run only.")
    over_texts = compare(sample([1.0], normal(1, 50)))
    assert "of this run only; each 95% interval is by itself" in correction([over_texts])
    assert "only claim" in correction(at_once([several, one]))
    assert "all 3 claims" in correction(at_once([several, several, one, several]))
