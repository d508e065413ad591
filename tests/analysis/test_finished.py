"""What runs are called beside each other, and where files about them go."""

import argparse
import json
from pathlib import Path

import pytest
from made_runs import made_run

from analysis.finished import asked, labels_of, out_folder, refuse_other_data
from tl.runs import Run


def result(strategy, options="", seed=0):
    command = f"python train.py --task ner --strategy {strategy}{options}"
    return {"strategy": strategy, "seed": seed, "command": command}


@pytest.mark.parametrize(
    ("results", "labels"),
    [
        ([result("lora", " --strategy.r 4", 3)], ["lora"]),
        ([result("full"), result("lora")], ["full", "lora"]),
        ([result("full", seed=0), result("full", seed=1)], ["full (seed 0)", "full (seed 1)"]),
        (
            [result("lora", " --epochs 3 --strategy.r 4"), result("lora", " --epochs 3")],
            ["lora (r 4)", "lora"],
        ),
    ],
)
def test_a_label_has_what_not_all_runs_share(results, labels):
    assert labels_of(results) == labels


def test_equal_names_are_refused():
    with pytest.raises(ValueError, match="both called 'full'"):
        labels_of([result("full"), result("full")])


def test_both_runs_of_one_name_are_named():
    with pytest.raises(ValueError, match="runs/b and runs/d are both called 'full'; give"):
        labels_of(
            [result("lora"), result("full"), result("full")],
            [Path("runs/a"), Path("runs/b"), Path("runs/d")],
        )


def test_a_parent_of_runs_is_as_good_as_their_names(tmp_path, capsys):
    runs = [made_run(tmp_path / "r" / f"{i}", seed=i) for i in range(3)]
    for run in runs:
        run.env.write_text('{"device": "cpu"}')
    (tmp_path / "r" / "unfinished").mkdir()
    for name in ("config", "env"):
        (tmp_path / "r" / "unfinished" / f"{name}.json").write_text("{}")

    def of(*paths):
        return asked(argparse.Namespace(runs=paths, out=tmp_path / "out", split=None))

    named, parent = of(*(run.path for run in runs)), of(tmp_path / "r")
    assert [run.path for run in parent.runs] == [run.path.resolve() for run in named.runs]
    assert parent.labels == named.labels
    assert "left out, not finished" in capsys.readouterr().err
    for run in runs[1:]:
        run.result.write_text("{")
    with pytest.raises(ValueError, match=r"1/result\.json(?s:.*)2/result\.json"):
        of(tmp_path / "r")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="no finished run"):
        of(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("command", 'python "train.py', "no command of train"), ("seed", None, "has no seed")],
)
def test_a_result_that_names_no_configuration_is_refused_by_its_file(name, value, said, tmp_path):
    run = made_run(tmp_path / "r")
    run.env.write_text('{"device": "cpu"}')
    found = json.loads(run.result.read_text()) | {name: value}
    if value is None:
        del found[name]
    run.result.write_text(json.dumps(found))
    with pytest.raises(ValueError, match=rf"result\.json.*{said}"):
        asked(argparse.Namespace(runs=[run.path], out=tmp_path / "out", split=None))


def test_runs_of_another_task_or_data_set_are_refused():
    runs, one = [Run(Path("a")), Run(Path("b"))], {"task": "ner", "data_name": "towns"}
    refuse_other_data(runs, [one, dict(one)])
    for other, said in (({"data_name": "news"}, "ner on news"), ({"task": "pos"}, "pos on towns")):
        with pytest.raises(ValueError, match=f"a is of ner on towns, b of {said}; only runs of"):
            refuse_other_data(runs, [one, one | other])


def test_files_about_several_runs_need_a_place():
    one, other = Path("runs/a"), Path("runs/b")
    assert out_folder([one], None) == one / "analysis"
    assert out_folder([one, other], Path("out")) == Path("out")
    with pytest.raises(ValueError, match="--out DIR"):
        out_folder([one, other], None)
