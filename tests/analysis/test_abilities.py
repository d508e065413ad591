"""What an adapter taught and what it cost: changes, tables, and a verdict of the numbers."""

import json

import numpy as np
import pytest
from running import refused_by, trained
from scipy import stats
from tiny import save_model, save_tagged

import eval
from analysis import __main__ as command_line
from analysis.abilities import SCORES, Ability, compute, report, scored_elsewhere, words
from analysis.finished import Finished
from analysis.statistics import Sample
from tl.runs import write_json


def spread(metric, value):
    return dict.fromkeys(SCORES[metric], value)


def scored(folder, new, *others, seed=0, strategy="lora", options="", model="gpt2", data="wnut17"):
    """A run whose score went from new[0] to new[1]; others: (data, metric, before, after)."""
    path = folder / f"{model}-{data}-{strategy}{options}-{seed}".replace(" ", "")
    result = {
        "task": "instruction", "metric": "f1", "data_name": data, "strategy": strategy,
        "model": model, "seed": seed, "trainable_parameters": 9,
        "command": f"python train.py --task instruction --strategy {strategy}{options}",
        "scores_before": {"test": spread("f1", new[0])}, "scores": {"test": spread("f1", new[1])},
    }  # fmt: skip
    write_json(path / "config.json", {"strategy_options": {"r": 8}})
    write_json(path / "env.json", {"device": "cpu"})
    write_json(path / "result.json", result)
    for name, metric, before, after in others:
        both = {"before": spread(metric, before), "after": spread(metric, after)}
        other = {"data": name, "split": "test", "metric": metric} | both
        write_json(path / "evaluations" / f"{name}.json", other)
    return Finished(path, result, "cpu")


def of_seeds(folder, new, general, **named):
    """Runs of seeds whose scores went from .1 and .4 to these."""
    return [
        scored(folder, (0.1, after), ("terra", "f1_macro", 0.4, other), seed=seed, **named)
        for seed, (after, other) in enumerate(zip(new, general, strict=True))
    ]


def test_changes_are_absolute_and_relative():
    gains = Sample((0,), np.array([0.1]))
    one = Ability("general", "d", "f1", 0.4, 0.5, gains, None)
    assert one.absolute == pytest.approx(0.1)
    assert one.relative == pytest.approx(0.25)
    assert Ability("general", "d", "f1", 0.0, 0.5, gains, None).relative is None


RISE, STAY, FALL = (0.50, 0.51, 0.52), (0.39, 0.40, 0.42), (0.20, 0.21, 0.19)


@pytest.mark.parametrize(
    ("new", "general", "verdict"),
    [
        (RISE, STAY, "learned the new task; that the other ability changed is not shown"),
        (RISE, FALL, "learned the new task; it lost of the other ability (terra, f1_macro)."),
        (RISE, RISE, "learned the new task; it gained in the other ability (terra, f1_macro)."),
        ((0.09, 0.1, 0.12), STAY, "That it learned the new task is not shown; that the other"),
        ((0.11, 0.3, 0.6), FALL, "That it learned the new task is not shown; it lost"),
        ((0.01, 0.01, 0.02), FALL, "It became worse at the new task; it lost"),
    ],
)
def test_the_verdict_is_by_p_over_seeds(new, general, verdict, tmp_path):
    (adapter,) = compute(of_seeds(tmp_path, new, general)).adapters
    assert adapter.seeds == (0, 1, 2)
    assert verdict in words(adapter)


def test_seeds_of_a_configuration_are_one_adapter_and_all_claims_are_corrected(tmp_path):
    runs = of_seeds(tmp_path, RISE, FALL) + of_seeds(tmp_path, RISE, STAY, strategy="adapter")
    page = compute(runs)
    assert [one.name for one in page.adapters] == ["lora in gpt2", "adapter in gpt2"]
    assert [one.n_claims for one in page.claims] == [4] * 4  # one score of each ability
    new = next(one for one in page.adapters[0].abilities if one.change)
    alone = stats.ttest_1samp(np.array(RISE) - 0.1, 0)
    ends = alone.confidence_interval(1 - 0.05 / 4)
    assert (new.change.low, new.change.high) == pytest.approx((ends.low, ends.high))
    assert new.change.p == pytest.approx(4 * alone.pvalue)
    assert (new.before, new.after) == pytest.approx((0.1, 0.51))
    text = report(page)
    assert "Corrected for all 4 claims together" in text
    assert "lora in gpt2, 3 seeds: the specialised ability (wnut17, f1) went from 0.100" in text
    assert "(+0.410, +410%; [+0.359, +0.461], p < .001)" in text


def test_one_seed_gives_numbers_and_no_verdict(tmp_path):
    page = compute([scored(tmp_path, (0.1, 0.5), ("terra", "f1_macro", 0.4, 0.3))])
    text = report(page)
    assert "+0.4000" in text
    assert "+400.0%" in text
    assert "the general ability (terra, f1_macro) went from 0.400 to 0.300 (-0.100, -25%)" in text
    assert "This run only: no verdict." in text
    assert "One seed gives no verdict" in text
    for verdict in ("learned", "lost"):
        assert verdict not in text


def test_adapters_are_compared_with_one_another(tmp_path):
    runs = of_seeds(tmp_path, RISE, FALL) + of_seeds(tmp_path, RISE, STAY, strategy="adapter")
    runs += of_seeds(tmp_path, RISE, STAY, model="llama")
    page = compute(runs, "adapter in gpt2")
    assert [(gap.name, gap.ability.data) for gap in page.gaps] == [
        ("lora in gpt2", "wnut17"), ("lora in gpt2", "terra"),
    ]  # fmt: skip
    assert {one.n_claims for one in page.claims} == {8}
    new, general = (gap.difference for gap in page.gaps)
    assert (new.mean, new.p, new.verdict) == (0.0, 1.0, "not shown")
    alone = stats.ttest_rel(FALL, STAY)
    assert general.mean == pytest.approx(np.mean(FALL) - np.mean(STAY))
    assert (general.high - general.low) / 2 == pytest.approx(
        np.ptp(alone.confidence_interval(1 - 0.05 / 8)) / 2
    )
    assert "change less that of adapter in gpt2" in report(page)
    for against, answer in (("ia3", "no such runs"), ("lora in llama", "no other adapter")):
        with pytest.raises(ValueError, match=answer):
            compute(runs, against)


def test_configurations_of_one_strategy_are_told_apart(tmp_path):
    runs = [
        scored(tmp_path, (0.1, 0.5), ("a", "f1", 0.4, 0.3), options=f" --strategy.r {r}")
        for r in (4, 8)
    ]
    runs.append(scored(tmp_path, (0.1, 0.5), ("a", "f1", 0.4, 0.3), data="newsroom"))
    assert [one.name for one in compute(runs).adapters] == [
        "lora (r 4) in gpt2 on wnut17", "lora (r 8) in gpt2 on wnut17", "lora in gpt2 on newsroom",
    ]  # fmt: skip


def test_seeds_that_were_not_scored_alike_are_refused(tmp_path):
    one = scored(tmp_path, (0.1, 0.5), ("a", "f1", 0.4, 0.3))
    other = scored(tmp_path, (0.1, 0.5), ("b", "f1", 0.4, 0.3), seed=1)
    with pytest.raises(ValueError, match="only one was scored on a"):
        compute([one, other])


def test_each_evaluation_decides_by_its_own_score(tmp_path):
    """What was lost of labels counts, whatever another evaluation beside it is scored by."""
    others = [("a", "f1_macro", 0.8, 0.1), ("b", "f1", 0.5, 0.5)]
    runs = [scored(tmp_path, (0.1, 0.5 + seed / 100), *others, seed=seed) for seed in range(3)]
    text = words(compute(runs).adapters[0])
    assert "the general ability (a, f1_macro) went from 0.800 to 0.100" in text
    assert "the general ability (b, f1) went from 0.500 to 0.500" in text
    assert "it lost of the other ability (a, f1_macro); that the other ability" in text


def test_from_runs_to_the_report(tmp_path, sentiment_folder, capsys):
    model = save_model(tmp_path / "model", "gpt2", generates=True)
    tagged = save_tagged(tmp_path / "tagged")
    words = [
        *("--task", "instruction", "--task.of", "ner", "--data", str(tagged)),
        *("--model", str(model), "--epochs", "1", "--device", "cpu", "--precision", "fp32"),
        *("--strategy", "lora", "--strategy.r", "2", "--task.max-answer", "8"),
        *("--task.max-length", "60"),
    ]
    run = trained(words, tmp_path / "runs")
    report_words = ["abilities", str(run.path)]
    refused_by(command_line.main, report_words, capsys, "first: python eval.py", "--of")
    asked = [str(run.path), "--of", "classification", "--data", str(sentiment_folder)]
    assert eval.main([*asked, "--json"]) == 0
    (path,) = (run.path / "evaluations").iterdir()
    written = json.loads(path.read_text())
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown == {name: written[name] for name in ("of", "before", "after")}
    assert written["metric"] == "f1_macro"
    assert {"accuracy", "f1_macro"} <= written["before"].keys() & written["after"].keys()
    capsys.readouterr()
    assert command_line.main([*report_words, "--markdown"]) == 0
    assert "| lora in model | specialised | tagged | f1 |" in capsys.readouterr().out
    assert command_line.main(report_words) == 0
    out = capsys.readouterr().out
    for part in (
        "rank",
        "alpha",
        "specialised",
        "general",
        "accuracy",
        "lora in model, 1 seed: the specialised",
        "hidden size",
    ):
        assert part in out


def test_models_that_others_began_with_are_left_out(tmp_path, capsys):
    runs = [Finished(tmp_path / name, {}, "cpu") for name in ("base", "lora")]
    assert scored_elsewhere(runs) == runs  # then the reason is said of the first one
    (tmp_path / "lora" / "evaluations").mkdir(parents=True)
    (tmp_path / "lora" / "evaluations" / "terra-test.json").write_text("{}")
    assert scored_elsewhere(runs) == runs[1:]
    assert (
        f"left out, not scored on another ability: {tmp_path / 'base'}" in capsys.readouterr().err
    )


def test_other_runs_are_refused(finished, tmp_path, sentiment_folder, capsys):
    with pytest.raises(ValueError, match="not of --task instruction"):
        compute([Finished(tmp_path, {"task": "ner"}, "cpu")])
    words = [str(finished.path), "--of", "ner", "--data", str(sentiment_folder)]
    refused_by(eval.main, words, capsys, "is no run of --task instruction")
    refused_by(eval.main, [str(finished.path), "--of", "ner"], capsys, "--of takes --data")
    refused_by(command_line.main, ["abilities", str(tmp_path)], capsys, "no finished run")
