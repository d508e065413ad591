"""Curves of one run: the numbers, the sentence, the files."""

import json

import numpy as np
import pytest

from analysis import __main__ as command_line
from analysis import curves

RESULT = {
    "task": "ner",
    "data_name": "newsroom",
    "strategy": "gradual_unfreezing",
    "seed": 0,
    "metric": "f1",
    "best_epoch": 2,
    "scores_before": {"validation": {"f1": 0.1}},
    "parameter_groups": [
        {"name": "block00"},
        {"name": "block01"},
        {"name": "block01/no_decay"},
        {"name": "head"},
    ],
}
RECORDS = [
    {"step": 0, "validation/f1": 0.1},
    {"step": 0, "train/loss": 2.0, "grad_norm/total": 13.0, "grad_norm/block01": 3.0,
     "grad_norm/block01/no_decay": 4.0, "grad_norm/head": 12.0, "update_ratio/head": 0.5,
     "drift_ratio/block00": 0.0, "drift_ratio/block01": 0.25, "drift_ratio/head": 0.5},
    {"step": 10, "epoch": 1, "train/loss_of_epoch": 1.5, "validation/f1": 0.6},
    {"step": 10, "train/loss": 1.0, "grad_norm/total": 2.0, "grad_norm/block00": 0.5,
     "grad_norm/block01": 0.6, "grad_norm/block01/no_decay": 0.8, "grad_norm/head": 2.0},
    {"step": 20, "epoch": 2, "train/loss_of_epoch": 0.5, "validation/f1": 0.8},
]  # fmt: skip


def write_run(folder, result=RESULT, records=RECORDS):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result))
    return folder


def main(*words):
    return command_line.main([str(word) for word in words])


def test_numbers_of_the_curves():
    found = curves.compute(RECORDS, RESULT)
    np.testing.assert_array_equal(found.steps, [0, 10])
    np.testing.assert_array_equal(found.losses, [2.0, 1.0])
    np.testing.assert_array_equal(found.epoch_steps, [10, 20])
    np.testing.assert_array_equal(found.epoch_losses, [1.5, 0.5])
    np.testing.assert_array_equal(found.scores, [0.6, 0.8])


def test_groups_of_a_part_are_joined_and_frozen_parts_have_no_norm():
    found = curves.compute(RECORDS, RESULT)
    assert found.parts == ("block00", "block01", "head")
    np.testing.assert_allclose(found.norms, [[np.nan, 0.5], [5.0, 1.0], [12.0, 2.0]])


def test_sentence_says_what_the_numbers_say():
    found = curves.compute(RECORDS, RESULT)
    assert list(curves.medians(found).items()) == [
        ("head", 7.0),
        ("block01", 3.0),
        ("block00", 0.5),
    ]
    text = curves.sentence(found)
    assert "best after epoch 2 of 2 (the last: more epochs may help)" in text
    assert "0.800 against 0.100 untrained" in text
    assert (
        "largest gradient norms are in head (median 7; next layer 1, 3; least layer 0, 0.5)" in text
    )


def test_updates_and_drift_are_of_parts():
    found, nan = curves.compute(RECORDS, RESULT), np.nan
    np.testing.assert_array_equal(found.updates, [[nan, nan], [nan, nan], [0.5, nan]])
    np.testing.assert_array_equal(found.drifts, [[0.0, nan], [0.25, nan], [0.5, nan]])


def test_figures_show_every_part_and_step():
    found = curves.compute(RECORDS, RESULT)
    loss, score = curves.figure(found).axes
    np.testing.assert_array_equal(score.lines[0].get_ydata(), [0.1, 0.6, 0.8])
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), [2.0, 1.0])
    panels = [axes for axes in curves.layers_figure(found).axes if axes.get_title("left")]
    for axes, values in zip(panels, (found.norms, found.updates, found.drifts), strict=True):
        assert [label.get_text() for label in axes.get_yticklabels()] == [
            "layer 0",
            "layer 1",
            "head",
        ]
        shown = np.ma.masked_invalid(np.where(values > 0, values, np.nan))
        drawn = axes.collections[0].get_array()
        np.testing.assert_array_equal(drawn.mask, shown.mask)
        np.testing.assert_allclose(drawn, shown)


def test_runs_without_updates_and_drift_are_drawn():
    """Those that were made before these were measured."""
    older = [{k: v for k, v in record.items() if "_ratio" not in k} for record in RECORDS]
    (panel,) = [
        axes for axes in curves.layers_figure(curves.compute(older, RESULT)).axes
        if axes.get_title("left")
    ]  # fmt: skip
    assert "gradient norm" in panel.get_title("left")


def test_one_step_one_part_is_drawn():
    records = [
        {"step": 0, "train/loss": 2.0, "grad_norm/head": 1.0},
        {"step": 1, "epoch": 1, "train/loss_of_epoch": 2.0, "validation/f1": 0.5},
    ]
    result = RESULT | {"best_epoch": 1, "parameter_groups": [{"name": "head"}]}
    found = curves.compute(records, result)
    for made in (curves.figure(found), curves.layers_figure(found)):
        made.draw_without_rendering()
    assert "in head (median 1)" in curves.sentence(found)


@pytest.mark.parametrize("to", [None, "elsewhere"])
def test_command_line_writes_picture_numbers_and_sentence(tmp_path, capsys, to):
    folder = write_run(tmp_path / "run")
    out = folder / "analysis" if to is None else tmp_path / to
    assert main("curves", folder, *([] if to is None else ["--out", out])) == 0
    for name in ("curves.png", "layers.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((out / "curves.json").read_text(encoding="utf-8"))
    assert numbers["norms"][0] == [None, 0.5]
    assert numbers["drifts"][1] == [0.25, None]
    assert numbers["sentence"] in capsys.readouterr().out


def test_bad_input_is_answered_in_words(tmp_path, capsys):
    bare = write_run(tmp_path / "bare")
    (bare / "metrics.jsonl").unlink()
    for folder, answer in (
        (tmp_path / "nowhere", "no run directory"),
        (write_run(tmp_path / "unfinished", result=None), "not finished"),
        (bare, "metrics.jsonl is missing"),
        (write_run(tmp_path / "empty", records=[]), "no training step"),
        (write_run(tmp_path / "no epoch", RESULT | {"best_epoch": 3}), "the best epoch"),
        (write_run(tmp_path / "norms", RESULT | {"parameter_groups": [{"name": "x"}]}), "no norm"),
        (write_run(tmp_path / "no names", RESULT | {"parameter_groups": ["x"]}), "no names"),
    ):
        assert main("curves", folder) == 2
        assert answer in capsys.readouterr().err
