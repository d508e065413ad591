"""The pages: what a user sees of one run and of several, and what is refused."""

import argparse
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from drawn import texts_outside
from scipy import stats

from analysis import __main__ as command_line
from analysis.calibration import command, compare, compare_report, page, words
from analysis.calibration.bins import reliability_table, softmax
from analysis.calibration.compare import Group
from analysis.calibration.compare_report import figure, sentence
from analysis.calibration.figure import figure as page_figure
from analysis.calibration.predictions import Predictions
from analysis.plotting import colors_of
from tl.runs import Run, write_arrays, write_json

NAMES = np.array(["anger", "joy", "sadness"])


def labelled_arrays(n, seed, sharpness=1.0):
    """Logits `sharpness` times those whose labels these are; ids are line numbers."""
    chance = np.random.default_rng(seed)
    z = 2 * chance.normal(size=(n, 3))
    limits = np.cumsum(softmax(z), axis=1)[:, :-1]
    return {
        "ids": np.arange(n).astype(str),
        "labels": (chance.random((n, 1)) > limits).sum(1),
        "logits": (sharpness * z).astype(np.float32),
        "label_names": NAMES,
    }


def tagged_arrays(n, seed):
    """Sentences of two words; the first is a name in three of four."""
    chance = np.random.default_rng(seed)
    labels = np.stack([chance.random(n) < 0.75, np.zeros(n)], axis=1).astype(int).ravel()
    logits = 2 * np.eye(3)[labels] + chance.normal(size=(2 * n, 3))
    return {
        "ids": np.repeat(np.arange(n).astype(str), 2),
        "words": np.tile([0, 1], n),
        "labels": labels,
        "logits": logits.astype(np.float32),
        "label_names": np.array(["O", "B-PER", "I-PER"]),
        "example_ids": np.arange(n).astype(str),
        "n_words": np.full(n, 2),
    }


def write_run(folder, strategy="lora", seed=0, arrays=None, learning=10, finished=True):
    """A run directory; `arrays` of each split."""
    name = f"minilm--{strategy}--0a0b0c0d--s{seed}"
    run = Run(folder / name)
    arrays = arrays or {
        "validation": labelled_arrays(300, 100 + seed, 2.0),
        "test": labelled_arrays(400, 7, 2.0),
    }
    write_json(run.config, {})
    write_json(run.env, {"device": "cpu"})
    for split, own in arrays.items():
        write_arrays(run.arrays("predictions", split), own)
    result = {
        "task": "classification", "strategy": strategy, "seed": seed, "data_name": "made-up",
        "command": f"python train.py --strategy {strategy} --seed {seed}",
        "trainable_parameters": learning, "scores": {split: {} for split in arrays},
    }  # fmt: skip
    if finished:
        write_json(run.result, result)
    return run.path


def main(*words):
    return command_line.main(["calibration", *map(str, words)])


def numbers(folder, name="calibration"):
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def test_page_of_one_run(tmp_path, capsys):
    path = write_run(tmp_path)
    assert main(path) == 0
    shown = capsys.readouterr().out
    found = numbers(path / "analysis")
    assert (path / "analysis" / "calibration.png").read_bytes().startswith(b"\x89PNG")
    assert found["sentence"] in shown
    assert found["temperature"] == pytest.approx(2, rel=0.25)
    assert (found["split"], found["calibrated_on"]) == ("test", "validation")
    assert "where the best epoch was chosen, too" in shown
    raw, mended = found["ways"][0]["judged"]["top"], found["ways"][1]["judged"]["top"]
    assert "too sure" in shown
    assert raw["ece"]["p_value"] < 0.01
    assert mended["ece"]["value"] < raw["ece"]["value"]
    assert found["ways"][1]["n_changed"] == 0
    assert sum(raw["width"]["count"]) == raw["n"] == 400


def test_a_bin_of_one_answer_is_seen(tmp_path):
    drawn = page_figure(page.compute("a run", *loaded(write_run(tmp_path)), 15))
    lower = next(axes for axes in drawn.axes if axes.get_ylabel() == "count")
    counts = lower.lines[0].get_ydata()
    assert counts.min() >= 1
    assert lower.get_ylim()[0] < 1  # so the mark of a bin of 1 stands above the edge
    assert [label.get_text() for label in lower.get_yticklabels()] == ["1", "10", "100"]


def loaded(path, **options):
    """What is scored and what maps are fitted on, by these options."""
    asked = {"split": None, "calibrate_on": None} | options
    return command.load(Run(path), argparse.Namespace(**asked), None)


def test_what_maps_are_fitted_on(tmp_path):
    path = write_run(tmp_path)
    for options, splits, sizes in (
        ({}, ("test", "validation"), (400, 300)),
        ({"calibrate_on": "half"}, ("the other half of test", "one half of test"), (200, 200)),
        ({"split": "validation", "calibrate_on": "test"}, ("validation", "test"), (300, 400)),
    ):
        both = loaded(path, **options)
        assert tuple(one.split for one in both) == splits
        assert tuple(len(one.labels) for one in both) == sizes


def test_without_a_test_split_halves_of_validation_are_taken(tmp_path):
    path = write_run(tmp_path, arrays={"validation": labelled_arrays(100, 0)})
    test, calibration = loaded(path)
    assert (len(test.labels), calibration.split) == (50, "one half of validation")
    found = page.compute("a run", test, calibration, 15)
    assert "50 for 15 bins are few" in words.sentence(found)


def test_each_member_of_a_multi_task_run_has_a_page_and_ner_is_judged_by_entities(tmp_path, capsys):
    members = {"classification": labelled_arrays, "ner": tagged_arrays}
    arrays = {
        split: {
            f"{name}/{key}": array
            for name, make in members.items()
            for key, array in make(60, seed).items()
        }
        for split, seed in (("validation", 0), ("test", 1))
    }
    path = write_run(tmp_path, arrays=arrays)
    assert main(path) == 0
    assert not numbers(path / "analysis", "calibration-classification")["kinds"]
    found = numbers(path / "analysis", "calibration-ner")
    (kind,) = found["kinds"]
    assert kind["name"] == "PER"
    assert found["ways"][0]["entities"]["n"] == kind["n_named"]
    assert set(found["mapped_entities"]) == {"Platt of entities", "isotonic of entities"}
    assert "PER is furthest off" in capsys.readouterr().out


def test_strategies_are_compared_in_pairs_of_one_seed(tmp_path, capsys):
    """LoRA here is three times too sure, full is honest."""
    for seed in (0, 1):
        for strategy, sharpness, learning in (("full", 1.0, 100), ("lora", 3.0, 10)):
            arrays = {
                "validation": labelled_arrays(100, 50 + seed, sharpness),
                "test": labelled_arrays(300, 7, sharpness + 0.1 * seed),
            }
            write_run(tmp_path / "runs", strategy, seed, arrays, learning)
    assert main(tmp_path / "runs", "--out", tmp_path / "out") == 0
    shown, found = capsys.readouterr().out, numbers(tmp_path / "out")
    assert (found["against"], [g["label"] for g in found["groups"]]) == ("full", ["full", "lora"])
    assert found["sentence"] in shown
    assert (tmp_path / "out" / "calibration.png").is_file()
    own, other = (group["values"] for group in found["groups"])
    p_values = [stats.ttest_rel(other[c["measure"]], own[c["measure"]]).pvalue
                for c in found["claims"]]  # fmt: skip
    by_holm = np.maximum.accumulate(np.sort(p_values) * [3, 2, 1])
    assert sorted(c["difference"]["p"] for c in found["claims"]) == pytest.approx(by_holm)
    (one,) = [c["difference"] for c in found["claims"] if c["measure"] == "debiased_l2"]
    theirs = stats.ttest_rel(other["debiased_l2"], own["debiased_l2"])
    ends = theirs.confidence_interval(1 - 0.05 / 3)
    np.testing.assert_allclose([one["low"], one["high"]], ends)
    assert one["mean"] == pytest.approx(np.mean(ends))
    assert "Corrected for all 3 claims together" in found["sentence"]


def test_seeds_are_known_by_their_command_lines_whatever_directories_are_called(tmp_path):
    paths = []
    for strategy in ("full", "lora"):
        for seed in (1, 0):
            made = write_run(tmp_path / "made", strategy, seed)
            paths.append(made.rename(tmp_path / f"{strategy[0]}{seed}"))
    assert main(*paths, "--out", tmp_path / "out") == 0
    found = numbers(tmp_path / "out")["groups"]
    assert [(group["label"], group["seeds"]) for group in found] == [
        ("full", [0, 1]), ("lora", [0, 1]),
    ]  # fmt: skip


def grouped(label, l2, seeds, learning=1):
    values = dict.fromkeys(compare.MEASURES, np.zeros(len(seeds))) | {"debiased_l2": np.array(l2)}
    table = reliability_table(np.array([0.5]), np.array([1]))
    rest = np.zeros(len(seeds))
    return Group(label, learning, tuple(seeds), values, rest, rest, table, rest)


def test_long_names_leave_no_text_outside_and_colours_are_those_of_other_figures():
    names = ("adapter", "lora (train-size 200, epochs 3)", "feature_extraction (lr 0.001)")
    groups = [grouped(name, (0.1, 0.2), (0, 1), i) for i, name in enumerate(names)]
    enough = reliability_table(np.full(50, 0.5), np.ones(50))
    groups = [replace(one, table=enough) for one in groups]
    drawn = figure(compare.compute("ner on newsroom", "test", "validation", groups, names[2]))
    assert texts_outside(drawn) == []
    gaps = drawn.axes[0]
    ends = {text.get_text().partition("\n")[0]: text.get_color() for text in gaps.texts[2:]}
    assert ends == {name.partition(" (")[0]: color for name, color in colors_of(names).items()}


def test_numbers_are_written_in_short():
    numbers = (0.0479, -0.0163, 1.2, 10.5, 0.0, 0.9996, math.inf)
    assert [words.short(x) for x in numbers] == [
        *(".048", "-.016", "1.200", "10.500", ".000", "1.000", "infinite")
    ]
    assert [words.by_chance(p) for p in (0.0004, 0.012)] == ["p < .001", "p = .012"]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.05, 0.06, 0.07], "lora calibrates worse than full"),
        ([0.01, 0.011, 0.02], "lora calibrates better than full"),
        ([0.05, 0.071, 0.09], "calibrates otherwise than full is not shown"),  # p = 3 · .035
        ([0.01, 0.05, 0.06], "calibrates otherwise than full is not shown"),
        ([0.09], "+.060, 1 seed: this run only, no verdict"),
    ],
)
def test_the_verdict_needs_evidence(values, verdict):
    base = grouped("full", [0.03, 0.041, 0.05], [0, 1, 2], learning=9)
    other = grouped("lora", values, range(len(values)))
    assert verdict in sentence(compare.compute("x", "test", "validation", [other, base], "full"))


def test_a_run_without_an_error_takes_it_from_no_other():
    nan, base = np.nan, grouped("full", [0.03, 0.041, 0.05], [0, 1, 2], learning=9)
    others = [grouped("lora", [0.3, nan, 0.32], [0, 1, 2]), grouped("ia3", [nan] * 3, [0, 1, 2])]
    found = compare.compute("x", "test", "validation", [base, *others], "full")
    lora, ia3 = (found.difference(name, "debiased_l2") for name in ("lora", "ia3"))
    assert (lora.seeds, ia3.seeds) == (((0, 2),), ((),))
    assert lora.mean == pytest.approx(0.27)
    assert lora.verdict == "higher"
    text = sentence(found)
    assert "lora calibrates worse than full (.310 against .040, +.270" in text
    assert "Whether ia3 calibrates otherwise than full is unknown" in text
    shown = compare_report.tables(found)
    assert ".310 ± .014 (2 seeds)" in shown
    assert "nan" not in text + shown
    compare_report.figure(found).draw_without_rendering()


def test_an_infinite_difference_has_no_interval():
    base, one = (grouped(name, [0.1, 0.2], [0, 1]) for name in ("full", "lora"))
    one.values["nll"] = np.array([math.inf, 0.1])
    found = compare.compute("x", "test", "validation", [base, one], "full")
    nll = found.difference("lora", "nll")
    assert (nll.mean, nll.low, nll.p) == (math.inf, None, None)
    assert "differs by +infinite." in sentence(found)
    assert "all 2 claims" in sentence(found)


def test_few_answers_have_an_error_and_one_alone_has_none(tmp_path, capsys):
    few = {"validation": labelled_arrays(300, 0), "test": labelled_arrays(10, 7)}
    assert main(write_run(tmp_path / "few", arrays=few)) == 0
    shown = capsys.readouterr().out.partition("\nwrote")[0]
    assert "nan" not in shown
    assert "L2 error is ." in shown
    z, names = np.array([[1.0, 0.0, 0.0]]), tuple(NAMES)
    one = Predictions("test", np.array(["x"]), np.array([0]), z, names)
    calibration = loaded(tmp_path / "few" / "minilm--lora--0a0b0c0d--s0")[1]
    found = page.compute("a run", one, calibration, 15)
    assert "the L2 error is unknown" in words.sentence(found)
    assert "nan" not in words.sentence(found) + words.tables(found)
    assert words.errors(found.ways[0].judged.top)[-1] == "-"


def test_all_that_the_text_says_of_all_groups_is_corrected_together():
    base = grouped("full", [0.03, 0.041, 0.05], [0, 1, 2], learning=9)
    others = [grouped(name, [0.05, 0.06, 0.07], [0, 1, 2]) for name in ("lora", "ia3", "prefix")]
    found = compare.compute("x", "test", "validation", [base, *others], "full")
    assert {one.measure for one in found.claims} == {"debiased_l2", "l2_mended", "nll"}
    assert {one.difference.n_claims for one in found.claims} == {9}
    raw = stats.ttest_rel([0.05, 0.06, 0.07], base.values["debiased_l2"]).pvalue
    assert found.difference("ia3", "debiased_l2").p == pytest.approx(9 * raw)
    assert "Corrected for all 9 claims together" in sentence(found)


def test_runs_without_a_common_seed_are_compared_by_welchs_test():
    own, other = [0.1, 0.11, 0.12], [0.5, 0.53]
    groups = [grouped("full", own, [0, 1, 2]), grouped("lora", other, [5, 6])]
    found = compare.compute("x", "test", "validation", groups, "full")
    one, expected = found.difference("lora", "debiased_l2"), stats.ttest_ind(other, own)
    assert one.mean == pytest.approx(0.405)
    assert one.parts[0].error == pytest.approx(0.015)  # each side's own deviation
    assert one.p > expected.pvalue
    assert "(.515 against .110, +.405 [" in sentence(found)
    assert "2 and 3 seeds, not in pairs" in sentence(found)


def test_one_seed_gives_no_verdict():
    groups = [grouped("full", [0.1], [0]), grouped("lora", [0.5], [5])]
    text = sentence(compare.compute("x", "test", "validation", groups, "full"))
    assert "lora and full: .500 against .100, +.400, 1 and 1 seeds, not in pairs: this run" in text
    assert text.endswith("One seed gives no verdict: these are the numbers of this run only.")


def test_bad_input_is_answered_in_words(tmp_path, capsys):
    path = write_run(tmp_path / "a")
    other = write_run(tmp_path / "a", "full")
    foreign = {"validation": labelled_arrays(60, 0), "test": labelled_arrays(60, 8)}
    elsewhere = write_run(tmp_path / "c", "bitfit", arrays=foreign)
    for line, answer in (
        ([tmp_path / "nowhere"], "there is no directory"),
        ([write_run(tmp_path / "b", finished=False)], "not finished; go on with"),
        ([path, "--bins", 0], "--bins must be at least 1"),
        ([path, "--split", "train"], "eval.py"),
        ([path, "--calibrate-on", "test"], "400 of 400 rows of test are also in test"),
        ([path, "--member", "ner"], "leave out --member"),
        ([path, "--against", "full"], "a comparison takes two"),
        ([path, other], "several runs: say with --out"),
        ([path, other, "--out", tmp_path, "--against", "ia3"], "there are"),
        ([path, elsewhere, "--out", tmp_path], "have other examples in test"),
        ([path, write_run(tmp_path / "a", seed=1), "--out", tmp_path], "of one configuration"),
    ):
        assert main(*line) == 2
        message = capsys.readouterr().err
        assert answer in message, message
