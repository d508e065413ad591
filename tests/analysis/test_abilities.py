"""What an adapter taught and what it cost: changes, tables, and a verdict of the numbers."""

import json

import pytest
from running import refused_by, trained
from tiny import save_model, save_tagged

import eval
from analysis import __main__ as command_line
from analysis.abilities import SCORES, Ability, Adapter, compute, report, scored_elsewhere, words
from analysis.finished import Finished
from tl.runs import write_json


def adapter(specialised, general):
    abilities = (
        Ability("specialised", "wnut17", "f1", *specialised, decides=True),
        Ability("general", "terra", "accuracy", 0.9, 0.1, decides=False),
        Ability("general", "terra", "f1_macro", *general, decides=True),
    )
    return Adapter("lora", 1000, {"rank": "8"}, abilities)


def test_changes_are_absolute_and_relative():
    one = Ability("general", "d", "f1", 0.4, 0.5, decides=True)
    assert one.absolute == pytest.approx(0.1)
    assert one.relative == pytest.approx(0.25)
    assert Ability("general", "d", "f1", 0.0, 0.5, decides=True).relative is None


@pytest.mark.parametrize(
    ("specialised", "general", "verdict"),
    [
        ((0.1, 0.5), (0.4, 0.4), "learned the new task and kept the other"),
        ((0.1, 0.5), (0.4, 0.3), "learned the new task at the cost of the other"),
        ((0.1, 0.1), (0.4, 0.5), "learned nothing of the new task, and kept"),
        ((0.1, 0.0), (0.4, 0.3), "learned nothing of the new task, and lost"),
        ((0.1, 0.11), (0.4, 0.39), "learned nothing of the new task, and kept"),  # too small
    ],
)
def test_the_verdict_is_that_of_the_deciding_scores(specialised, general, verdict):
    assert verdict in words(adapter(specialised, general))


@pytest.mark.parametrize(
    ("labels", "verdict"), [(0.8, "kept the other ability"), (0.1, "at the cost of the other")]
)
def test_each_evaluation_decides_by_its_own_score(labels, verdict, tmp_path):
    """What was lost of labels counts, whatever another evaluation beside it is scored by."""
    result = {
        "task": "instruction", "metric": "f1", "data_name": "wnut17", "strategy": "lora",
        "model": "gpt2", "trainable_parameters": 9,
        "scores_before": {"test": dict.fromkeys(SCORES["f1"], 0.1)},
        "scores": {"test": dict.fromkeys(SCORES["f1"], 0.5)},
    }  # fmt: skip
    write_json(tmp_path / "config.json", {"strategy_options": {}})
    for data, metric, before, after in (("a", "f1_macro", 0.8, labels), ("b", "f1", 0.5, 0.5)):
        scores = {when: dict.fromkeys(SCORES[metric], value)
                  for when, value in (("before", before), ("after", after))}  # fmt: skip
        other = {"data": data, "metric": metric} | scores
        write_json(tmp_path / "evaluations" / f"{data}.json", other)
    text = words(compute(Finished(tmp_path, result, "cpu")))
    assert f"the general ability (a, f1_macro) went from 0.800 to {labels:.3f}" in text
    assert "the general ability (b, f1) went from 0.500 to 0.500" in text
    assert verdict in text


def test_the_report_has_shapes_changes_and_words():
    text = report([adapter((0.2, 0.5), (0.4, 0.3))])
    assert "rank" in text
    assert "+0.3000" in text
    assert "+150.0%" in text
    assert "the general ability (terra, f1_macro) went from 0.400 to 0.300 (-0.100, -25%)" in text


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
        "lora in model: the specialised",
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
        compute(Finished(tmp_path, {"task": "ner"}, "cpu"))
    words = [str(finished.path), "--of", "ner", "--data", str(sentiment_folder)]
    refused_by(eval.main, words, capsys, "is no run of --task instruction")
    refused_by(eval.main, [str(finished.path), "--of", "ner"], capsys, "--of takes --data")
    refused_by(command_line.main, ["abilities", str(tmp_path)], capsys, "no finished run")
