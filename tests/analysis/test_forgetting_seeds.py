"""Forgetting of several seeds: mean gains, their intervals and verdicts, one table of all."""

import json

import numpy as np
import pytest
from remembered import AFTER, BEFORE, RESULT, arrays, write_run
from running import refused_by
from scipy.stats import ttest_1samp

from analysis import __main__ as command_line
from analysis.forgetting import command as forgetting
from analysis.forgetting.gains import compute
from analysis.seeds import draw_texts
from analysis.text import aligned


def of_seeds(n):
    """Dumps of a configuration whose language model loses as much more as the seed is higher."""
    return {
        seed: (BEFORE, arrays(1.5 - seed / 5, 3.0, 2.2 + 0.1 * seed, seed=seed))
        for seed in range(n)
    }


def test_seeds_of_a_configuration_are_one_with_the_mean_gain():
    found = compute("lora", of_seeds(3))
    alone = [compute("lora", {seed: both}) for seed, both in of_seeds(3).items()]
    assert found.seeds == (0, 1, 2)
    for change, *own in zip(found.changes, *(one.changes for one in alone), strict=True):
        assert change.gains == tuple(one.gain for one in own)
        for name in ("before", "after", "gain"):
            assert getattr(change, name) == pytest.approx(np.mean([getattr(o, name) for o in own]))


def test_texts_and_seeds_widen_the_interval_of_the_mean_gain():
    """Of a loss, the bootstrap of the mean gain is that of each text's mean over seeds."""
    pairs = of_seeds(3)
    change = next(c for c in compute("lora", pairs).changes if c.measure == "language")
    gains = [
        before["losses/newsroom"] - after["losses/newsroom"] for before, after in pairs.values()
    ]
    mean = np.mean(gains, axis=0)[:-1]  # the last text has no word piece
    draws = [draw @ mean / len(mean) for draw in draw_texts(len(mean))]
    low, high = np.quantile(draws, [0.025, 0.975])
    interval = ttest_1samp(change.gains, 0).confidence_interval(0.95)
    assert change.low == pytest.approx(
        mean.mean() - np.hypot(mean.mean() - low, change.gain - interval.low)
    )
    assert change.high == pytest.approx(
        mean.mean() + np.hypot(high - mean.mean(), interval.high - change.gain)
    )


def test_seeds_that_disagree_leave_a_verdict_open():
    both = {0: (BEFORE, arrays(0.6, 0.5, 1.5)), 1: (BEFORE, arrays(0.6, 0.5, 2.4))}
    found = {seed: compute("x", {seed: both[seed]}).changes[2].verdict for seed in both}
    assert found == {0: "learned", 1: "lost"}
    assert compute("x", both).changes[2].verdict == "unclear"


def test_what_one_seed_of_two_learned_is_not_absent():
    blind = arrays(0.0, 0.5, 2.0)
    found = compute("x", {0: (blind, arrays(1.5, 0.5, 2.0)), 1: (blind, blind)})
    assert found.changes[0].verdict == "unclear"
    assert compute("x", {0: (blind, blind), 1: (blind, blind)}).changes[0].verdict == "absent"


def test_one_table_tells_what_each_configuration_learned_and_lost():
    short = {k: v for k, v in BEFORE.items() if not k.startswith("losses")}
    results = [compute("full", of_seeds(3)), compute("frozen", {0: (short, short)})]
    head, *rows = forgetting.overview(results)
    assert head == ["group", "role", "ability", "full", "frozen"]
    probe, pairs = (f"{abs(c.gain):.2f}".removeprefix("0") for c in results[0].changes[:2])
    assert rows == [
        ["emotion test", "target", "probe", f"+{probe} learned", "+.00 kept"],
        ["newsroom headlines", "control", "pairs", f"−{pairs} lost", "+.00 kept"],
        ["newsroom", "control", "language", "−.30 lost", ""],
    ]  # fmt: skip


def test_command_line_takes_configurations_with_several_seeds(tmp_path, capsys):
    runs = []
    for strategy in ("lora", "full"):
        for seed in (1, 0):
            command = f"python train.py --task classification --strategy {strategy} --seed {seed}"
            result = RESULT | {"strategy": strategy, "seed": seed, "command": command}
            runs.append(str(write_run(tmp_path / f"{strategy}{seed}", result)))
    assert command_line.main(["forgetting", *runs, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "forgetting.json").read_text(encoding="utf-8"))
    assert [(one["run"], one["seeds"]) for one in found["runs"]] == [
        ("lora", [0, 1]),
        ("full", [0, 1]),
    ]
    shown = capsys.readouterr().out
    assert "lora (mean of 2 seeds). Of what it was trained for" in shown
    assert aligned(found["overview"]) in shown


def test_configurations_of_other_texts_are_refused(tmp_path, capsys):
    """A group that one of them lacks is no fault: its place in the table stays empty."""

    def run(name, dumps):
        command = f"python train.py --task classification --strategy {name}"
        return str(
            write_run(tmp_path / name, RESULT | {"strategy": name, "command": command}, dumps)
        )

    few = [
        {k: x[:60] if "emotion" in k else x for k, x in some.items()} for some in (BEFORE, AFTER)
    ]
    short = [{k: x for k, x in some.items() if "emotion" not in k} for some in (BEFORE, AFTER)]
    whole, lacking, fewer = run("lora", (BEFORE, AFTER)), run("ia3", short), run("full", few)
    words = ["forgetting", "--out", str(tmp_path / "out"), whole, lacking]
    assert command_line.main(words) == 0
    refused_by(command_line.main, [*words, fewer], capsys,
               "items/emotion test is not that of the same texts in the runs of lora and full",
               "the same options of eval.py")  # fmt: skip


def test_labels_and_marks_of_many_panels_stay_inside():
    drawn = forgetting.figure(
        [compute(f"strategy {i}", of_seeds(3)) for i in range(5)], "ner, wnut17"
    )
    assert drawn.get_figwidth() <= 13
    drawn.draw_without_rendering()
    for axes in drawn.axes:
        assert "\nmean of 3 seeds" in axes.get_title(loc="left") or axes not in drawn.axes[:5]
        for text in axes.texts:
            box = text.get_window_extent()
            assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1 + 1


def test_seeds_of_other_texts_are_refused():
    other = {**AFTER, "labels/emotion test": 1 - AFTER["labels/emotion test"]}
    fine = {**BEFORE, "labels/emotion test": other["labels/emotion test"]}
    with pytest.raises(ValueError, match=r"labels/emotion test .* in the runs of seeds 0 and 2"):
        compute("lora", {0: (BEFORE, AFTER), 2: (fine, other)})
