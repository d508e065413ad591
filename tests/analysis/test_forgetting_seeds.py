"""Forgetting of several seeds: mean gains, their intervals and verdicts, one table of all."""

import json

import numpy as np
import pytest
from remembered import AFTER, BEFORE, RESULT, arrays, write_run
from running import refused_by
from scipy.stats import norm, t, ttest_rel

from analysis import __main__ as command_line
from analysis.forgetting import command as forgetting
from analysis.forgetting.gains import compute, judge
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
        assert change.gains.values.tolist() == [one.gain for one in own]
        for name in ("before", "after", "gain"):
            assert getattr(change, name) == pytest.approx(np.mean([getattr(o, name) for o in own]))


def test_texts_and_seeds_widen_the_interval_of_the_mean_gain():
    """Of a loss, the draws of the mean gain are those of each text's mean over seeds."""
    pairs = of_seeds(3)
    (found,) = judge([compute("lora", pairs)]).results
    change = next(c for c in found.changes if c.measure == "language")
    gains = [
        before["losses/newsroom"] - after["losses/newsroom"] for before, after in pairs.values()
    ]
    mean = np.mean(gains, axis=0)[:-1]  # the last text has no word piece
    texts = np.std([draw @ mean / len(mean) for draw in draw_texts(len(mean))])
    seeds = np.std(change.gains.values, ddof=1) / 3**0.5
    level = 1 - 0.05 / 3 / 2  # of three claims
    half = np.hypot(t.ppf(level, 2) * seeds, norm.ppf(level) * texts)
    assert (change.found.low, change.found.high) == pytest.approx(
        (change.gain - half, change.gain + half)
    )


def test_all_changes_of_all_configurations_are_corrected_together():
    alone = judge([compute("a", of_seeds(3))])
    many = judge([compute(name, of_seeds(3)) for name in "abcd"])
    assert [one.n_claims for one in many.claims] == [12] * 12
    for one, other in zip(alone.claims, many.claims[:3], strict=True):
        assert one.mean == other.mean
        assert other.low < one.low < one.high < other.high
    language = [one.changes[2] for one in (*alone.results, *many.results)]
    assert language[0].found.p < 0.05 < language[1].found.p
    assert [one.verdict for one in language] == ["lost"] + ["unclear"] * 4
    assert "Corrected for all 12 claims together" in forgetting.words(many.results[0])


def test_gains_of_configurations_are_compared_where_one_is_named():
    low, high = (
        of_seeds(3),
        {
            seed: (BEFORE, arrays(1.5 - seed / 5, 3.0, 1.9 + 0.101 * seed, seed=seed))
            for seed in range(3)
        },
    )
    results = [compute("lora", high), compute("full", low), compute("none", {0: low[0]})]
    assert judge(results).gaps == ()
    page = judge(results, "full")
    assert [(gap.label, gap.change.measure) for gap in page.gaps[:3]] == [
        ("lora", "probe"), ("lora", "pairs"), ("lora", "language"),
    ]  # fmt: skip
    probe, _, language = (gap.found for gap in page.gaps[:3])
    assert (probe.mean, probe.verdict) == (0.0, "not shown")
    theirs = ttest_rel(*(result.changes[2].gains.values for result in results[:2]))
    assert language.mean == pytest.approx(0.299)
    assert language.verdict == "higher"
    assert language.p >= theirs.pvalue
    # Six changes of three seeds, three comparisons of them; one seed makes no claim.
    assert {one.n_claims for one in page.claims if one.p is not None} == {9}
    assert {gap.found.verdict for gap in page.gaps[3:]} == {"this run only"}
    text = forgetting.gap_words(page)
    assert "lora gains more, or loses less, than full: newsroom (language +0.30)." in text
    assert "lora is not shown to differ from full: emotion test (probe +0.00)" in text
    assert "none and full, this run only, without a verdict: emotion test" in text
    assert "Corrected for all 9 claims together" in text
    assert "gain less that of full" in forgetting.gap_table(page)


def test_seeds_that_disagree_leave_a_verdict_open():
    both = {0: (BEFORE, arrays(0.6, 0.5, 1.5)), 1: (BEFORE, arrays(0.6, 0.5, 2.4))}
    found = {seed: compute("x", {seed: both[seed]}).changes[2].found for seed in both}
    assert found[1].high < 0 < found[0].low  # each for itself would say the opposite
    assert compute("x", both).changes[2].verdict == "unclear"


def test_what_one_seed_of_two_learned_is_not_absent():
    blind = arrays(0.0, 0.5, 2.0)
    found = compute("x", {0: (blind, arrays(1.5, 0.5, 2.0)), 1: (blind, blind)})
    assert found.changes[0].verdict == "unclear"
    assert compute("x", {0: (blind, blind), 1: (blind, blind)}).changes[0].verdict == "absent"


def test_one_table_tells_what_each_configuration_learned_and_lost():
    short = {k: v for k, v in BEFORE.items() if not k.startswith("losses")}
    frozen = compute("frozen", {0: (short, short), 1: (short, short)})
    results = judge([compute("full", of_seeds(3)), frozen]).results
    head, *rows = forgetting.overview(results)
    assert head == ["group", "role", "ability", "full", "frozen"]
    probe, pairs = (f"{abs(c.gain):.2f}".removeprefix("0") for c in results[0].changes[:2])
    assert rows == [
        ["emotion test", "target", "probe", f"+{probe} learned", "+.00 kept"],
        ["newsroom headlines", "control", "pairs", f"−{pairs} lost", "+.00 kept"],
        ["newsroom", "control", "language", "−.30 unclear", ""],
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
    assert found["gaps"] == []
    words = ["forgetting", *runs, "--out", str(tmp_path / "out"), "--against"]
    assert command_line.main([*words, "lora"]) == 0
    found = json.loads((tmp_path / "out" / "forgetting.json").read_text(encoding="utf-8"))
    assert [(gap["run"], gap["verdict"]) for gap in found["gaps"]] == [("full", "not shown")] * 3
    assert {change["n_claims"] for one in found["runs"] for change in one["changes"]} == {9}
    assert "full is not shown to differ from lora: " in capsys.readouterr().out
    refused_by(command_line.main, [*words, "ia3"], capsys, "--against ia3: no such runs")


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
