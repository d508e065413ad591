"""What runs are called beside each other, and where files about them go."""

from pathlib import Path

import pytest

from analysis.finished import labels_of, out_folder


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


def test_files_about_several_runs_need_a_place():
    one, other = Path("runs/a"), Path("runs/b")
    assert out_folder([one], None) == one / "analysis"
    assert out_folder([one, other], Path("out")) == Path("out")
    with pytest.raises(ValueError, match="--out DIR"):
        out_folder([one, other], None)
