"""A figure of finished runs: score against learning parameters, a panel for each data set."""

import argparse
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, NullFormatter

from analysis.plotting import BLUE, GREY, WIDE, label_ends, label_points, save, styled
from analysis.tables import Table, loaded

HEIGHTS = (4.6, 5.6, 6.8, 8.2)  # of a panel, in inches


@dataclass(frozen=True)
class Panel:
    """The points of one table."""

    title: str
    score_name: str
    labels: tuple[str, ...]
    learning: np.ndarray  # [n] learning parameters
    scores: np.ndarray  # [n] means over seeds
    deviations: np.ndarray  # [n] standard deviations over seeds; nan for one seed
    levels: dict[str, float] = field(default_factory=dict)  # what scores without learning


def compute(table: Table) -> Panel:
    """The points of a table; a label leaves out the options that all rows have."""
    uses = Counter(option for row in table.rows for option in row.options)
    labels = []
    for row in table.rows:
        own = [option for option in row.options if uses[option] < len(table.rows)]
        labels.append(", ".join([row.strategy, *own]))
    spreads = [row.scores[table.metric] for row in table.rows]
    n_seeds = sorted({len(row.seeds) for row in table.rows})
    counts = "–".join(map(str, sorted({n_seeds[0], n_seeds[-1]})))
    return Panel(
        title=f"{table.title} ({counts} seed{'s' * (n_seeds[-1] > 1)})",
        score_name=f"{table.split} {table.metric}",
        labels=tuple(labels),
        learning=np.array([row.learning for row in table.rows]),
        scores=np.array([spread.mean for spread in spreads]),
        deviations=np.array([spread.deviation for spread in spreads], dtype=float),
        levels=levels_of(table),
    )


def levels_of(table: Table) -> dict[str, float]:
    """Return what scores without learning, in the metric of a table: no model, untrained ones."""
    found = {
        f"no model:\n{name}": scores[table.metric].mean
        for name, scores in table.baselines
        if table.metric in scores
    }
    return found if table.untrained is None else found | {"untrained": table.untrained}


@styled
def figure(panels: list[Panel]) -> Figure:
    """A panel for each data set, as high as it takes for all labels to be free."""
    for height in HEIGHTS:
        result, collisions = drawn(panels, height)
        if not collisions:
            break
    return result


def drawn(panels: list[Panel], height: float) -> tuple[Figure, int]:
    """Panels of this height, two in a row, and how many labels or lines cross something there."""
    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // n_columns)
    result = Figure(figsize=(5.4 * n_columns, height * n_rows))
    grid = result.subplots(n_rows, n_columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        plot(axes, panel)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    collisions = 0
    for axes, panel in zip(grid.flat, panels, strict=False):  # when nothing will move any more
        bars = np.nan_to_num(panel.deviations)
        points = list(zip(panel.learning, panel.scores, bars, strict=True))
        texts = [fill(label, WIDE, break_long_words=False) for label in panel.labels]
        collisions += label_points(axes, points, texts, panel.levels.values())
    return result, collisions


def plot(axes: Axes, panel: Panel) -> None:
    """The points, bars of one standard deviation up and down, and the levels; heights from 0."""
    axes.errorbar(panel.learning, panel.scores, panel.deviations, fmt="o", color=BLUE, capsize=4)
    axes.set(title=panel.title, xlabel="learning parameters", ylabel=panel.score_name)
    axes.set_xscale("log")
    axes.margins(0.12)
    # Scores are shares: cut off below, a small difference would look like a large one.
    tops = panel.scores + np.nan_to_num(panel.deviations)
    axes.set_ylim(0, 1.1 * max(*tops, *panel.levels.values(), 0.01))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.2f}".removeprefix("0")))
    for level in panel.levels.values():
        axes.axhline(level, color=GREY, linestyle=":", linewidth=1)
    ends = {name: (level, GREY) for name, level in panel.levels.items()}
    label_ends(axes, axes.get_xlim()[1], ends)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, or parents of them")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="the figure")
    parser.add_argument("--data", metavar="A,B", help="data sets to show (default: all)")
    parser.add_argument(
        "--without", action="append", default=[], metavar="OPTION",
        help="leave out rows with this option, such as 'r' or 'epochs 6'; may be repeated",
    )  # fmt: skip


def chosen(tables: list[Table], data: str | None, without: list[str]) -> list[Table]:
    """The tables of the named data sets, less the rows whose commands have one of the options.

    Raises:
        ValueError: if nothing is left.
    """
    names = [table.data_name for table in tables]
    wanted = names if data is None else data.split(",")
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise ValueError(
            f"--data {unknown[0]}: no run on it; known: {', '.join(sorted(set(names)))}"
        )
    left = []
    for table in tables:
        rows = [
            row for row in table.rows
            if not {name for option in row.options for name in (option, option.partition(" ")[0])}
            & set(without)
        ]  # fmt: skip
        if table.data_name in wanted and rows:
            left.append(replace(table, rows=rows))
    if not left:
        raise ValueError(f"--without {' '.join(without)} leaves no row")
    return left


def run(arguments: argparse.Namespace) -> None:
    if arguments.out.suffix != ".png":
        raise ValueError(f"--out must end in .png, got {arguments.out}")
    with loaded(arguments.runs) as tables:
        shown = chosen(tables, arguments.data, arguments.without)
        save(figure([compute(table) for table in shown]), arguments.out)
        print(f"wrote {arguments.out}")
