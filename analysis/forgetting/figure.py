"""The figure: a panel for each run, a row for each ability."""

from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.plotting import BLUE, GREY, INK, ORANGE, PALE, SILVER, styled

COLOURS = {"learned": BLUE, "lost": ORANGE, "kept": INK, "unclear": GREY, "absent": SILVER}
UNITS = {"probe": "score", "pairs": "score", "language": "nats per word piece"}


class Change(Protocol):
    """What is drawn of one ability."""

    group: str
    measure: str
    role: str
    before: float
    after: float
    gain: float
    low: float
    high: float
    verdict: str


class Run(Protocol):
    """What is drawn of one run."""

    label: str
    changes: tuple[Change, ...]


@styled
def figure(runs: list[Run]) -> Figure:
    """Gains with their intervals; scores above, losses, which have another unit, below."""
    rows: dict[str, dict[tuple[str, str, str], None]] = {}
    for run in runs:
        for change in run.changes:
            key = change.group, change.measure, change.role
            rows.setdefault(UNITS[change.measure], {})[key] = None
    heights = [len(keys) + 1 for keys in rows.values()]
    result = Figure(figsize=(2.4 + 2.9 * len(runs), 1.3 + 0.36 * sum(heights)))
    panels = result.subplots(
        len(rows), len(runs), sharex="row", sharey="row", height_ratios=heights, squeeze=False
    )
    for line, (unit, keys) in zip(panels, rows.items(), strict=True):
        for axes, run in zip(line, runs, strict=True):
            draw(axes, run, list(keys))
            axes.set_xlabel(f"gain, {unit}")
    for axes, run in zip(panels[0], runs, strict=True):
        axes.set_title(run.label.replace(" (", "\n(", 1), fontsize=8)
    result.suptitle("Learned, kept and lost: before → after, gain with 95 % interval", x=0.01,
                    ha="left")  # fmt: skip
    return result


def draw(axes: Axes, run: Run, keys: list[tuple[str, str, str]]) -> None:
    """One point for each ability of a run, with its numbers above it."""
    axes.axvline(0, color=PALE, linewidth=1.5)
    axes.grid(visible=False)
    of_key = {(change.group, change.measure, change.role): change for change in run.changes}
    for y, key in enumerate(keys):
        change = of_key.get(key)
        if change is None:
            continue
        colour = COLOURS[change.verdict]
        axes.plot([change.low, change.high], [y, y], color=colour)
        axes.plot(change.gain, y, "o", color=colour)
        axes.annotate(
            f"{change.verdict}: {change.before:.2f} → {change.after:.2f}", (change.gain, y), (0, 4),
            textcoords="offset points", ha="center", va="bottom", color=colour, fontsize=7,
        )  # fmt: skip
    axes.set_ylim(len(keys) - 0.4, -0.9)
    names = [f"{group}, {measure} ({role})" for group, measure, role in keys]
    axes.set_yticks(range(len(keys)), names)
    axes.margins(x=0.35)
