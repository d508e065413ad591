"""Multi-task runs against runs of one task: paired by seed, with a verdict that needs evidence."""

import json
from pathlib import Path

import pytest
from scipy import stats

from analysis import __main__ as command_line
from analysis.finished import Finished
from analysis.transfer import cells, compute, words


def command(task, strategy, options):
    return f"python train.py --task {task} --strategy {strategy}{options}"


def single(task, seed, score, strategy="lora", data="newsroom", options=""):
    metric = {"ner": "f1", "classification": "f1_macro"}[task]
    result = {
        "task": task, "strategy": strategy, "seed": seed, "data_name": data, "metric": metric,
        "scores": {"validation": {metric: 0.0}, "test": {metric: score}},
        "command": command(task, strategy, options),
    }  # fmt: skip
    return Finished(Path(f"{task}-{strategy}-{seed}{options}"), result, "cpu")


def joint(seed, ner, classification, strategy="lora", data="newsroom", options=""):
    scores = {"mean": 0.5, "classification/f1_macro": classification, "ner/f1": ner}
    result = {
        "task": "multitask", "strategy": strategy, "seed": seed, "data_name": data,
        "metric": "mean", "scores": {"validation": {}, "test": scores},
        "command": command("multitask", strategy, options),
    }  # fmt: skip
    return Finished(Path(f"multi-{seed}"), result, "cpu")


def test_gains_are_paired_by_seed():
    alone = [single("ner", seed, score) for seed, score in enumerate((0.5, 0.6, 0.7))]
    together = [joint(seed, score, 0.1) for seed, score in enumerate((0.52, 0.63, 0.74))]
    (found,) = compute([*alone, *together])
    assert (found.task, found.metric, found.gain.seeds) == ("ner", "f1", ((0, 1, 2),))
    assert found.gain.mean == pytest.approx(0.03)
    assert found.gain.parts[0].error == pytest.approx(0.01 / 3**0.5)
    assert found.verdict == "positive transfer"
    text = words([found])
    assert "a gain of +0.030 [+0.005, +0.055], p = .035, over 3 seeds: positive" in text
    assert "It is the only claim" in text


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        # t = mean·√3 / deviation; the quantile for two degrees of freedom is 4.30.
        ((0.08, 0.10, 0.12), "positive transfer"),  # 8.7
        ((-0.08, -0.10, -0.12), "negative transfer"),
        ((0.05, 0.10, 0.15), "no clear transfer"),  # 3.5: more than two standard errors
        ((-0.1, 0.1, 0.1), "no clear transfer"),
    ],
)
def test_a_verdict_takes_a_small_p(gains, verdict):
    alone = [single("classification", seed, 0.5) for seed in range(3)]
    together = [joint(seed, 0.1, 0.5 + gain) for seed, gain in enumerate(gains)]
    (found,) = compute([*alone, *together])
    assert found.verdict == verdict


@pytest.mark.parametrize("n", [2, 3, 30])
def test_the_interval_is_that_of_student(n):
    alone = [single("ner", seed, 0.5) for seed in range(n)]
    together = [joint(seed, 0.6 + 0.01 * seed, 0.1) for seed in range(n)]
    (found,) = compute([*alone, *together])
    half = (found.gain.high - found.gain.low) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, n - 1) * found.gain.parts[0].error)


def of_strategies(names, gains):
    for name in names:
        for seed, gain in enumerate(gains):
            yield single("ner", seed, 0.5, strategy=name)
            yield joint(seed, 0.5 + gain, 0.1, strategy=name)


def test_all_rows_are_corrected_together():
    """p = .013 alone (t = 8.7); of six rows p = .078."""
    gains = (0.08, 0.10, 0.12)
    (alone,) = compute(list(of_strategies(["lora"], gains)))
    assert alone.gain.p == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)
    found = compute(list(of_strategies(["lora", "full", "ia3", "bitfit", "prefix", "a"], gains)))
    assert [one.gain.p for one in found] == pytest.approx([6 * alone.gain.p] * 6)
    assert [one.verdict for one in found] == ["no clear transfer"] * 6
    ends = stats.ttest_1samp(gains, 0).confidence_interval(1 - 0.05 / 6)
    assert (found[0].gain.low, found[0].gain.high) == pytest.approx((ends.low, ends.high))
    text = words(found)
    assert "In all 6: 0 positive transfer, 6 no clear transfer, 0 negative transfer." in text
    assert "Corrected for all 6 claims together" in text
    head, *rows = cells(found)
    assert [row[head.index("by chance")] for row in rows] == ["p = .078"] * 6


def test_the_same_training_under_two_names_is_one_claim():
    """Members of one size: temperature and proportional mixing draw alike."""
    runs = [single("ner", seed, 0.5) for seed in range(3)]
    for options in ("", " --task.mixing temperature"):
        runs += [joint(seed, 0.6 + seed / 50, 0.1, options=options) for seed in range(3)]
    runs += [joint(seed, 0.6 + seed / 60, 0.1, options=" --task.mixing x") for seed in range(3)]
    found = compute(runs)
    assert [(one.mixing, one.repeats) for one in found] == [
        ("proportional", False), ("temperature", True), ("x", False),
    ]  # fmt: skip
    assert {one.gain.n_claims for one in found} == {2}
    assert found[0].gain == found[1].gain
    assert "In all 2: 2 positive transfer" in words(found)
    assert "those of another count once (1 more)" in words(found)


def test_a_member_is_paired_with_the_run_of_the_same_options():
    options = " --epochs 6 --no-strategy.norms"
    runs = [
        single("ner", 0, 0.1),
        single("ner", 0, 0.2, options=options + " --task.max-length 64"),
        joint(0, 0.5, 0.5, options=options + " --task.data a,b"),
    ]
    (found,) = compute(runs)
    assert found.alone.mean == 0.2
    assert found.strategy == "lora (epochs 6, no norms)"
    with pytest.raises(ValueError, match="with the same strategy, options"):
        compute([*runs[:2], joint(0, 0.5, 0.5, options=" --epochs 7")])


def test_each_way_of_mixing_is_a_row():
    mixed = (" --task.mixing round-robin", " --task.mixing temperature --task.temperature 5.0", "")
    runs = [joint(0, 0.5 + i / 10, 0.5, options=options) for i, options in enumerate(mixed)]
    found = compute([single("ner", 0, 0.4), *runs])
    assert [one.mixing for one in found] == ["proportional", "round-robin", "temperature 5.0"]
    assert [one.gain.mean for one in found] == pytest.approx([0.3, 0.1, 0.2])
    head, *rows = cells(found)
    assert [row[head.index("mixing")] for row in rows] == [one.mixing for one in found]
    assert [row[head.index("together")] for row in rows] == [".700", ".500", ".600"]


def test_the_command_line_prints_a_table_and_sentences(tmp_path, capsys):
    for one in (single("ner", 0, 0.4), joint(0, 0.5, 0.5)):
        folder = tmp_path / one.path
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "env.json").write_text('{"device": "cpu"}')
        (folder / "result.json").write_text(json.dumps(one.result))
    assert command_line.main(["transfer", str(tmp_path), "--markdown"]) == 0
    out = capsys.readouterr().out
    row = "| newsroom | ner | lora | proportional | f1 | 1 | .400 | .500 | +0.100 |  |  | this run"
    assert row in out
    assert "0 positive transfer, 0 no clear transfer, 0 negative transfer, 1 this run only." in out
    assert command_line.main(["transfer", str(tmp_path)]) == 0
    assert "data      task  strategy" in capsys.readouterr().out


def test_one_seed_gives_no_verdict():
    (found,) = compute([single("ner", 0, 0.1), joint(0, 0.9, 0.1)])
    assert (found.gain.low, found.gain.p) == (None, None)
    assert found.verdict == "this run only"
    assert "a gain of +0.800 over 1 seed: this run only." in words([found])
    assert "One seed gives no verdict" in words([found])


def test_only_equals_are_compared():
    runs = [
        single("ner", 0, 0.1, strategy="full"),
        single("ner", 1, 0.1),
        single("ner", 0, 0.1, data="other"),
        joint(0, 0.5, 0.5),
    ]
    with pytest.raises(ValueError, match="no member of the multi-task runs has a run alone"):
        compute(runs)
    (found,) = compute([*runs, single("classification", 0, 0.4)])
    assert (found.task, found.gain.mean) == ("classification", pytest.approx(0.1))


def test_members_may_have_data_of_their_own():
    runs = [single("ner", 0, 0.4, data="wnut17"), joint(0, 0.5, 0.5, data="emotion+wnut17")]
    (found,) = compute(runs)
    assert found.task == "ner"


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="no run of --task multitask"):
        compute([single("ner", 0, 0.1)])
    with pytest.raises(ValueError, match="two runs of lora on ner with seed 0"):
        compute([single("ner", 0, 0.1), single("ner", 0, 0.2), joint(0, 0.5, 0.5)])
    again = joint(0, 0.6, 0.5, options=" --task.max-length 64")
    with pytest.raises(ValueError, match="two runs of lora on multitask with seed 0"):
        compute([single("ner", 0, 0.1), joint(0, 0.5, 0.5), again])
