"""Labels of points: none covers a point or another label, and no line leads past its own point."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from test_compare import row, table

from analysis import compare
from analysis.finished import Spread
from analysis.placing import crosses, meet, overlaps
from analysis.plotting import label_points

# Learning parameters, scores and deviations as five families of strategies have them: three points
# on one another at each of two places, and long names.
AS_KEPT = [
    ("full", 22_567_686, 0.883, 0.003, ["epochs 4"]),
    ("gradual_unfreezing", 22_567_686, 0.884, 0.006, []),
    ("layerwise_lr", 22_567_686, 0.889, 0.009, []),
    (
        "feature_extraction",
        1_776_782,
        0.846,
        0.008,
        ["lr 0.0005", "head transformer", "states mix"],
    ),
    ("feature_extraction", 1_776_774, 0.803, 0.003, ["lr 0.0005", "head transformer"]),
    ("adapter", 607_494, 0.889, 0.006, []),
    ("lora", 353_670, 0.891, 0.006, ["lr 0.001", "targets all", "dora"]),
    ("lora", 342_150, 0.886, 0.009, ["lr 0.001", "targets all"]),
    ("lora", 342_150, 0.888, 0.011, ["lr 0.0005", "targets all", "rslora"]),
    ("feature_extraction", 152_070, 0.616, 0.004, ["lr 0.003"]),
    ("prefix", 94_470, 0.897, 0.007, ["epochs 10"]),
    ("lora", 76_038, 0.894, 0.004, []),
    ("bitfit", 28_038, 0.877, 0.006, []),
    ("prompt", 17_670, 0.857, 0.005, ["epochs 10"]),
    ("ia3", 16_134, 0.876, 0.008, []),
]


def drawn():
    """The panel of these rows, and the figure that holds it."""
    rows = [
        row(name, learning, [score - spread / 2**0.5, score + spread / 2**0.5], *options)
        for name, learning, score, spread, options in AS_KEPT
    ]
    of = table(*rows, baselines=(("majority", {"f1": Spread.of([0.085])}),), untrained=0.14)
    panel = compare.compute(of)
    return panel, compare.figure([panel])


def placed(axes):
    """Annotations of points, with their boxes, and the lines of those that have one, in pixels."""
    axes.figure.draw_without_rendering()
    labels = [artist for artist in axes.texts if isinstance(artist, Annotation)]
    labels = [label for label in labels if label.get_va() == "bottom"]  # others name levels
    boxes = [super(Annotation, label).get_window_extent().extents for label in labels]
    lines = {}
    for i, label in enumerate(labels):
        if label.arrow_patch is not None:
            path = label.arrow_patch.get_path().vertices
            lines[i] = np.concatenate(
                [label.arrow_patch.get_transform().transform(end) for end in (path[0], path[-1])]
            )
    return labels, np.array(boxes), lines


def test_labels_and_lines_of_the_reference_figure_are_free():
    panel, figure = drawn()
    axes = figure.axes[0]
    labels, boxes, lines = placed(axes)
    points = axes.transData.transform(np.stack([panel.learning, panel.scores], axis=1))
    by_text = {label.get_text().replace("\n", " "): label for label in labels}
    assert by_text.keys() == set(panel.labels)
    for name, learning, score in zip(panel.labels, panel.learning, panel.scores, strict=True):
        assert by_text[name].xy == (learning, score)  # each names its own point
    markers = np.concatenate([points - 3, points + 3], axis=1)
    for one, other in itertools.combinations(boxes, 2):
        assert not overlaps(one[None], other[None]).any()
    assert not overlaps(boxes, markers).any()
    inside = axes.bbox.extents
    assert (boxes[:, :2] >= inside[:2] - 1).all()
    assert (boxes[:, 2:] <= inside[2:] + 1).all()
    own = {id(label): i for i, label in enumerate(labels)}
    order = [own[id(by_text[name])] for name in panel.labels]
    at = dict(zip(order, points, strict=True))
    assert lines
    for i, line in lines.items():
        assert np.hypot(*(line[2:] - at[i])) < 10  # it ends at its own point
        assert not crosses(line[None], np.delete(boxes, i, axis=0)).any()
        far = np.array([p for p in points if np.abs(p - at[i]).max() > 14])
        assert not crosses(line[None], np.concatenate([far - 5, far + 5], axis=1)).any()
    for one, other in itertools.combinations(lines.values(), 2):
        assert not meet(one[None], other[None]).any()


def test_heights_begin_at_nothing_and_levels_are_named():
    panel, figure = drawn()
    axes = figure.axes[0]
    assert axes.get_ylim()[0] == 0
    assert panel.levels == {"no model:\nmajority": pytest.approx(0.085), "untrained": 0.14}
    heights = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert heights == list(panel.levels.values())
    assert {"no model:\nmajority", "untrained"} <= {text.get_text() for text in axes.texts}


def test_equal_points_give_equal_figures():
    spots = [[label.xyann for label in placed(drawn()[1].axes[0])[0]] for _ in range(2)]
    assert spots[0] == spots[1]


def test_what_has_no_room_is_counted():
    axes = Figure(figsize=(1.5, 1.5)).subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = [(0.5, 0.5, 0.0)] * 9
    assert label_points(axes, points, ["a rather long name"] * 9) > 0
    assert label_points(axes, [], []) == 0


def test_a_line_through_a_box_crosses_it_and_one_beside_it_does_not():
    box = np.array([[0.0, 0.0, 2.0, 1.0]])
    lines = np.array([[-1, 0.5, 3, 0.5], [1, 2, 1, 0.5], [-1, 2, 3, 2], [3, 0.5, 5, 0.5],
                      [-1, 0, 0.5, 3.0]])  # fmt: skip
    assert crosses(lines, box)[:, 0].tolist() == [True, True, False, False, False]
    assert meet(np.array([[0, 0, 2, 2.0]]), np.array([[0, 2, 2, 0.0]])).all()
    assert not meet(np.array([[0, 0, 2, 2.0]]), np.array([[3, 0, 5, 9.0]])).any()
