"""A figure of finished runs: score against learning parameters, a panel for each data set."""

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, NullFormatter

from analysis.plotting import BLUE, label_points, save, styled
from analysis.tables import Table, load


@dataclass(frozen=True)
class Panel:
    """The points of one table."""

    title: str
    score_name: str
    labels: tuple[str, ...]
    learning: np.ndarray  # [n] learning parameters
    scores: np.ndarray  # [n] means over seeds
    deviations: np.ndarray  # [n] standard deviations over seeds; nan for one seed


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
    )


@styled
def figure(panels: list[Panel]) -> Figure:
    """A panel for each data set, two in a row; bars reach one standard deviation up and down."""
    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // n_columns)
    result = Figure(figsize=(5.4 * n_columns, 4.0 * n_rows))
    grid = result.subplots(n_rows, n_columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        axes.errorbar(
            panel.learning, panel.scores, panel.deviations, fmt="o", color=BLUE, capsize=4
        )
        axes.set(title=panel.title, xlabel="learning parameters", ylabel=panel.score_name)
        axes.set_xscale("log")
        axes.margins(0.12, 0.15)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.3f}".removeprefix("0")))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, panels, strict=False):
        bars = np.nan_to_num(panel.deviations)
        points = list(zip(panel.learning, panel.scores, bars, strict=True))
        label_points(axes, points, list(panel.labels))
    return result


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
    tables = chosen(load(arguments.runs), arguments.data, arguments.without)
    panels = [compute(table) for table in tables]
    save(figure(panels), arguments.out)
    print(f"wrote {arguments.out}")
