"""What probes find over the layers, and which layers carry what, drawn."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.plotting import (
    GREY,
    INK,
    LINE,
    OF_BEFORE,
    PALE,
    SILVER,
    colors_of,
    headline,
    in_lines,
    label_ends,
    styled,
    ticks_of_layers,
)  # fmt: skip
from analysis.probing.probed import Probed
from analysis.probing.report import from_below, of_seeds
from analysis.states import BEFORE, RANDOM

COLUMNS = 3
NAMES = 0.35  # room for the names of properties, beside a width of 1 for the layers


def colours(probed: Probed) -> dict[str, str]:
    """The colour of each model."""
    changed = colors_of(change.name for change in probed.changes)
    return {RANDOM: SILVER, BEFORE: INK} | changed


def plot(axes: Axes, probed: Probed) -> None:
    """Accuracy over the layers, each curve with its interval; the majority as a level."""
    colors = colours(probed)
    shade = 0.45 / max(3, len(probed.curves))  # where many bands lie on each other, paler ones
    last = len(probed.curves[0].accuracy) - 1
    ends = {}
    for curve in probed.curves:
        color, x = colors[curve.name], np.arange(last + 1)
        axes.fill_between(x, curve.low, curve.high, color=color, alpha=shade, linewidth=0)
        style = OF_BEFORE if curve.name == BEFORE else {"color": color, "marker": "o"}
        axes.plot(x, curve.accuracy, clip_on=False, **style)
        ends[curve.name] = (curve.accuracy[-1], color)
    axes.set(title=probed.name, xlim=(0, last))
    axes.margins(y=0.03 * len(probed.curves))  # labels of lines that end together need it
    axes.set_ylabel("accuracy")
    axes.set_xlabel(f"layer ({probed.n_test:,} tested, {probed.n_train:,} trained on)")
    ticks_of_layers(axes.xaxis, last + 1)
    label_ends(axes, last, ends | plot_majority(axes, probed.majority))


def plot_majority(axes: Axes, majority: float) -> dict[str, tuple[float, str]]:
    """A level with its label where curves come near it, else a note: they need the height."""
    low, high = axes.get_ylim()
    if majority > low:
        axes.axhline(majority, color=GREY, linestyle=":", linewidth=1)
        axes.set_ylim(low, high)
        return {"majority": (majority, GREY)}
    axes.annotate(
        f"majority, below: {majority:.2f}", (0, 0), (4, 3), xycoords="axes fraction",
        textcoords="offset points", color=GREY, fontsize=8,
    )  # fmt: skip
    return {}


def plot_centres(axes: Axes, found: list[Probed]) -> None:
    """A line for each property, a point for each model where what is read of it comes in."""
    order, colors = from_below(found)[::-1], colours(found[0])  # the first stands on top
    names = [name for name in colors if name != RANDOM]
    room = 0.7 / len(names)  # of each model, within a line of height 1
    for line, probed in enumerate(order):
        axes.axhspan(line - 0.42, line + 0.42, color=PALE, alpha=0.35, linewidth=0)
        for place, name in enumerate(names):
            curve, y = probed.curve(name), line + 0.35 - room * (place + 0.5)
            best = curve.best - 1  # the number of the layer; the embeddings lie at −1
            if curve.centre is not None:
                axes.plot([curve.centre, best], [y, y], color=colors[name], linewidth=0.8)
                axes.plot(curve.centre, y, "o", color=colors[name], clip_on=False)
            axes.plot(best, y, "|", color=colors[name], markersize=6, clip_on=False)
        axes.annotate(probed.name, (0, line), (4, 0), ("axes fraction", "data"),
                      textcoords="offset points", va="center")  # fmt: skip
    n_states = len(found[0].curves[0].accuracy)
    # Names stand within the panel: beside it, they would push all panels above to the right.
    left = -1 - NAMES * (n_states - 1)
    axes.set(xlim=(left, n_states - 2), ylim=(-0.5, len(order) - 0.5), yticks=[])
    ticks_of_layers(axes.xaxis, n_states, -1)
    axes.set_xlabel(
        "layer (●: centre of gravity of the gains\nover the embeddings, |: where read best)"
    )
    axes.set_title("Which layers carry what")
    above = 0  # lines of text
    for name in names:
        axes.annotate(
            in_lines(name), (1, 1), (8, -LINE * above), xycoords="axes fraction", va="top",
            textcoords="offset points", color=colors[name], annotation_clip=False,
        )  # fmt: skip
        above += 1 + in_lines(name).count("\n")


@styled
def figure(found: list[Probed], title: str) -> Figure:
    """A panel for each property, three in a row, and below them one that puts them together."""
    n_columns = min(COLUMNS, len(found))
    n_rows = -(-len(found) // n_columns)
    n_models = len(found[0].curves) - 1
    below = 1.0 + max(0.4, 0.11 * n_models) * len(found)
    result = Figure(figsize=(max(6.4, 4.3 * n_columns), 3.0 * n_rows + below + 0.3))
    headline(result, "What a linear probe reads from each layer", f"{title}{of_seeds(found[0])}")
    grid = result.add_gridspec(n_rows + 1, n_columns, height_ratios=[3.0] * n_rows + [below])
    panels = [result.add_subplot(grid[divmod(i, n_columns)]) for i in range(len(found))]
    last = result.add_subplot(grid[n_rows, :])
    for axes, probed in zip(panels, found, strict=True):  # all panels have their places now
        plot(axes, probed)
    plot_centres(last, found)
    return result
