"""Robustness of several seeds: means, intervals for other texts and seeds, differences in pairs."""

import json

import numpy as np
import pytest
from rewritten import arrays, tagged_arrays, write_run

from analysis import __main__ as command_line
from analysis.robustness.dump import count
from analysis.robustness.figure import figure
from analysis.robustness.results import compare, compute
from analysis.seeds import draw_texts, interval

COIN = np.arange(200) % 2


def shaky(seed, rate, kinds=None):
    """Answers that are right before, and wrong after with this probability."""
    wrong = np.random.default_rng(seed).random((len(COIN), 3)) < rate
    after = np.where(wrong, 1 - COIN[:, None], COIN[:, None])
    return arrays(COIN, COIN, after.tolist(), kinds)


def of_seeds(rates, kinds=None):
    """What was counted in the answers of each seed, by the probability to be wrong after."""
    return {seed: count(shaky(seed, rate, kinds)) for seed, rate in rates.items()}


MEASURES = ("before", "after", "drop", "worst", "success", "same", "shift")


def test_seeds_are_one_with_the_mean_of_every_measure():
    kinds = ["typo", "case", "case"] * 200
    dumps = of_seeds({0: 0.1, 1: 0.2, 4: 0.3}, kinds)
    found = compute("lora", dumps)
    alone = [compute("lora", {seed: dump}) for seed, dump in dumps.items()]
    assert found.seeds == (0, 1, 4)
    for mean, *own in [
        *zip([found], *([one] for one in alone), strict=True),
        *([one.kinds[kind] for one in (found, *alone)] for kind in ("typo", "case")),
    ]:
        for name in MEASURES:
            if hasattr(mean, name):
                values = [getattr(one, name).value for one in own]
                assert getattr(mean, name).seeds == tuple(values)
                assert getattr(mean, name).value == pytest.approx(np.mean(values))
    assert found.failures == alone[0].failures


def test_entities_of_two_seeds_are_found_on_average():
    one = tagged_arrays()
    right = one | {"rewritten_logits": 9 * np.eye(5)[one["rewritten_labels"]]}
    found = compute("lora", {0: count(one), 1: count(right)})
    alone = compute("lora", {0: count(one)})
    assert found.item == "entities"
    assert found.after.seeds == (alone.after.value, 1.0)
    assert alone.after.value < 1
    assert found.after.value == pytest.approx((alone.after.value + 1) / 2)
    assert found.before.seeds == (alone.before.value,) * 2


def test_the_interval_is_over_texts_and_seeds():
    dumps = of_seeds({0: 0.1, 1: 0.2, 2: 0.3})
    found = compute("lora", dumps)
    right = np.array([dump.counts.after.part for dump in dumps.values()])  # [seeds, texts]
    ends = interval(right.mean(axis=1), right @ draw_texts(200).T / 200)
    assert ends[1] > 1  # which no share is
    assert (found.after.low, found.after.high) == (pytest.approx(ends[0]), 1.0)
    assert found.before.low == found.before.high == 1.0  # all seeds agree on all texts


def test_one_seed_has_the_interval_of_its_texts():
    (dump,) = of_seeds({7: 0.2}).values()
    after = compute("lora", {7: dump}).after
    ends = np.percentile(dump.counts.after.replicates(draw_texts(200)), (2.5, 97.5))
    assert (after.low, after.high) == pytest.approx(tuple(ends), abs=1e-12)
    assert after.seeds == (after.value,)


def test_a_measure_that_one_seed_does_not_have_is_unknown():
    never_right = count(arrays(COIN, 1 - COIN, np.repeat(1 - COIN, 3).reshape(-1, 3).tolist()))
    found = compute("lora", of_seeds({0: 0.1}) | {1: never_right})
    assert (found.success.value, found.success.low, found.success.seeds) == (None, None, ())
    assert found.after.value is not None


def test_differences_are_in_pairs_of_one_seed():
    """What a seed does to both configurations is no difference between them."""
    steady = of_seeds({0: 0.0, 1: 0.2, 2: 0.4})
    other = of_seeds({2: 0.5, 0: 0.1, 1: 0.3})
    (found,) = compare({"steady": steady, "other": other}, "steady")
    assert set(found.pairs) == {(0, 0), (1, 1), (2, 2)}
    drops = {
        name: {s: 1 - dump.counts.after.value for s, dump in dumps.items()}
        for name, dumps in (("steady", steady), ("other", other))
    }
    expected = [drops["other"][s] - drops["steady"][s] for s, _ in found.pairs]
    assert found.drop.seeds == pytest.approx(expected)
    assert found.drop.value == pytest.approx(np.mean(expected))
    apart = compute("other", other).drop
    assert found.drop.high - found.drop.low < (apart.high - apart.low) / 2
    apart = {"steady": steady, "other": {s: other[s] for s in (1, 2)} | {9: other[0]}}
    (shared,) = compare(apart, "steady")
    assert set(shared.pairs) == {(1, 1), (2, 2)}


def test_runs_without_a_shared_seed_are_compared_one_with_one():
    (found,) = compare({"steady": of_seeds({0: 0.0, 1: 0.0}), "x": of_seeds({5: 0.2})}, "steady")
    assert found.pairs == ((5, 0),)
    assert found.drop.value == pytest.approx(compute("x", of_seeds({5: 0.2})).drop.value)


def test_seeds_of_a_configuration_are_one_panel_and_one_paragraph(tmp_path, capsys):
    runs = []
    for strategy, rate in (("lora", 0.3), ("full", 0.0)):
        for seed in (1, 0):
            folder = tmp_path / f"{strategy}{seed}"
            runs.append(str(write_run(folder, shaky(seed, rate), strategy, seed=seed)))
    assert command_line.main(["robustness", *runs, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "lora (mean of 2 seeds): accuracy is 100.0% on 200 texts and " in printed
    assert "Intervals are for other texts and other seeds" in printed
    assert "more than full: a difference beyond chance (of 2 seeds)." in printed
    assert "the worst failures of lora, seed 0:" in printed
    numbers = json.loads((tmp_path / "out" / "robustness.json").read_text(encoding="utf-8"))
    assert [(one["label"], one["seeds"]) for one in numbers["runs"]] == [
        ("lora", [0, 1]), ("full", [0, 1])
    ]  # fmt: skip
    assert numbers["differences"][0]["pairs"] == [[0, 0], [1, 1]]


def test_figure_of_many_seeds_is_no_wider_than_a_page_and_covers_no_number():
    found = [compute(str(i), of_seeds({0: i / 9, 1: 0.1})) for i in range(5)]
    drawn = figure(found, "title")
    assert drawn.get_figwidth() <= 13
    drawn.draw_without_rendering()
    for axes in drawn.axes:
        assert axes.get_title(loc="left").endswith("mean of 2 seeds (|)")
        left = min(text.get_window_extent().x0 for text in axes.texts)
        for line in axes.lines:
            assert axes.transData.transform(line.get_xydata())[:, 0].max() < left
