"""The figure of a page."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from analysis.calibration.judge import Confidences
from analysis.calibration.page import AS_TRAINED, Calibration
from analysis.plotting import BLUE, GREY, INK, ORANGE, PALE, SILVER, headline, label_end, styled
from analysis.text import short


@styled
def figure(page: Calibration) -> Figure:
    """Reliability as trained and with a temperature, all ways, coverage; of NER, the types."""
    tagged = bool(page.kinds)
    result = Figure(figsize=(13.0 if tagged else 9.0, 8.2))
    headline(result, f"{page.title}, {page.split}")
    columns = result.add_gridspec(2, 3 if tagged else 2, height_ratios=(1.5, 1))
    mended = page.way("temperature")
    unit = "entities" if tagged else "answers"
    for column, way, color in ((0, page.ways[0], ORANGE), (1, mended, BLUE)):
        name = f"T = {page.temperature:.2f}" if way is mended else AS_TRAINED
        both = columns[0, column].subgridspec(2, 1, height_ratios=(4, 1), hspace=0.05)
        upper = result.add_subplot(both[0])
        lower = result.add_subplot(both[1], sharex=upper)
        plot_reliability(upper, lower, page.answers(way), f"{unit}, {name}", color)
    plot_ways(result.add_subplot(columns[1, 0]), page)
    plot_coverage(result.add_subplot(columns[1, 1]), page)
    if tagged:
        plot_kinds(result.add_subplot(columns[0, 2]), page)
        words = columns[1, 2].subgridspec(2, 1, height_ratios=(4, 1), hspace=0.05)
        upper = result.add_subplot(words[0])
        lower = result.add_subplot(words[1], sharex=upper)
        top = page.ways[0].judged.top
        plot_reliability(upper, lower, top, f"words, {AS_TRAINED}", GREY)
    return result


def plot_reliability(upper: Axes, lower: Axes, found: Confidences, title: str, color: str) -> None:
    """Accuracy over confidence with Wilson's intervals, and below it how many answers there are."""
    table = found.width
    ece = found.ece
    upper.plot([0, 1], [0, 1], color=SILVER, linewidth=1, zorder=1)
    upper.text(
        0.03, 0.05, "calibrated", color=GREY, rotation=45, rotation_mode="anchor",
        transform_rotates_text=True, fontsize=8,
    )  # fmt: skip
    bars = np.abs([table.accuracy - table.low, table.high - table.accuracy])
    upper.errorbar(
        table.confidence, table.accuracy, bars, fmt="o-", color=color, capsize=2.5, elinewidth=1
    )
    upper.set(
        title=f"{title}: ECE {short(ece.value)} (chance: ≤ {short(ece.upper)})",
        ylabel="share that is right", xlim=(0, 1.02), ylim=(-0.05, 1.05),
    )  # fmt: skip
    upper.tick_params(labelbottom=False)
    # A bar of 1 has no height on a log axis, and none to be seen beside hundreds on another.
    lower.hlines(table.count, table.lower, table.upper, color=color, linewidth=1)
    lower.plot((table.lower + table.upper) / 2, table.count, "o", color=color, markersize=3.5)
    highest = table.count.max() * 6
    lower.set(yscale="log", ylim=(0.5, highest), xlabel="confidence", ylabel="count")
    powers = [10**i for i in range(len(str(table.count.max())))]
    lower.set_yticks(powers, [f"{power:,}" for power in powers])
    lower.minorticks_off()
    most = int(table.count.argmax())
    lower.annotate(
        f"{table.count[most]:,} of {found.n:,}",
        ((table.lower[most] + table.upper[most]) / 2, table.count[most]),
        (0, 4), textcoords="offset points", ha="right" if most else "left", va="bottom", fontsize=8,
    )  # fmt: skip


def plot_ways(axes: Axes, page: Calibration) -> None:
    """The ECE of each way, on the bar that ends where chance does 19 times of 20."""
    rows = page.rows()
    places = -np.arange(len(rows))
    axes.barh(places, [row.ece.upper for row in rows.values()], 0.7, color=PALE)
    for y, (name, row) in zip(places, rows.items(), strict=True):
        color = ORANGE if name == AS_TRAINED else BLUE
        axes.plot(row.ece.value, y, "o", color=color, markersize=6)
        axes.annotate(
            short(row.ece.value), (max(row.ece.value, row.ece.upper), y), (7, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(places, rows)
    axes.grid(visible=False, axis="y")
    largest = max(max(row.ece.value, row.ece.upper) for row in rows.values())
    axes.set(title=f"ECE (grey: chance)\nmaps fitted on {page.calibrated_on}")
    axes.set_xlim(0, 1.2 * largest)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def plot_coverage(axes: Axes, page: Calibration) -> None:
    """How many of the surest are right, from 20 on; no order beats that with all errors last."""
    found = page.selective
    n, overall = len(found.accuracy), found.accuracy[-1]
    first = min(20, n) - 1  # the share of fewer jumps about
    axes.plot(found.coverage[first:], found.accuracy[first:], color=ORANGE)
    best = np.minimum(1, overall / found.coverage)
    axes.plot(found.coverage, best, color=SILVER, linewidth=1)
    axes.axhline(overall, color=SILVER, linewidth=1)
    least = min(float(found.accuracy[first:].min()), overall)
    room = 1 - least or 1.0
    axes.set(
        title=f"right among the surest (AURC {short(found.area)})", xlabel="coverage",
        xlim=(0, 1.02), ylim=(least - 0.18 * room, 1 + 0.12 * room),
    )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], prune="upper"))
    label_end(axes, 1.02, overall, "in no\norder", GREY)  # within, the curve might cross it
    axes.text(
        max(overall, 0.3), 1 + 0.01 * room, "all errors last", color=GREY, fontsize=8, ha="right",
        va="bottom",
    )  # fmt: skip
    for coverage in (0.5, 0.8):
        share = found.at(coverage)
        axes.plot(coverage, share, "o", color=ORANGE)
        axes.annotate(
            f"{coverage:.0%}: {short(share)}", (coverage, share), (-4, -5),  # the curve falls
            textcoords="offset points", ha="right", va="top", fontsize=8, color=INK,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip


def plot_kinds(axes: Axes, page: Calibration) -> None:
    """Precision of each type with Wilson's interval, and how sure the tagger is of it."""
    places = -np.arange(len(page.kinds))
    for y, kind in zip(places, page.kinds, strict=True):
        axes.plot([kind.low, kind.high], [y, y], color=INK, linewidth=1)
        axes.plot(kind.precision, y, "o", color=INK)
        axes.plot(kind.confidence, y, "D", color=ORANGE, fillstyle="none", markersize=6)
    axes.set_yticks(places, [f"{kind.name}\n{kind.n_named} named" for kind in page.kinds])
    axes.grid(visible=False, axis="y")
    axes.set(title="types: ● precision, ◇ mean confidence", xlim=(0, 1.02))
    axes.set_ylim(places[-1] - 0.6, 0.6)
