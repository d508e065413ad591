"""The figure of scores against learning parameters: what it shows, and that its labels are free."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Annotation

from analysis import __main__ as command_line
from analysis import compare
from analysis.finished import Spread
from analysis.tables import Row, Table


def row(strategy, learning, scores, *options):
    return Row(
        strategy, options, "python train.py", tuple(range(len(scores))),
        {"f1": Spread.of(scores)}, learning, 10**8, 1.0, 1.0, 1.0, "cpu",
    )  # fmt: skip


def table(*rows, **others):
    return Table("ner", "newsroom", "f1", "test", rows, **others)


CROWDED = table(
    *[row("lora", 10**5 * (10 + i), [0.9 + i / 1000, 0.91], f"r {i}") for i in range(8)],
    row("full", 2 * 10**7, [0.92, 0.93]),
    row("layerwise_lr", 2 * 10**7, [0.92, 0.93]),
)


def test_points_are_means_over_seeds():
    panel = compare.compute(table(row("full", 1000, [0.8, 0.9]), row("lora", 10, [0.5])))
    np.testing.assert_allclose(panel.scores, [0.85, 0.5])
    np.testing.assert_allclose(panel.deviations, [0.005**0.5, np.nan])
    assert panel.title == "ner on newsroom (1–2 seeds)"


def test_labels_leave_out_what_all_rows_have():
    shared = table(row("full", 9, [0.1], "epochs 3"), row("lora", 9, [0.1], "r 4", "epochs 3"))
    assert compare.compute(shared).labels == ("full", "lora, r 4")


def test_labels_cover_neither_points_nor_each_other():
    figure = compare.figure([compare.compute(CROWDED)])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    labels = [artist for artist in axes.texts if isinstance(artist, Annotation)]
    # Annotation's own extent would count the line to its point, too.
    boxes = [super(Annotation, label).get_window_extent() for label in labels]
    assert len(boxes) == len(CROWDED.rows)
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    points = [(row.learning, row.scores["f1"].mean) for row in CROWDED.rows]
    for box, (x, y) in itertools.product(boxes, axes.transData.transform(points)):
        assert not box.contains(x, y)
        assert axes.bbox.contains(*box.min)
        assert axes.bbox.contains(*box.max)


@pytest.mark.parametrize("n_panels", [1, 2, 3])
def test_a_panel_for_each_table(n_panels):
    figure = compare.figure([compare.compute(CROWDED)] * n_panels)
    assert sum(axes.axison for axes in figure.axes) == n_panels


def test_command_line(tmp_path, capsys):
    folder = tmp_path / "runs" / "ner" / "minilm--full--abc--s0"
    folder.mkdir(parents=True)
    result = {
        "command": "python train.py --task ner --strategy full",
        "task": "ner",
        "data": "newsroom",
        "data_name": "newsroom",
        "data_fingerprint": "0123",
        "strategy": "full",
        "seed": 0,
        "metric": "f1",
        "train_examples": 700,
        "scores": {"test": {"precision": 0.9, "recall": 0.9, "f1": 0.9}},
        "trainable_parameters": 1000,
        "total_parameters": 1000,
        "train_seconds": 60.0,
        "peak_memory_mib": {"total": 100.0},
        "checkpoint_bytes": 2**20,
    }
    contents = {"config": {}, "env": {"device": "cpu"}, "result": result}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    picture = tmp_path / "picture.png"
    assert command_line.main(["compare", str(tmp_path), "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert command_line.main(["compare", str(tmp_path), "--out", "picture.pdf"]) == 2
    assert ".png" in capsys.readouterr().err


def test_data_sets_and_rows_can_be_left_out():
    tables = [
        table(row("lora", 9, [0.1], "r 4"), row("full", 9, [0.1])),
        replace(table(row("lora", 9, [0.1], "rslora")), data_name="other"),
    ]
    ours = compare.chosen(tables, "newsroom", ["r"])
    assert [[r.strategy for r in one.rows] for one in ours] == [["full"]]
    assert compare.chosen(tables, "newsroom", ["r 4"]) == ours
    assert len(compare.chosen(tables, "newsroom", ["r 8"])[0].rows) == 2
    everything = compare.chosen(tables, None, [])
    assert [list(one.rows) for one in everything] == [list(one.rows) for one in tables]
    with pytest.raises(ValueError, match="--data there: no run on it; known: newsroom, other"):
        compare.chosen(tables, "there", [])
    with pytest.raises(ValueError, match="--without rslora leaves no row"):
        compare.chosen(tables, "other", ["rslora"])
