"""What runs are called beside each other, and where files about them go."""

from pathlib import Path

import pytest

from analysis.finished import labels_of, out_folder, refuse_other_data
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
