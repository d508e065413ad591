"""The figure of robustness: scores on texts and on their rewrites, kind by kind."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.plotting import BLUE, GREY, INK, ORANGE, SILVER, headline, styled
from analysis.robustness.counts import Estimate
from analysis.robustness.results import FEW, Robustness
from analysis.seeds import n_seeds

ROW = 0.27  # inches
WIDTH = 13.0  # at most
NAMES = 2.2  # for the names of the rows
NUMBERS = 1.0  # for those beside the points of a panel


@styled
def figure(found: list[Robustness], title: str) -> Figure:
    """A panel for each configuration, with the same rows: the whole above, the kinds below."""
    kinds = list(found[0].kinds)
    rows = 3 + len(kinds)
    width = min(NAMES + 2.6 * len(found), WIDTH)
    result = Figure(figsize=(width, 1.7 + ROW * (rows + 1)))
    panels = result.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    headline(result, title)
    result.set_figheight(result.get_figheight() + 0.17 * result.get_suptitle().count("\n"))
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
    """The lowest and the highest share that must be seen, from 0 to 1."""
    lows, highs = [], []
    for one in found:
        shown = [one.before, one.after, one.worst]
        shown += [kind.after for kind in one.kinds.values() if kind.n >= FEW]  # else wide
        lows += [estimate.low for estimate in shown if estimate.value is not None]
        every = [*shown, *(e for kind in one.kinds.values() for e in (kind.before, kind.after))]
        highs += [estimate.high for estimate in every if estimate.value is not None]
    return max(0.0, min(lows, default=0.0)), min(1.0, max(highs, default=1.0))


def places(kinds: list[str]) -> list[float]:
    """Where the rows are: the kinds stand a row apart from what is above them."""
    return [0, 1, 2, *(3.5 + i for i in range(len(kinds)))]


def plot(axes: Axes, found: Robustness, kinds: list[str]) -> None:
    lines, n = found.label.replace(" (", "\n(", 1), len(found.seeds)
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
