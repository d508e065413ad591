"""The figure of robustness: scores on texts and on their rewrites, kind by kind."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.plotting import BLUE, GREY, INK, ORANGE, SILVER, styled
from analysis.robustness.counts import Estimate
from analysis.robustness.results import Robustness

ROW = 0.27  # inches


@styled
def figure(found: list[Robustness], title: str) -> Figure:
    """A panel for each run, with the same rows: the whole above, the kinds below."""
    kinds = list(found[0].kinds)
    rows = 3 + len(kinds)
    result = Figure(figsize=(2.6 + 2.6 * len(found), 1.5 + ROW * (rows + 1)))
    panels = result.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    result.suptitle(title, x=0.01, ha="left")
    for panel, one in zip(panels, found, strict=True):
        plot(panel, one, kinds)
    first = found[0]
    right = "right" if first.item == "texts" else "found"
    names = ["as they are", "all rewrites", f"{first.item} {right} in all forms"]
    names += [f"{kind} ({first.kinds[kind].n:,})" for kind in kinds]
    panels[0].set_yticks(places(kinds), names)
    panels[0].set_ylim(len(kinds) + 3.7, -0.7)
    low, high = panels[0].get_xlim()
    ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= min(high, 1)]
    panels[0].set_xticks(ticks)
    panels[0].set_xlim(low, high + 0.4 * (high - low))  # room for the values
    result.supxlabel(
        f"{first.metric}; hollow: the sources of these rewrites; lines: 95% intervals over texts",
        fontsize=9, color=INK,
    )  # fmt: skip
    return result


def places(kinds: list[str]) -> list[float]:
    """Where the rows are: the kinds stand a row apart from what is above them."""
    return [0, 1, 2, *(3.5 + i for i in range(len(kinds)))]


def plot(axes: Axes, found: Robustness, kinds: list[str]) -> None:
    axes.set_title(found.label)
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
    """A value with its interval; beside it its number and, of rewrites, the change from before."""
    if estimate.value is None:
        return
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
    text = f"{value:{sign}.3f}".replace("0.", ".", 1).replace("-", "−")
    return ".000" if text[1:] == ".000" else text
