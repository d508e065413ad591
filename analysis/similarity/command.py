"""What moved: how alike the layers of two models are, by debiased linear CKA (arXiv 1905.00414)."""

import argparse
from dataclasses import dataclass
from itertools import combinations
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.finished import add_runs, asked, labels_of
from analysis.plotting import COLORS, GREY, INK, SILVER, label_ends, save, styled
from analysis.similarity.cka import cka
from analysis.states import BEFORE, SEED, read_states
from tl.runs import Run, Weights, write_json

POOLS = {"mean": "mean of the tokens", "first": "first token", "word_states": "words"}
MOST_ROWS = 5000
NEEDS = {"hidden": ("trained", "pretrained")}  # dumps of eval.py


@dataclass(frozen=True)
class Map:
    """CKA of every layer of one model with every layer of another, the embeddings first."""

    rows: str
    columns: str
    values: np.ndarray  # [L + 1, other L + 1]; nan: see `cka`


@dataclass(frozen=True)
class Bias:
    """What the biased form says of one run, and both forms of examples that are shuffled apart.

    Shuffled, the states before and after are of different texts, and have nothing in common.
    """

    run: str
    biased: np.ndarray  # [L + 1]
    shuffled_biased: np.ndarray
    shuffled_debiased: np.ndarray


@dataclass(frozen=True)
class Similarity:
    """Before against after for each run, layer by layer, and runs against each other."""

    pool: str
    n_examples: int
    moved: dict[str, np.ndarray]  # run -> [L + 1], debiased
    bias: Bias
    maps: tuple[Map, ...]


def compute(pool: str, before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> Similarity:
    """Compare models layer by layer.

    Args:
        pool: which states they are, in words.
        before: states of each run before adaptation, [n, L + 1, d]; row i is the same example
            everywhere.
        after: and after it.

    Raises:
        ValueError: for fewer than 4 examples.
    """
    name = next(iter(after))
    old, new = before[name], after[name]
    layers = range(new.shape[1])
    moved = {
        run: np.array([cka(before[run][:, i], states[:, i]) for i in range(states.shape[1])])
        for run, states in after.items()
    }
    order = np.random.default_rng(SEED).permutation(len(old))
    bias = Bias(
        name,
        np.array([cka(old[:, i], new[:, i], debiased=False) for i in layers]),
        np.array([cka(old[order, i], new[:, i], debiased=False) for i in layers]),
        np.array([cka(old[order, i], new[:, i]) for i in layers]),
    )
    maps = [Map(a, b, layer_map(after[a], after[b])) for a, b in combinations(after, 2)]
    maps = maps or [Map(BEFORE, name, layer_map(old, new))]
    return Similarity(pool, len(old), moved, bias, tuple(maps))


def layer_map(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Debiased CKA of all pairs of layers: [n, L, d], [n, other L, d] -> [L, other L]."""
    return np.array(
        [[cka(one[:, i], other[:, j]) for j in range(other.shape[1])] for i in range(one.shape[1])]
    )


def sentence(found: Similarity) -> str:
    """What moved, in words."""
    last = len(found.bias.biased) - 1
    parts = [f"Before against after adaptation ({found.pool}, {found.n_examples:,} examples):"]
    for name, values in found.moved.items():
        low = int(np.nanargmin(values))
        if values[low] > 1 - 1e-9:
            parts.append(f"{name} moved nothing, every layer is as it was.")
            continue
        parts.append(
            f"{name} moved layer {low} most (CKA {values[low]:.3f}), the last to "
            f"{values[last]:.3f}{since(values)}."
        )
    bias = found.bias
    parts.append(
        f"With the examples of {bias.run} shuffled, so that nothing is shared, the biased form "
        f"still says {bias.shuffled_biased[last]:.3f} of the last layer, the debiased one "
        f"{bias.shuffled_debiased[last]:.3f}."
    )
    if len(found.moved) > 1:
        parts += [
            f"The last layers of {one.rows} and {one.columns} are {one.values[-1, -1]:.3f} alike."
            for one in found.maps
        ]
    return " ".join(parts)


def since(values: np.ndarray, limit: float = 0.95) -> str:
    """The lowest layer from which on all are below a limit, in words."""
    kept = np.flatnonzero(~(values < limit))
    first = int(kept[-1]) + 1 if len(kept) else 0
    return f"; from layer {first} on it is below {limit}" if first < len(values) else ""


def plot_moved(axes: Axes, found: Similarity) -> None:
    """A curve for each run, and what the biased form says, in grey."""
    x = np.arange(len(found.bias.biased))
    bias = found.bias
    curves = [
        ("biased", bias.biased, SILVER, "--"),
        ("shuffled, biased", bias.shuffled_biased, GREY, ":"),
        ("shuffled, debiased", bias.shuffled_debiased, INK, ":"),
        *((name, values, color, "-")
          for (name, values), color in zip(found.moved.items(), COLORS, strict=False)),
    ]  # fmt: skip
    ends = {}
    for name, values, color, style in curves:
        axes.plot(x, values, style, marker="o", color=color, clip_on=False)
        ends[name] = (values[-1], color)
    of = " (grey: the first run)" if len(found.moved) > 1 else ""
    axes.set(title=f"before against after{of}", ylim=(min(0, axes.get_ylim()[0]), 1))
    axes.set(xlabel="layer (0: embeddings)", ylabel="CKA", xlim=(0, x[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_ends(axes, x[-1], ends)


def plot_map(axes: Axes, one: Map) -> None:
    """A heat map with its numbers; the embeddings are at the bottom and on the left."""
    axes.pcolormesh(np.ma.masked_invalid(one.values), vmin=0, vmax=1, cmap="Blues")
    n_rows, n_columns = one.values.shape
    for (i, j), value in np.ndenumerate(one.values):
        shown = "–" if np.isnan(value) else f"{value:.2f}".replace("0.", ".", 1)
        axes.text(
            j + 0.5, i + 0.5, shown, ha="center", va="center",
            fontsize=80 / max(n_rows + 4, 11), color="white" if value > 0.6 else INK,
        )  # fmt: skip
    axes.set_xticks(np.arange(n_columns) + 0.5, range(n_columns))
    axes.set_yticks(np.arange(n_rows) + 0.5, range(n_rows))
    axes.grid(visible=False)
    axes.set(title="layer by layer", aspect="equal")
    axes.set(xlabel=f"layer, {fill(one.columns, 30)}", ylabel=f"layer, {fill(one.rows, 30)}")


@styled
def figure(found: Similarity, title: str) -> Figure:
    """The curves, then a heat map for each pair."""
    n_panels = 1 + len(found.maps)
    n_columns = min(n_panels, 3)
    n_rows = -(-n_panels // n_columns)
    result = Figure(figsize=(4.4 * n_columns + 0.8, 3.6 * n_rows + 0.3))
    result.suptitle(f"Debiased linear CKA, {found.pool}: {title}", x=0.01, ha="left")
    grid = result.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[n_panels:]:
        axes.set_axis_off()
    for axes, one in zip(list(grid.flat)[1:], found.maps, strict=False):
        plot_map(axes, one)
    plot_moved(grid.flat[0], found)
    return result


def numbers(found: Similarity) -> dict:
    """All that was found, as JSON; null for nan."""

    def listed(values: np.ndarray) -> list:
        return [listed(v) if np.ndim(v) else None if np.isnan(v) else float(v) for v in values]

    bias = found.bias
    return {
        "states": found.pool,
        "examples": found.n_examples,
        "before_against_after": {name: listed(values) for name, values in found.moved.items()},
        "bias": {
            "run": bias.run,
            "biased": listed(bias.biased),
            "shuffled_biased": listed(bias.shuffled_biased),
            "shuffled_debiased": listed(bias.shuffled_debiased),
        },
        "maps": [
            {"rows": one.rows, "columns": one.columns, "values": listed(one.values)}
            for one in found.maps
        ],
        "sentence": sentence(found),
    }


def collect(
    runs: list[Run], split: str, pool: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The states of each run before and after adaptation, by the run's label; at most MOST_ROWS.

    Raises:
        ValueError: if a dump is missing, or they are of different examples.
    """
    weights: tuple[Weights, ...] = ("trained", "pretrained")
    before, after, known = {}, {}, None
    labels = labels_of([run.read_result() for run in runs])
    for run, label in zip(runs, labels, strict=True):
        ids, states = read_states(run, "hidden", split, weights, pool)
        known = ids if known is None else known
        if not np.array_equal(ids, known):
            raise ValueError(
                f"{run.path} and {runs[0].path} have dumps of other examples; give runs on one "
                "data set, dumped with one --limit"
            )
        n = len(states["trained"])
        rows = np.random.default_rng(SEED).permutation(n)[:MOST_ROWS]
        before[label], after[label] = states["pretrained"][rows], states["trained"][rows]
    return before, after


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument(
        "--states", choices=POOLS, default="mean", help="which are compared (default mean)"
    )


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    found = compute(POOLS[arguments.states], *collect(given.runs, given.split, arguments.states))
    title = f"{given.results[0]['data_name']}, {given.split}"
    save(figure(found, title), given.out / "similarity.png")
    write_json(given.out / "similarity.json", numbers(found))
    print(f"{sentence(found)}\nwrote {given.out / 'similarity.png'} and similarity.json")
