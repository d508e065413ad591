"""Several seeds of a configuration as one model; several workers; which layers carry what."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from drawn import texts_outside
from made_runs import made_others, made_texts, made_words
from matplotlib.text import Text

from analysis import __main__ as command_line
from analysis.probing import layers, report
from analysis.probing.figure import figure
from analysis.probing.gravity import centre
from analysis.probing.layers import macro_f1
from analysis.probing.probed import Change, Curve, Probed, change, compute, cut, resamples
from analysis.seeds import interval
from analysis.states import BEFORE, RANDOM, Property, compared
from tl.metrics import classification_scores

N = 150


def labelled(n_seeds):
    """Texts of two classes: noise before; afterwards the last layer tells a class, somewhat."""
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, N)
    prop = Property("label", ("a", "b"), labels, np.arange(N), None, {})
    before = chance.normal(size=(N, 3, 4)).astype(np.float16)
    after = []
    for seed in range(n_seeds):
        states = before.copy()
        states[:, -1, seed] += (labels * (1 + seed)).astype(np.float16)
        after.append(states)
    return prop, {RANDOM: [before[::-1]], BEFORE: [before], "lora": after}


def arrays_of(probed):
    """Every array of a result."""
    curves = [
        getattr(curve, name)
        for curve in probed.curves
        for name in ("accuracy", "low", "high", "f1", "compression", "seeds", "strengths")
    ]
    return curves + [
        getattr(change, name) for change in probed.changes for name in ("mean", "low", "high")
    ]


def test_seeds_are_one_curve_of_means():
    prop, shown = labelled(3)
    curve = compute(prop, shown).curve("lora")
    each = [compute(prop, shown | {"lora": [one]}).curve("lora") for one in shown["lora"]]
    assert curve.n_seeds == 3
    for name in ("accuracy", "f1", "compression"):
        expected = np.mean([getattr(one, name) for one in each], axis=0)
        np.testing.assert_allclose(getattr(curve, name), expected)
    np.testing.assert_array_equal(curve.seeds, [one.accuracy for one in each])
    np.testing.assert_array_equal(curve.strengths, [one.strengths[0] for one in each])
    assert np.ptp(curve.seeds[:, -1]) > 0.05


def test_intervals_are_over_examples_and_seeds_and_those_of_changes_hold_for_all_layers_at_once():
    chance = np.random.default_rng(0)
    before = np.repeat(chance.random((1, 4, 90)) < 0.5, 3, axis=0)
    after = np.where(chance.random((3, 4, 90)) < 0.3, chance.random((3, 4, 90)) < 0.8, before)
    after[:, 0] = before[:, 0]
    draws = resamples(np.arange(90), np.random.default_rng(0))
    found = change("lora", after, before, draws)
    gain = after.astype(float) - before
    expected = interval(gain.mean(axis=2), np.array([draws(own) for own in gain]), 4)
    np.testing.assert_allclose([found.low, found.high], expected)
    assert found.low[0] == found.high[0] == 0  # a layer that did not move
    alone = interval(gain.mean(axis=2), np.array([draws(own) for own in gain]))
    assert ((found.high - found.low)[1:] > (alone[1] - alone[0])[1:]).all()


def test_a_change_is_paired_on_the_same_texts():
    """Where all seeds differ from before in one text alone, so does the interval."""
    before = np.random.default_rng(0).integers(0, 2, 300).astype(bool)
    after = before.copy()
    after[np.flatnonzero(~before)[0]] = True
    draws = resamples(np.arange(300), np.random.default_rng(0))
    found = change("lora", np.array([[after]] * 2), np.array([[before]]), draws)
    np.testing.assert_allclose(found.mean, 1 / 300)
    assert found.low == pytest.approx(0, abs=1e-9)
    assert found.high <= 4 / 300


def test_any_number_of_workers_gives_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "WORTH_THREADS", 0)
    run = made_words(made_texts(tmp_path / "run"))
    mean, _, speech, _ = compared([run], "test", (RANDOM, "trained", "pretrained"))
    for prop, shown in (mean, speech):
        alone, *others = (compute(prop, shown, n_workers) for n_workers in (1, 2, 5))
        for other in others:
            for one, two in zip(arrays_of(alone), arrays_of(other), strict=True):
                np.testing.assert_array_equal(one, two)


def test_equal_layers_are_probed_once(monkeypatch):
    prop, shown = labelled(3)
    probed = []
    plain = layers.probe_layer

    def counted(states, asked):
        probed.append(states.tobytes())
        return plain(states, asked)

    monkeypatch.setattr(layers, "probe_layer", counted)
    compute(prop, shown)
    assert len(probed) == len(set(probed)) == 3 + 3 + 3  # random, before, a last layer of each seed


def test_macro_f1_is_the_mean_over_the_classes_that_are_tested_or_predicted():
    """Scikit-learn's default, as in all of the project."""
    labels, predicted = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 0, 0, 1])
    assert macro_f1(labels, predicted) == pytest.approx((8 / 9 + 0 + 0) / 3)
    assert macro_f1(labels, predicted) == classification_scores(labels, predicted)["f1_macro"]
    assert macro_f1(labels, labels) == 1.0


def test_macro_f1_of_a_layer_is_that_of_its_probe():
    prop, shown = labelled(1)
    generator = np.random.default_rng(0)
    parts = cut(prop.examples, generator)
    states = shown["lora"][0][:, -1]
    asked = layers.Question(prop.labels, 2, parts, None, np.flatnonzero(parts.train))
    found = layers.probe_layer(states, asked)
    h = layers.probe.standardise(states, parts.train)
    fitted = layers.probe.fit(h[parts.train], prop.labels[parts.train], 2, found.strength)
    answers, gold = fitted.predict(h[parts.test]), prop.labels[parts.test]
    scores = []
    for label in (0, 1):
        right = np.sum((answers == label) & (gold == label))
        scores.append(2 * right / (np.sum(answers == label) + np.sum(gold == label)))
    assert found.f1 == pytest.approx(np.mean(scores))


def test_the_centre_of_gravity_is_the_mean_layer_of_the_gains():
    assert centre(np.array([0.5, 0.6, 0.55, 0.8])) == pytest.approx((0 * 0.1 + 2 * 0.2) / 0.3)
    assert centre(np.array([0.5, 0.9, 0.8, 0.9])) == 0.0  # what is lost and found is no gain
    assert centre(np.array([0.5, 0.4, 0.5])) is None
    values = np.random.default_rng(0).random(13)
    best, total, weighted = values[0], 0.0, 0.0
    for i in range(1, 13):
        gain = max(0.0, values[i] - best)
        best = max(best, values[i])
        total, weighted = total + gain, weighted + (i - 1) * gain
    assert centre(values) == pytest.approx(weighted / total)


def made(name, n_models, n_seeds, n_layers=7):
    """What probes might have found."""
    chance = np.random.default_rng(len(name))
    names = [RANDOM, BEFORE, "full", "feature_extraction", "adapter", "lora", "prefix"]
    curves, changes = [], []
    for i, model in enumerate(names[: 2 + n_models]):
        accuracy = 0.4 + 0.5 * np.sort(chance.random(n_layers)) * (model != RANDOM)
        ends = accuracy - 0.03, accuracy + 0.03
        seeds = np.tile(accuracy, (n_seeds if i > 1 else 1, 1))
        curves.append(
            Curve(model, len(seeds), accuracy, *ends, accuracy, None, accuracy + 1, seeds, seeds)
        )
        if i > 1:
            changes.append(Change(model, accuracy - 0.4, accuracy - 0.5, accuracy - 0.3))
    return Probed(name, ("a", "b"), 1200, 600, 0.3, tuple(curves), tuple(changes))


NAMES = (
    "label of emotion, mean of the tokens", "label of emotion, first token",
    "part of speech, ud_en_ewt", "depth in the tree, ud_en_ewt", "entity type, wnut17",
    "topic, agnews_headlines",
)  # fmt: skip


@pytest.mark.parametrize(("n_models", "n_seeds"), [(1, 1), (5, 3)])
def test_the_figure_is_readable_with_six_properties(n_models, n_seeds):
    """No wider than a page, three panels in a row, and no label on another."""
    result = figure([made(name, n_models, n_seeds) for name in NAMES], "five of them")
    assert result.get_figwidth() <= 13
    result.draw_without_rendering()
    *panels, _ = result.axes
    assert len(panels) == 6
    assert len({round(axes.bbox.x0) for axes in panels}) == 3
    ticks = {label for axes in result.axes
             for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}  # fmt: skip
    texts = [text for text in result.findobj(Text) if text.get_text() and text not in ticks]
    boxes = {text: text.get_window_extent() for text in texts if text.get_visible()}
    assert not [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    assert all(result.bbox.x0 <= box.x0 and box.x1 <= result.bbox.x1 for box in boxes.values())
    said = result.get_suptitle()
    assert ("mean of 3 seeds" in said) == (n_seeds == 3)


def test_names_of_runs_with_options_leave_no_text_outside():
    one = made(NAMES[0], 2, 1)
    named = {"full": "adapter", "feature_extraction": "lora (train-size 200, epochs 3)"}
    curves, changes = (
        tuple(replace(of, name=named.get(of.name, of.name)) for of in some)
        for some in (one.curves, one.changes)
    )
    drawn = figure([replace(one, curves=curves, changes=changes)], "adapter and lora")
    assert texts_outside(drawn) == []


@pytest.mark.parametrize(("majority", "low"), [(0.14, 0.37), (0.6, 0.37)])
def test_the_axis_shows_the_curves_and_a_note_a_majority_far_below(majority, low):
    axes = figure([replace(made(NAMES[0], 2, 1), majority=majority)], "two").axes[0]
    assert axes.get_ylim()[0] == pytest.approx(low, abs=0.15)
    (shown,) = [text.get_text() for text in axes.texts if "majority" in text.get_text()]
    assert shown == ("majority" if majority > low else "majority, below: 0.14")


def test_before_is_seen_over_what_equals_it():
    one = made(NAMES[0], 2, 1)
    equal = replace(one.curve("full"), accuracy=one.curve(BEFORE).accuracy)
    curves = (*one.curves[:2], equal, one.curves[3])
    lines = figure([replace(one, curves=curves)], "two").axes[0].lines
    before, after = lines[1:3]
    np.testing.assert_array_equal(before.get_ydata(), after.get_ydata())
    assert before.get_zorder() > after.get_zorder()
    assert before.get_linewidth() < after.get_linewidth()


def test_the_text_says_of_how_many_seeds_it_speaks():
    one, three = made(NAMES[0], 2, 1), made(NAMES[0], 2, 3)
    assert "seed" not in report.sentence(one) + report.table(one)
    assert "(2 classes, mean of 3 seeds)" in report.sentence(three)
    best = three.curve("full")
    assert f"({best.accuracy.max():.3f}; macro-F1 {best.f1.max():.3f}," in report.sentence(three)


def test_the_table_of_layers_stands_in_the_order_in_which_properties_come_in():
    low = Curve(BEFORE, 1, *[np.array([0.1, 0.9, 0.9])] * 4, None, *[np.ones(3)] * 3)
    high = Curve(BEFORE, 1, *[np.array([0.1, 0.1, 0.9])] * 4, None, *[np.ones(3)] * 3)
    found = [
        Probed(name, ("a", "b"), 9, 9, 0.5, (curve,), ())
        for name, curve in (("topic", high), ("word", low))
    ]
    head, *rows = report.carried(found).splitlines()
    assert head.split()[-1] == BEFORE
    assert rows[0].split("  ")[0] == "word"
    assert rows[0].endswith("0 (0.0; +0.800)")
    assert rows[1].endswith("1 (1.0; +0.800)")


def test_command_line_of_seeds_writes_one_curve_and_little(tmp_path, capsys):
    runs = [made_others(made_texts(tmp_path / f"r{seed}", seed=seed)) for seed in (2, 0, 1)]
    words = ["probing", *(str(run.path) for run in runs), "--out", str(tmp_path / "out")]
    assert command_line.main(words) == 0
    path = tmp_path / "out" / "probing.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    label, _, topic = found["properties"]
    assert [curve["name"] for curve in label["curves"]] == [RANDOM, BEFORE, "lora"]
    assert [curve["n_seeds"] for curve in label["curves"]] == [1, 1, 3]
    assert topic["name"] == "topic, news"
    assert found["layers"][label["name"]]["lora"]["best"] == "1"
    assert found["states"] == ["embeddings", "0", "1"]
    assert "mean of 3 seeds" in found["sentence"]
    assert "best layer (centre of gravity; gain)" in capsys.readouterr().out
    assert path.stat().st_size < 30_000
