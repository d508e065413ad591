"""The figure of similarity: what moved, layer by layer, and which models end alike."""

from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.plotting import (
    GREY,
    INK,
    SILVER,
    colors_of,
    headline,
    label_ends,
    styled,
    ticks_of_layers,
)
from analysis.similarity.moved import Ends, Map, Similarity

WIDE = 34  # letters of a label


@styled
def figure(found: Similarity, title: str) -> Figure:
    """The curves, and beside them the maps that there are."""
    draws = [lambda axes: plot_moved(axes, found)]
    if found.map is not None:
        draws.append(lambda axes: plot_map(axes, found.map))
    if found.ends is not None and len(found.ends.names) > 2:
        draws.append(lambda axes: plot_ends(axes, found.ends))
    result = Figure(figsize=(4.4 * len(draws) + 0.8, 3.9))
    headline(result, f"Debiased linear CKA, {found.pool}: {title}")
    panels = result.subplots(1, len(draws), squeeze=False)[0]
    for axes, draw in reversed(list(zip(panels, draws, strict=True))):
        draw(axes)  # labels of curves are placed last, when nothing will move any more
    return result


def plot_moved(axes: Axes, found: Similarity) -> None:
    """A curve for each configuration, and what the biased form says, in grey."""
    bias = found.bias
    x = np.arange(len(bias.biased))
    curves = [
        ("biased", bias.biased, SILVER, "--"),
        ("shuffled, biased", bias.shuffled_biased, GREY, ":"),
        ("shuffled, debiased", bias.shuffled_debiased, INK, ":"),
    ]
    colors = colors_of(found.moved)
    for name, moved in found.moved.items():
        color = colors[name]
        curves.append((name, moved.mean, color, "-"))
        axes.fill_between(
            x, moved.mean - moved.half, moved.mean + moved.half, color=color, alpha=0.15,
            linewidth=0,
        )  # fmt: skip
    ends, lowest = {}, 0.0
    for name, values, color, style in curves:
        axes.plot(x, values, style, marker="o", color=color, clip_on=False)
        known = values[~np.isnan(values)]  # a layer that has collapsed has no similarity
        if len(known):
            ends[name], lowest = (known[-1], color), min(lowest, known.min())
    of = "\n(grey: the first run)" if found.ends is not None else ""
    axes.set(title=f"before against after{of}", ylim=(lowest, 1), xlim=(0, x[-1]))
    axes.set(xlabel="layer", ylabel="CKA")
    ticks_of_layers(axes.xaxis, len(x))
    label_ends(axes, x[-1], ends)


def plot_map(axes: Axes, one: Map) -> None:
    """Layers by layers; the embeddings are at the bottom and on the left."""
    heat(axes, one.values)
    n_rows, n_columns = one.values.shape
    ticks_of_layers(axes.xaxis, n_columns, 0.5)
    ticks_of_layers(axes.yaxis, n_rows, 0.5)
    axes.get_xticklabels()[0].set(rotation=30, ha="right", rotation_mode="anchor")
    axes.set(title="layer by layer", xlabel=f"layer, {fill(one.columns, WIDE)}")
    axes.set_ylabel(f"layer, {fill(one.rows, WIDE)}")


def plot_ends(axes: Axes, ends: Ends) -> None:
    """Configurations by configurations, the first at the top and on the left."""
    heat(axes, ends.values)
    numbers = range(1, len(ends.names) + 1)
    places = [number - 0.5 for number in numbers]
    names = [fill(name, WIDE // 2, break_long_words=False) for name in ends.names]
    axes.set_xticks(places, map(str, numbers))
    axes.set_yticks(places, [f"{name}  {i}" for i, name in zip(numbers, names, strict=True)])
    axes.invert_yaxis()
    axes.set_title("last layers of two runs\n(diagonal: of two seeds)")


def heat(axes: Axes, values: np.ndarray) -> None:
    """A heat map with its numbers."""
    axes.pcolormesh(np.ma.masked_invalid(values), vmin=0, vmax=1, cmap="Blues")
    n_rows = len(values)
    for (i, j), value in np.ndenumerate(values):
        shown = "–" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1)
        axes.text(
            j + 0.5, i + 0.5, shown, ha="center", va="center",
            fontsize=80 / max(n_rows + 4, 11), color="white" if value > 0.6 else INK,
        )  # fmt: skip
    axes.grid(visible=False)
    axes.set_aspect("equal")
