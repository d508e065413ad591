"""CKA against a slow plain version and known answers; what moved, in words and pictures."""

import json

import numpy as np
import pytest
from made_runs import made_texts
from running import refused_by

from analysis import __main__ as command_line
from analysis.similarity import command as similarity
from analysis.similarity.cka import cka, hsic_biased, hsic_unbiased
from analysis.similarity.command import compute


def gaussian(seed, n, d):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_sums_over_dimensions_are_the_equations_with_n_by_n_matrices():
    X, Y = gaussian(0, 30, 5) + 2, gaussian(1, 30, 7)
    K, L, n = X @ X.T, Y @ Y.T, 30
    H = np.eye(n) - 1 / n
    assert hsic_biased(X, Y) == pytest.approx(np.trace(K @ H @ L @ H))
    K0, L0, one = K - np.diag(np.diag(K)), L - np.diag(np.diag(L)), np.ones(n)
    expected = (
        np.trace(K0 @ L0)
        + (one @ K0 @ one) * (one @ L0 @ one) / ((n - 1) * (n - 2))
        - 2 * (one @ K0 @ L0 @ one) / (n - 2)
    )
    assert hsic_unbiased(X, Y) == pytest.approx(expected)


@pytest.mark.parametrize("debiased", [True, False])
def test_k1_rotation_scale_and_shift_change_nothing_and_other_linear_maps_do(debiased):
    X = gaussian(0, 500, 32)
    rotation, _ = np.linalg.qr(gaussian(1, 32, 32))
    for Y in (X, X @ rotation, 3.7 * X, X + 5):
        assert cka(X, Y, debiased=debiased) == pytest.approx(1, abs=1e-10)
    assert 0.5 < cka(X, X @ gaussian(2, 32, 32), debiased=debiased) < 0.9


@pytest.mark.parametrize("n", [64, 1000, pytest.param(5000, marks=pytest.mark.slow)])
def test_k2_independent_states_are_alike_only_by_the_biased_form(n):
    X, Y = gaussian(0, n, 768), gaussian(1, n, 768)
    assert cka(X, Y, debiased=False) == pytest.approx(768 / (768 + n), abs=0.01)
    assert abs(cka(X, Y)) <= 0.02


def test_k3_a_quarter_of_the_dimensions_shared_gives_a_quarter():
    X, Y = gaussian(0, 4000, 64), gaussian(1, 4000, 64)
    Y[:, :16] = X[:, :16]
    assert cka(X, Y) == pytest.approx(0.25, abs=0.01)


def test_states_that_do_not_differ_have_no_similarity():
    assert np.isnan(cka(np.full((10, 3), 0.1), gaussian(0, 10, 3)))


def test_fewer_than_four_examples_are_refused():
    with pytest.raises(ValueError, match="4 examples or more, got 3"):
        cka(gaussian(0, 3, 4), gaussian(1, 3, 4))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One whose last layer moved, and one that is frozen."""
    folder = tmp_path_factory.mktemp("runs")
    return made_texts(folder / "a"), made_texts(folder / "b", moved=False, strategy="frozen")


def test_what_moved_is_said(runs):
    found = compute("mean", *similarity.collect(list(runs), "test", "mean"))
    lora, frozen = found.moved["lora"], found.moved["frozen"]
    np.testing.assert_allclose(frozen, 1, atol=1e-12)
    np.testing.assert_allclose(lora[:2], 1, atol=1e-12)
    assert lora[2] < 0.9
    assert abs(found.bias.shuffled_debiased).max() < 0.05
    assert found.bias.shuffled_biased.min() > 0.01
    text = similarity.sentence(found)
    assert f"lora moved layer 2 most (CKA {lora[2]:.3f})" in text
    assert "from layer 2 on it is below 0.95" in text
    assert "frozen moved nothing" in text
    (one,) = found.maps
    assert (one.rows, one.columns) == ("lora", "frozen")
    np.testing.assert_allclose(np.diag(one.values), lora, atol=1e-12)
    assert f"last layers of lora and frozen are {lora[2]:.3f} alike" in text


def test_the_figure_has_a_curve_for_each_run_and_a_map_for_each_pair(runs):
    found = compute("mean", *similarity.collect(list(runs), "test", "mean"))
    curves, heat = similarity.figure(found, "two runs").axes
    assert {text.get_text() for text in curves.texts} >= {"lora", "frozen", "biased"}
    assert {text.get_text() for text in heat.texts} >= {"1.00"}


def test_command_line_of_one_run(runs, tmp_path, capsys):
    words = ["similarity", str(runs[0].path), "--states", "first", "--out", str(tmp_path)]
    assert command_line.main(words) == 0
    assert (tmp_path / "similarity.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((tmp_path / "similarity.json").read_text(encoding="utf-8"))
    assert numbers["sentence"] in capsys.readouterr().out
    assert numbers["maps"][0]["rows"] == "before"


def test_what_cannot_be_compared_is_refused(runs, tmp_path, capsys):
    other = made_texts(tmp_path / "c", strategy="full")
    path = other.arrays("hidden", "test", "pretrained")
    path.unlink()
    words = ["similarity", str(other.path)]
    refused_by(command_line.main, words, capsys, "test--pretrained.npz", "--dump hidden")
    for weights in ("trained", "pretrained"):
        arrays = dict(np.load(runs[0].arrays("hidden", "test", weights)))
        arrays["ids"] = arrays["ids"][::-1]
        np.savez(other.arrays("hidden", "test", weights), **arrays)
    words = ["similarity", str(runs[0].path), str(other.path), "--out", str(tmp_path)]
    refused_by(command_line.main, words, capsys, "dumps of other examples")
    words = ["similarity", str(runs[0].path), "--states", "word_states"]
    refused_by(command_line.main, words, capsys, "has no word_states")
