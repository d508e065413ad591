"""Copies of a text under other ids: on one side of every cut, and one in every interval."""

import csv
import io

import numpy as np
import pytest
from made_runs import N, made_texts
from rewritten import AFTER, BEFORE, LABELS, arrays

from analysis import planes, projection
from analysis.calibration.predictions import Predictions, divide
from analysis.cells import cell
from analysis.copies import first_copies, n_copies
from analysis.forgetting.gains import loss_scores
from analysis.probing.probed import compute
from analysis.probing.report import sentence
from analysis.robustness.dump import count
from analysis.robustness.results import compute as robustness
from analysis.seeds import draw_groups, draw_texts
from analysis.similarity.command import rows_of_first_copies
from analysis.states import BEFORE as MODEL_BEFORE
from analysis.states import RANDOM, Property
from tl.runs import write_arrays


def copied(n, times, noise=0.0):
    """Texts with labels by chance, each so many times under another id."""
    rng = np.random.default_rng(0)
    base, labels = rng.normal(size=(n, 1, 48)).astype(np.float32), rng.integers(0, 2, n)
    states = np.concatenate([base] * times)
    states = states + noise * rng.normal(size=states.shape).astype(np.float32)
    keys = np.tile([f"key {i}" for i in range(n)], times)
    return states, np.tile(labels, times), keys


@pytest.mark.parametrize(("noise", "known"), [(0.0, False), (1e-4, True)])
def test_a_probe_cannot_learn_labels_by_chance_from_copies(noise, known):
    """F4: they are told by the key of their text, or by equal states where none was dumped."""
    states, labels, keys = copied(100, 3, noise)
    ids = np.array([f"{i:03d}" for i in range(300)])
    prop = Property("label", ("a", "b"), labels, ids, None, {}, keys if known else None)
    shown = {MODEL_BEFORE: [states], RANDOM: [states], "after": [states]}
    found, alone = compute(prop, shown), compute(prop.of(np.arange(100)), {
        name: [states[:100]] for name in shown
    })  # fmt: skip
    curve, single = found.curve("after"), alone.curve("after")
    assert curve.accuracy[0] == pytest.approx(single.accuracy[0], abs=0.1)
    assert curve.low[0] < 0.5 < curve.high[0]
    width, own = (one.high[0] - one.low[0] for one in (curve, single))
    assert width == pytest.approx(own, rel=0.2)  # three copies are no three texts
    assert (found.n_copies, alone.n_copies) == (200, 0)
    assert "200 of its texts repeat others" in sentence(found)
    assert "repeat" not in sentence(alone)
    assert curve.compression[0] < 1.2


def test_words_of_a_sentence_go_with_those_of_its_copy():
    ids = np.repeat(["c", "a", "b", "d"], 2)
    keys = np.repeat(["x", "y", "x", "z"], 2)
    first = first_copies(ids, keys, np.empty(0))
    assert first.tolist() == np.repeat(["b", "a", "b", "d"], 2).tolist()
    assert n_copies(ids, first) == 1
    states = np.array([0, 1, 2, 3, 0, 1, 0, 2.0])[:, None, None]
    assert first_copies(ids, None, states).tolist() == first.tolist()


def test_copies_are_not_drawn_as_neighbours_of_each_other():
    states, labels, keys = copied(40, 2, 1e-4)
    prop = Property("label", ("a", "b"), labels, np.arange(80), None, {}, keys)
    shown = {MODEL_BEFORE: [states], "after": [states]}
    found = projection.compute(prop, shown, -1, "tsne")
    assert found.examples.tolist() == list(range(40))
    assert found.clouds[0].purity < 0.65  # a half by chance; copies are always of one label
    assert "40 texts are left out, which repeat others" in projection.sentence(found)


def test_similarity_is_of_texts_that_do_not_repeat_others(tmp_path):
    run = made_texts(tmp_path / "run")
    path = run.arrays("hidden", "test", "pretrained")
    with np.load(path) as dump:
        arrays_of_run = dict(dump)
    states = {"pretrained": arrays_of_run["mean"]}
    assert rows_of_first_copies(run, "test", states, "mean").tolist() == list(range(N))
    keys = np.array([f"{i % 100}" for i in range(N)])
    write_arrays(path, arrays_of_run | {"text_keys": keys})
    assert rows_of_first_copies(run, "test", states, "mean").tolist() == list(range(100))
    words = {
        "word_states": arrays_of_run["mean"], "text_keys": np.array(["x", "y", "x"]),
        "word_examples": np.repeat([0, 1, 2], 50),
    }  # fmt: skip
    write_arrays(path, arrays_of_run | words | {"ids": np.array(["a", "b", "c"])})
    assert rows_of_first_copies(run, "test", states, "word_states").tolist() == list(range(100))


@pytest.mark.parametrize("tagged", [False, True])
def test_halves_for_calibration_share_no_text(tagged):
    rng, n = np.random.default_rng(0), 60
    sentence_of = np.repeat(np.arange(n), 2) if tagged else np.arange(n)
    texts = np.array([f"{i % 20}" for i in range(n)])[sentence_of]
    found = Predictions(
        "test", sentence_of.astype(str), rng.integers(2, size=len(sentence_of)),
        rng.normal(size=(len(sentence_of), 2)), ("a", "b"),
        *((np.tile([0, 1], n), sentence_of, np.full(n, 2)) if tagged else (None,) * 3), texts,
    )  # fmt: skip
    one, other = divide(found)
    assert not set(one.texts) & set(other.texts)
    assert len(one.ids) + len(other.ids) == len(sentence_of)
    assert abs(len(set(one.texts)) - len(set(other.texts))) <= 2


def test_copies_are_drawn_together():
    groups = np.array(["b", "a", "b", "c"])
    draws = draw_groups(groups)
    np.testing.assert_array_equal(draws[:, 0], draws[:, 2])
    np.testing.assert_array_equal(draws[:, [0, 1, 3]], draw_texts(3))
    np.testing.assert_array_equal(draw_groups(np.array(["z", "y", "x"])), draw_texts(3))


def test_an_interval_over_copies_is_as_wide_as_over_the_texts():
    """Of losses, and of rewrites."""
    losses = np.random.default_rng(0).normal(size=50)
    texts = {"losses/g": np.tile(losses, 4), "texts/g": np.tile(np.arange(50), 4)}
    (score, draws), (alone, own) = loss_scores(texts, "g"), loss_scores({"losses/g": losses}, "g")
    assert score.n_texts == alone.n_texts == 50
    np.testing.assert_allclose(draws, own)
    one = arrays(LABELS * 8, BEFORE * 8, AFTER * 8)
    four = arrays(LABELS * 32, BEFORE * 32, AFTER * 32)
    four["texts"] = one["texts"] * 4
    assert robustness("x", {0: count(four)}).drop == robustness("x", {0: count(one)}).drop


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@SUM(1)", "\tx", "\rx", "-1 ", "=", "-"])
def test_a_formula_is_text_for_a_spreadsheet(text):
    """D9h."""
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1", "+3.5e-3", "1", "a=b", "", "good", "'x", -1.25, "-0.00012"])
def test_numbers_and_words_stay_as_they_are(text):
    assert cell(text) == str(text)


def test_points_are_written_without_formulas():
    """D9h: in every column that holds text of the data."""
    cloud = projection.Cloud("before", np.array([[-1.5, 2.0]]), (0.1,), (0.5,))
    made = projection.Projection(
        "@SUM(1)", 1, ('=HYPERLINK("x")',), np.array([0]), np.array(["+cmd|x"]), 0.5, (cloud,)
    )
    rows = list(csv.reader(io.StringIO(projection.coordinates([made]).decode())))
    expected = ["'@SUM(1)", "before", "'+cmd|x", '\'=HYPERLINK("x")', "-1.50000", "2.00000"]
    assert rows[1] == expected


DEGENERATE = {
    "all but one": np.r_[np.zeros((99, 4)), np.ones((1, 4))],
    "two states": np.repeat(np.eye(4)[:2], 60, axis=0),
    "fifteen": np.repeat(np.random.default_rng(0).normal(size=(15, 4)), 4, axis=0),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_umap_refuses_states_that_hardly_differ(name):
    """F6."""
    with pytest.raises(ValueError, match=r"more than 15 different states.*--method tsne"):
        planes.umap(DEGENERATE[name])


def test_equal_states_of_several_texts_are_no_ground_for_umap():
    """F6: behind PCA, which moves equal states by a last digit."""
    states = np.random.default_rng(0).normal(size=(1, 64)).repeat(150, axis=0)
    states[-1] += 1
    keys = np.array([f"{i}" for i in range(150)])
    prop = Property("label", ("a", "b"), np.arange(150) % 2, keys, None, {}, keys)
    shown = {MODEL_BEFORE: [states[:, None]], "after": [states[:, None]]}
    with pytest.raises(ValueError, match="of these 300, 2 differ"):
        projection.compute(prop, shown, -1, "umap")


def test_umap_sees_each_state_once_and_equal_ones_are_one_point(monkeypatch):
    """F6: copies would be each other's only neighbours."""
    seen = []
    monkeypatch.setattr(planes, "_umap", lambda X: seen.append(X) or X[:, :2])
    states = np.random.default_rng(0).normal(size=(20, 4))
    rows = np.random.default_rng(1).integers(20, size=90)
    points = planes.umap(states[rows])
    assert len(seen[0]) == len(np.unique(rows))
    np.testing.assert_array_equal(points, states[rows][:, :2])
    planes.umap(states)
    np.testing.assert_array_equal(seen[1], states)  # without copies, as they are
    monkeypatch.setattr(planes, "_umap", lambda X: np.full((len(X), 2), np.nan))
    with pytest.raises(ValueError, match="no place for some states"):
        planes.umap(states)
