"""The figure of robustness: scores on texts and on their rewrites, kind by kind."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.plotting import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SILVER,
    headline,
    in_lines,
    styled,
)  # fmt: skip
from analysis.robustness.counts import Estimate
from analysis.robustness.results import Robustness
from analysis.seeds import n_seeds

ROW = 0.27  # inches
WIDTH = 13.0  # at most
NAMES = 2.2  # for the names of the rows
NUMBERS = 1.0  # for those beside the points of a panel
LETTERS = 26  # in a line of a panel's title
NARROWEST = 0.1  # width of the axis, in shares


@styled
def figure(found: list[Robustness], title: str) -> Figure:
    """A panel for each configuration, with the same rows: the whole above, the kinds below."""
    kinds = list(found[0].kinds)
    rows = 3 + len(kinds)
    width = min(NAMES + 2.6 * len(found), WIDTH)
    result = Figure(figsize=(width, 1.7 + ROW * (rows + 1)))
    panels = result.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    headline(result, title)
    for panel, one in zip(panels, found, strict=True):
        plot(panel, one, kinds)
    first = found[0]
    right = "right" if first.item == "texts" else "found"
    names = ["as they are", "all rewrites", f"{first.item} {right} in all forms"]
    names += [f"{kind} ({first.kinds[kind].n:,})" for kind in kinds]
    panels[0].set_yticks(places(kinds), names)
    panels[0].set_ylim(len(kinds) + 3.7, -0.7)
    low, high = reach(found)
    panels[0].set_xticks([tick for tick in MaxNLocator(3).tick_values(low, high) if tick <= high])
    room = NUMBERS / ((width - NAMES) / len(found))  # as a share of a panel
    margin = 0.05 * (high - low)
    panels[0].set_xlim(low - margin, high + margin + (high - low) * room / (1 - room))
    over = "texts and seeds" if any(len(one.seeds) > 1 for one in found) else "texts"
    result.supxlabel(
        f"{first.metric}; hollow: the sources of these rewrites\nlines: 95% intervals over {over}",
        fontsize=9, color=INK,
    )  # fmt: skip
    return result


def reach(found: list[Robustness]) -> tuple[float, float]:
    """The lowest and the highest share that is drawn: no interval is cut, of few texts neither."""
    drawn = [
        estimate
        for one in found
        for estimate in (
            one.before, one.after, one.worst,
            *(kind.before for kind in one.kinds.values()),
            *(kind.after for kind in one.kinds.values()),
        )
        if estimate.value is not None
    ]  # fmt: skip
    ends = [
        end
        for estimate in drawn
        for end in (estimate.low, estimate.high, estimate.value, *estimate.seeds)
    ]
    low, high = (float(np.nanmin(ends)), float(np.nanmax(ends))) if ends else (0.0, 1.0)
    # Where all shares are one, such as 1, an axis needs a width all the same.
    low = min(low, max(0.0, high - NARROWEST))
    return low, max(high, low + NARROWEST)


def places(kinds: list[str]) -> list[float]:
    """Where the rows are: the kinds stand a row apart from what is above them."""
    return [0, 1, 2, *(3.5 + i for i in range(len(kinds)))]


def plot(axes: Axes, found: Robustness, kinds: list[str]) -> None:
    lines, n = in_lines(found.label, LETTERS), len(found.seeds)
    axes.set_title(f"{lines}\nmean of {n_seeds(n)} (|)" if n > 1 else lines, fontsize=8)
    rows = iter(places(kinds))
    point(axes, next(rows), found.before, BLUE)
    point(axes, next(rows), found.after, ORANGE, found.drop)
    point(axes, next(rows), found.worst, GREY)
    for kind, row in zip(kinds, rows, strict=True):
        if kind in found.kinds:
            before, after = found.kinds[kind].before, found.kinds[kind].after
            if before.value is not None:
                axes.plot(before.value, row, "o", color=BLUE, fillstyle="none", markersize=5)
                axes.plot([before.value, after.value], [row, row], color=SILVER, linewidth=0.8)
            point(axes, row, after, ORANGE, found.kinds[kind].drop)
    axes.grid(visible=False, axis="y")


def point(
    axes: Axes, row: float, estimate: Estimate, color: str, drop: Estimate | None = None
) -> None:
    """A value, its interval, faint marks of several seeds; beside it the number and its change."""
    if estimate.value is None:
        return
    if len(estimate.seeds) > 1:
        heights = [row + 0.27] * len(estimate.seeds)
        axes.plot(estimate.seeds, heights, "|", color=color, alpha=0.6, markersize=4)
    axes.plot([estimate.low, estimate.high], [row, row], color=color, linewidth=1.2)
    axes.plot(estimate.value, row, "o", color=color)
    change = "" if drop is None or drop.value is None else f" ({short(-drop.value, '+')})"
    axes.annotate(
        short(estimate.value) + change, (1, row), (-2, 0),
        xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", va="center",
        color=color, fontsize=8,
    )  # fmt: skip


def short(value: float, sign: str = "") -> str:
    """`.641`, or with a sign `−.132`."""
    value = round(value, 3)
    return ".000" if value == 0 else f"{value:{sign}.3f}".replace("0.", ".", 1).replace("-", "−")
