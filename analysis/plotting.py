"""What all figures share: the style, saving, and labels that stand beside what they name."""

import io
import itertools
from collections.abc import Collection, Iterable
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from analysis.layers import name_of
from analysis.placing import NEAR, placed
from tl.runs import write_atomically

INK, GREY, SILVER, PALE = "#222222", "#6b6b6b", "#aaaaaa", "#dddddd"
BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by colour-blind readers (Okabe and Ito)
COLORS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c510a")  # for more lines
# Figures of the same runs give a strategy one colour, in whatever order they show it.
OF_STRATEGY = dict(
    zip(("full", "lora", "adapter", "prefix", "feature_extraction"), COLORS, strict=False)
)
# What was before adaptation is drawn over the curves, thin, so that an equal one shows through.
OF_BEFORE = {"color": INK, "linestyle": (0, (3, 2)), "linewidth": 1, "zorder": 3}
STYLE = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,  # names of data hold what they hold: "$" is a dollar
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}
LETTER = 0.095  # inches, of a title
WIDE = 22  # letters in a line of a label
LINE = 11  # points from one line of text to the next
CAP = 8  # pixels around a point and its error bar
MOST_TICKS = 6  # of layers

styled = rc_context(STYLE)  # decorates a function that draws


@styled
def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()  # of panels of fixed shape the layout rests from here on
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_atomically(path, content.getvalue())


def colors_of(configurations: Iterable[str]) -> dict[str, str]:
    """The colour of each configuration, which does not depend on their order.

    A strategy has its own, which the first of its configurations by name takes; the others, and
    strategies that have none, take what is free.
    """
    names = list(dict.fromkeys(configurations))
    found: dict[str, str] = {}
    for name in sorted(names):
        color = OF_STRATEGY.get(name.partition(" (")[0])
        if color is not None and color not in found.values():
            found[name] = color
    free = itertools.chain(
        [color for color in COLORS if color not in found.values()], itertools.cycle(COLORS)
    )
    found |= {name: next(free) for name in sorted(names) if name not in found}
    return {name: found[name] for name in names}


def in_lines(label: str, width: int = WIDE) -> str:
    """A label in lines of so many letters, what stands in parentheses on lines of its own."""
    return "\n".join(
        fill(part, width, break_long_words=False)
        for part in label.replace(" (", "\n(", 1).split("\n")
    )


def headline(figure: Figure, *lines: str) -> None:
    """The title at the left edge of a figure, each line broken where the figure ends."""
    width = int(figure.get_figwidth() / LETTER)
    figure.suptitle("\n".join(fill(line, width) for line in lines), x=0.01, ha="left")


def ticks_of_layers(axis: Axis, n_states: int, first: float = 0) -> None:
    """Ticks at the embeddings and at the layers above them; of many layers at each second or so.

    Args:
        axis: of some axes.
        n_states: the embeddings and L layers.
        first: where the embeddings are; each layer is 1 further.
    """
    step = -(-(n_states - 1) // MOST_TICKS) or 1
    shown = [0, *sorted(range(n_states - 1, step - 1, -step))]  # the last always has one
    axis.set_ticks([first + state for state in shown], [name_of(state) for state in shown])


def label_end(axes: Axes, x: float, y: float, text: str, color: str = INK) -> None:
    """A label to the right of the last point of a line."""
    axes.annotate(
        text, (x, y), (6, 0), textcoords="offset points", va="center", color=color,
        annotation_clip=False,
    )  # fmt: skip


def label_ends(axes: Axes, x: float, ends: dict[str, tuple[float, str]]) -> None:
    """Labels to the right of the last points of several lines, moved apart where lines meet.

    Args:
        axes: with its limits as they will stay.
        x: where the lines end.
        ends: label -> height of the line's end, and its colour.
    """
    ends = {in_lines(name): end for name, end in ends.items()}
    figure = axes.get_figure(root=True)
    figure.draw_without_rendering()
    (low, high), height = axes.get_ylim(), axes.bbox.height * 72 / figure.dpi  # points
    names = sorted(ends, key=lambda name: ends[name][0])
    tall = [(1 + name.count("\n")) * (high - low) * LINE / height for name in names]
    apart = [(one + other) / 2 for one, other in itertools.pairwise(tall)]
    places = moved_apart([ends[name][0] for name in names], apart)
    for place, name in zip(places, names, strict=True):
        label_end(axes, x, place, name, ends[name][1])


def moved_apart(heights: list[float], apart: float | list[float]) -> list[float]:
    """Rising heights, moved as little as it takes for neighbours to be so far apart.

    Those that meet stand around their mean; what is far from them stays where it is.

    Args:
        heights: n of them.
        apart: a distance for all neighbours, or one for each pair, n − 1.
    """
    if not heights:
        return []
    offsets = np.concatenate([[0.0], np.cumsum(np.broadcast_to(apart, len(heights) - 1))])
    return (isotonic_regression(heights - offsets).x + offsets).tolist()


def label_points(
    axes: Axes,
    points: list[tuple[float, float, float]],
    texts: list[str],
    levels: Collection[float] = (),
) -> int:
    """Label every point beside it; a thin line leads to its label where that lies far off.

    No label covers a point, an error bar or another label, and no line a label, a point or another
    line, as far as there is room. The layout of the figure is final afterwards.

    Args:
        axes: where the points are.
        points: (x, y, half the length of the error bar).
        texts: one for each point.
        levels: heights of lines across the axes that no label shall cover.

    Returns:
        how many collisions there was no room to avoid.
    """
    figure = axes.get_figure(root=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # labels are placed in pixels: nothing may move after them
    if not points:
        return 0
    at = axes.transData.transform([point[:2] for point in points])
    taken = [_bar_box(axes, point) for point in points]
    taken += [_line_box(axes, points[0][0], level) for level in levels]
    sizes = np.array([_size(axes, text) for text in texts])
    boxes, lines, collisions = placed(at, sizes, np.array(taken), axes.bbox.extents)
    scale = 72 / figure.dpi  # pixels to points
    for (x, y, _), own, text, box, line in zip(points, at, texts, boxes, lines, strict=True):
        share = (line[:2] - box[:2]) / (box[2:] - box[:2])  # where in its label a line begins
        leader = {
            "arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3,
            "relpos": tuple(share),
        }  # fmt: skip
        axes.annotate(
            text, (x, y), (box[:2] - own) * scale, textcoords="offset points", ha="left",
            va="bottom", arrowprops=leader if np.hypot(*(line[:2] - own)) > NEAR + 1 else None,
        )  # fmt: skip
    return collisions


def _size(axes: Axes, text: str) -> tuple[float, float]:
    artist = axes.text(0, 0, text)
    box = artist.get_window_extent()
    artist.remove()
    return box.width, box.height


def _bar_box(axes: Axes, point: tuple[float, float, float]) -> tuple[float, float, float, float]:
    x, y, error = point
    (left, bottom), (_, top) = axes.transData.transform([(x, y - error), (x, y + error)])
    return left - CAP, bottom - CAP, left + CAP, top + CAP


def _line_box(axes: Axes, x: float, level: float) -> tuple[float, float, float, float]:
    """Return what a line across the axes takes; x is any place on it."""
    _, y = axes.transData.transform((x, level))
    return axes.bbox.x0, y - 2, axes.bbox.x1, y + 2
