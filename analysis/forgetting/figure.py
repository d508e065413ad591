"""The figure: a panel for each configuration, a row for each ability."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.forgetting.gains import Forgetting
from analysis.plotting import BLUE, GREY, INK, ORANGE, PALE, SILVER, headline, in_lines, styled
from analysis.seeds import n_seeds

COLOURS = {"learned": BLUE, "lost": ORANGE, "kept": INK, "unclear": GREY, "absent": SILVER,
           "this run only": GREY}  # fmt: skip
WIDTH = 13.0  # inches, at most
LETTERS = 26  # in a line of a panel's title
UNITS = {"probe": "score", "pairs": "score", "language": "nats per word piece"}


@styled
def figure(found: list[Forgetting], about: str) -> Figure:
    """Gains with their intervals; scores above, losses, which have another unit, below."""
    rows: dict[str, dict[tuple[str, str, str], None]] = {}
    for one in found:
        for change in one.changes:
            rows.setdefault(UNITS[change.measure], {})[change.key] = None
    heights = [len(keys) + 1 for keys in rows.values()]
    width = min(2.4 + 2.9 * len(found), WIDTH)
    result = Figure(figsize=(width, 1.3 + 0.36 * sum(heights)))
    panels = result.subplots(
        len(rows), len(found), sharex="row", sharey="row", height_ratios=heights, squeeze=False
    )
    for line, (unit, keys) in zip(panels, rows.items(), strict=True):
        for axes, one in zip(line, found, strict=True):
            draw(axes, one, list(keys))
            axes.set_xlabel(f"gain, {unit}")
    for axes, one in zip(panels[0], found, strict=True):
        axes.set_title(title(one), fontsize=8)
    headline(
        result,
        f"{about}: learned, kept and lost; before → after, gain, 95% at once",
    )
    result.draw_without_rendering()
    for axes in panels.flat:
        keep_inside(axes)
    return result


def title(found: Forgetting) -> str:
    """The label in lines that are no wider than a panel."""
    lines = in_lines(found.label, LETTERS)
    n = len(found.seeds)
    return f"{lines}\nmean of {n_seeds(n)} (|)" if n > 1 else lines


def draw(axes: Axes, found: Forgetting, keys: list[tuple[str, str, str]]) -> None:
    """One point for each ability, with its numbers above it; below it a faint mark for a seed."""
    axes.axvline(0, color=PALE, linewidth=1.5)
    axes.grid(visible=False)
    of_key = {change.key: change for change in found.changes}
    for y, key in enumerate(keys):
        change = of_key.get(key)
        if change is None:
            continue
        colour = COLOURS[change.verdict]
        axes.plot([change.found.low, change.found.high], [y, y], color=colour)
        axes.plot(change.gain, y, "o", color=colour)
        gains = change.gains.values
        if len(gains) > 1:
            axes.plot(gains, [y + 0.22] * len(gains), "|", color=colour, alpha=0.6, markersize=5)
        axes.annotate(
            f"{change.verdict}: {change.before:.2f} → {change.after:.2f}", (change.gain, y), (0, 4),
            textcoords="offset points", ha="center", va="bottom", color=colour, fontsize=7,
        )  # fmt: skip
    axes.set_ylim(len(keys) - 0.4, -0.9)
    names = [f"{group}, {measure} ({role})" for group, role, measure in keys]
    axes.set_yticks(range(len(keys)), names)
    axes.margins(x=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(4))


def keep_inside(axes: Axes) -> None:
    """Move labels sideways that would reach into the next panel."""
    for text in axes.texts:
        box, inside = text.get_window_extent(), axes.bbox
        beyond = max(box.x1 - inside.x1, 0) - max(inside.x0 + 2 - box.x0, 0)
        x, y = text.xyann
        text.xyann = x - beyond * 72 / axes.figure.dpi, y
