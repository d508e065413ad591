"""CKA against a slow plain version and known answers; what moved, in words and pictures."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_texts
from running import refused_by
from scipy.stats import ttest_1samp

from analysis import __main__ as command_line
from analysis.finished import asked
from analysis.similarity import command as similarity
from analysis.similarity.cka import cka, hsic_biased, hsic_unbiased
from analysis.similarity.moved import compute


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


def of_seed(run, seed):
    """The same run, as that of another seed."""
    result = json.loads(run.result.read_text(encoding="utf-8"))
    run.result.write_text(json.dumps(result | {"seed": seed}), encoding="utf-8")
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One whose last layer moved, and one that is frozen."""
    folder = tmp_path_factory.mktemp("runs")
    return made_texts(folder / "a"), made_texts(folder / "b", moved=False, strategy="frozen")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Two seeds of each of three configurations; the states of the second have another axis."""
    folder = tmp_path_factory.mktemp("seeds")
    made = []
    for strategy, moved in (("lora", True), ("full", True), ("frozen", False)):
        for seed in (1, 0):
            run = made_texts(folder / f"{strategy}{seed}", seed, moved, strategy=strategy)
            made.append(of_seed(run, seed))
    return made


def found_of(runs):
    parser = argparse.ArgumentParser()
    similarity.add_arguments(parser)
    words = [*(str(run.path) for run in runs), "--out", "unused"]
    given = asked(parser.parse_args(words))
    return compute("mean", *similarity.collect(given, "mean"))


def test_what_moved_is_said(runs):
    found = found_of(runs)
    lora, frozen = found.moved["lora"].mean, found.moved["frozen"].mean
    np.testing.assert_allclose(frozen, 1, atol=1e-12)
    np.testing.assert_allclose(lora[:2], 1, atol=1e-12)
    assert lora[2] < 0.9
    assert abs(found.bias.shuffled_debiased).max() < 0.05
    assert found.bias.shuffled_biased.min() > 0.01
    text = similarity.sentence(found)
    assert f"lora moved layer 1 most (CKA {lora[2]:.3f})" in text
    assert "from layer 1 on it is below 0.95" in text
    assert "frozen moved nothing" in text
    assert (found.map.rows, found.map.columns) == ("lora", "frozen")
    np.testing.assert_allclose(np.diag(found.map.values), lora, atol=1e-12)
    assert f"last layers of lora and frozen are {lora[2]:.3f} alike" in text


def test_seeds_of_a_configuration_are_one_curve_with_an_interval_over_them(seeds):
    found = found_of(seeds)
    each = [found_of([run]).moved["lora"].each[0] for run in (seeds[1], seeds[0])]
    lora = found.moved["lora"]
    np.testing.assert_array_equal(lora.each, each)  # the lowest seed first
    np.testing.assert_allclose(lora.mean, np.mean(each, axis=0))
    interval = ttest_1samp([values[2] for values in each], 0).confidence_interval(0.95)
    assert lora.half[2] == pytest.approx((interval.high - interval.low) / 2)
    assert "lora (mean of 2 seeds) moved layer 1 most" in similarity.sentence(found)
    assert found.map is None


def test_last_layers_are_compared_over_all_pairs_of_runs(seeds):
    found = found_of(seeds)
    states = {run.path.name: np.load(run.arrays("hidden", "test"))["mean"][:, -1] for run in seeds}
    ends = dict(zip(found.ends.names, found.ends.values, strict=True))
    assert ends["lora"][0] == pytest.approx(cka(states["lora0"], states["lora1"]))
    pairs = [cka(states[f"lora{a}"], states[f"frozen{b}"]) for a in (0, 1) for b in (0, 1)]
    assert ends["lora"][2] == pytest.approx(np.mean(pairs)) == ends["frozen"][0]
    text = similarity.sentence(found)
    assert f"Those of two seeds of lora are {ends['lora'][0]:.3f} alike." in text


def test_the_figure_has_a_curve_for_each_configuration_and_a_map(runs, seeds):
    curves, heat = similarity.figure(found_of(runs), "two runs").axes
    assert {text.get_text() for text in curves.texts} >= {"lora", "frozen", "biased"}
    assert {text.get_text() for text in heat.texts} >= {"1.00"}
    curves, heat = similarity.figure(found_of(seeds), "six runs").axes
    assert {text.get_text() for text in curves.texts} >= {"lora", "full", "frozen"}
    shown = [label.get_text() for label in heat.get_yticklabels()]
    assert shown == ["lora  1", "full  2", "frozen  3"]


def with_constant(run, layer, *weights):
    """The same run, whose layer is the same for all texts."""
    for one in weights:
        path = run.arrays("hidden", "test", one)
        with np.load(path) as arrays:
            old = dict(arrays)
        old["mean"][:, layer] = 0.1
        np.savez(path, **old)
    return run


def test_a_collapsed_layer_is_named_and_has_no_number(tmp_path, capsys):
    run = with_constant(made_texts(tmp_path / "run", moved=False), -1, "trained")
    assert command_line.main(["similarity", str(run.path)]) == 0
    text = capsys.readouterr().out.partition("\nwrote")[0]
    assert "lora left every layer that can be compared as it was." in text
    assert "It has collapsed in layer 1: all states there are equal." in text
    assert "of layer 0, the debiased one" in text
    assert "nan" not in text
    assert "nothing, every" not in text
    found = json.loads((run.path / "analysis" / "similarity.json").read_text(encoding="utf-8"))
    assert found["before_against_after"]["lora"]["seeds"][0][2] is None
    curves = similarity.figure(found_of([run]), "one run").axes[0]
    assert "lora" in {text.get_text() for text in curves.texts}


def test_a_layer_is_said_to_collapse_in_the_seeds_in_which_it_does(tmp_path):
    runs = [of_seed(made_texts(tmp_path / f"{seed}"), seed) for seed in (0, 1)]
    with_constant(runs[1], 0, "trained")
    text = similarity.sentence(found_of(runs))
    assert "lora (mean of 2 seeds) moved layer 1 most" in text
    assert "It has collapsed in the embeddings in 1 of 2 seeds" in text


def test_a_layer_that_was_constant_before_has_not_collapsed(tmp_path):
    run = with_constant(made_texts(tmp_path / "run"), 0, "pretrained", "trained")
    text = similarity.sentence(found_of([run]))
    assert "lora moved layer 1 most" in text
    assert "It cannot be compared in the embeddings: states are equal before adaptation" in text
    assert "collapsed" not in text


def test_without_a_layer_to_compare_there_is_no_number_at_all(tmp_path):
    run = made_texts(tmp_path / "run")
    for layer in range(3):
        with_constant(run, layer, "trained")
    found = found_of([run])
    assert "lora no layer can be compared" in similarity.sentence(found)
    assert "shuffled" not in similarity.sentence(found)
    similarity.figure(found, "nothing")


def test_more_configurations_than_colours_are_all_drawn(runs):
    found = found_of([runs[0]])
    many = replace(found, moved={f"s{i}": found.moved["lora"] for i in range(9)})
    curves = similarity.figure(many, "nine").axes[0]
    assert {text.get_text() for text in curves.texts} >= {f"s{i}" for i in range(9)}


def test_command_line_of_one_run(runs, tmp_path, capsys):
    words = ["similarity", str(runs[0].path), "--states", "first", "--out", str(tmp_path)]
    assert command_line.main(words) == 0
    assert (tmp_path / "similarity.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((tmp_path / "similarity.json").read_text(encoding="utf-8"))
    assert numbers["sentence"] in capsys.readouterr().out
    assert numbers["map"]["rows"] == "before"


def test_runs_of_other_data_are_refused_though_their_ids_are_equal(runs, tmp_path, capsys):
    other = made_texts(tmp_path / "c", strategy="full")
    words = ["similarity", str(runs[0].path), str(other.path), "--out", str(tmp_path)]
    for weights in ("trained", "pretrained"):
        path = other.arrays("hidden", "test", weights)
        arrays = dict(np.load(path))
        np.savez(path, **arrays | {"mean": arrays["mean"][::-1]})  # as if of other texts
    refused_by(command_line.main, words, capsys, str(other.path), "begin with the same model")
    result = json.loads(other.result.read_text(encoding="utf-8")) | {"data_name": "news"}
    other.result.write_text(json.dumps(result), encoding="utf-8")
    said = f"{runs[0].path} is of classification on reviews, {other.path} of classification on news"
    refused_by(command_line.main, words, capsys, said, "one task and data set")


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
    for weights in ("trained", "pretrained"):
        arrays = dict(np.load(runs[0].arrays("hidden", "test", weights)))
        few = {name: values[:29] for name, values in arrays.items()}
        np.savez(other.arrays("hidden", "test", weights), **few)
    words = ["similarity", str(other.path)]
    refused_by(command_line.main, words, capsys, "29 rows are too few", "30 or more")
    other.result.unlink()
    refused_by(command_line.main, words, capsys, "not finished")
