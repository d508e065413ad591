"""States in the plane, before and after adaptation together: t-SNE or UMAP, with honest numbers."""

import argparse
import csv
import io
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from analysis.cells import cell
from analysis.copies import first_copies, n_copies
from analysis.finished import add_runs, asked
from analysis.layers import EMBEDDINGS, name_of, state_of
from analysis.planes import METHODS, SHOWN, reduced
from analysis.plotting import headline, label_points, save, styled
from analysis.seeds import n_seeds, together
from analysis.states import BEFORE, SEED, Property, Shown, compared
from tl.bars import bar
from tl.runs import Weights, write_atomically, write_json

MOST_POINTS = 2000  # of all models together
N_NEIGHBOURS = 10  # whose labels are compared
NO_CLUSTERS = 0.05  # a silhouette up to which nothing is a cluster
WEIGHTS: tuple[Weights, ...] = ("trained", "pretrained")
COLUMNS = 4  # of panels, at most
NEEDS = {"hidden": tuple(WEIGHTS)}  # dumps of eval.py


@dataclass(frozen=True)
class Cloud:
    """The states of one model: where they lie in the plane, and how they lie in their own space.

    The points are of the lowest seed, the numbers of each seed.
    """

    name: str
    points: np.ndarray  # [n, 2]
    silhouettes: tuple[float, ...]  # of the labels; in the original space, as are
    purities: tuple[float, ...]  # the shares of the nearest neighbours that have the same label

    @property
    def silhouette(self) -> float:
        return float(np.mean(self.silhouettes))

    @property
    def purity(self) -> float:
        return float(np.mean(self.purities))


@dataclass(frozen=True)
class Projection:
    """One property, fitted jointly for some models."""

    name: str
    layer: str  # its name: `embeddings`, `0`, …
    label_names: tuple[str, ...]
    labels: np.ndarray  # [n]
    examples: np.ndarray  # [n]
    chance: float  # purity where neighbours are drawn at random
    clouds: tuple[Cloud, ...]
    n_copies: int = 0  # examples that are left out, as their text is there already


def compute(prop: Property, shown: Shown, state: int, method: str) -> Projection:
    """Project one layer of some models into one plane, of each the lowest seed.

    Args:
        prop: what is known of the rows; its own states are not read.
        shown: the states of each model.
        state: which one, by its index in the dump; −1 is the last.
        method: of METHODS.

    Raises:
        ValueError: if there is one class only, too few rows, or no difference
            between the states of a model.
    """
    layer = name_of(state % next(iter(shown.values()))[0].shape[1])
    texts = first_copies(prop.examples, prop.texts, shown[BEFORE][0])
    rows = draw_rows(prop, texts == prop.examples, MOST_POINTS // len(shown))
    labels = prop.labels[rows]
    shares = np.bincount(labels) / len(labels)
    states = {
        name: [all_states[rows, state].astype(np.float64) for all_states in seeds]
        for name, seeds in shown.items()
    }
    check_spread(f"{prop.name}, {where(layer)}", states)
    points = METHODS[method](reduced(np.concatenate([seeds[0] for seeds in states.values()])))
    own = np.split(points, len(states))
    clouds = [
        Cloud(
            name,
            at,
            tuple(silhouette(h, labels) for h in seeds),
            tuple(purity(h, labels) for h in seeds),
        )
        for (name, seeds), at in zip(states.items(), own, strict=True)
    ]
    return Projection(
        prop.name, layer, prop.label_names, labels, prop.examples[rows],
        float(np.square(shares).sum()), tuple(clouds), n_copies(prop.examples, texts),
    )  # fmt: skip


def draw_rows(prop: Property, allowed: np.ndarray, most: int) -> np.ndarray:
    """The places of rows that are drawn by chance, in their order; all where there are few.

    Args:
        prop: what is known of the rows.
        allowed: those that may be drawn, [n] of bool; copies of a text would be each other's
            nearest neighbours.
        most: how many.

    Raises:
        ValueError: if they are too few, or of one class.
    """
    rows = np.sort(np.random.default_rng(SEED).permutation(np.flatnonzero(allowed))[:most])
    n_classes = len(np.unique(prop.labels[rows]))
    if len(rows) <= N_NEIGHBOURS or n_classes < 2:
        raise ValueError(
            f"{prop.name}: {len(rows)} rows of {n_classes} class(es); a projection "
            f"needs more than {N_NEIGHBOURS} rows, of two classes or more"
        )
    return rows


def where(layer: str) -> str:
    """A layer by its name, as it stands behind the name of a property."""
    return layer if layer == EMBEDDINGS else f"layer {layer}"


def check_spread(name: str, states: dict[str, list[np.ndarray]]) -> None:
    """Raise ValueError for a model whose states are all equal: t-SNE divides by their spread.

    So are those of the first token in the embeddings, which is the same in all texts.
    """
    for model, seeds in states.items():
        for h in seeds:
            if not np.ptp(h, axis=0).any():
                raise ValueError(
                    f"{name}, {model}: all {len(h)} states are equal, so that there "
                    "is nothing to project"
                )


def silhouette(X: np.ndarray, labels: np.ndarray) -> float:
    """How much nearer rows of one label are to each other than to those of the next, in [−1, 1]."""
    return float(silhouette_score(X, labels))


def purity(X: np.ndarray, labels: np.ndarray) -> float:
    """The mean share of each row's nearest neighbours that have its label."""
    neighbours = NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(X).kneighbors(return_distance=False)
    return float(np.mean(labels[neighbours] == labels[:, None]))


def sentence(found: Projection) -> str:
    """What the original space says of the labels, whatever the picture shows."""
    before, *others = found.clouds
    parts = [
        f"{found.name}, {where(found.layer)} ({len(found.labels):,} rows of each model): in the "
        f"original space {before.purity:.3f} of the nearest neighbours share a row's label before "
        f"adaptation, {found.chance:.3f} would by chance (silhouette {before.silhouette:z.3f})."
    ]
    if found.n_copies:
        parts.append(f"{found.n_copies:,} texts are left out, which repeat others.")
    for cloud in others:
        name = "Afterwards" if cloud.name == "after" else f"After {cloud.name}"
        beside = f"silhouette {cloud.silhouette:z.3f}{of_seeds(cloud)}"
        parts.append(f"{name} it is {cloud.purity:.3f} ({beside}).")
    flat = [cloud.name for cloud in found.clouds if cloud.silhouette <= NO_CLUSTERS]
    if flat:
        parts.append(
            f"With silhouettes of {NO_CLUSTERS} or less ({', '.join(flat)}), classes are no "
            "clusters there, whatever the picture shows."
        )
    return " ".join(parts)


def of_seeds(cloud: Cloud) -> str:
    """`; means of 3 seeds`; nothing for one."""
    n = len(cloud.silhouettes)
    return f"; means of {n_seeds(n)}" if n > 1 else ""


def plot(axes: Axes, found: Projection, cloud: Cloud) -> dict[str, tuple[float, float]]:
    """The points of one model; the median of each class that has some, by its name."""
    palette = colormaps["tab10" if len(found.label_names) <= 10 else "tab20"].colors
    centres = {}
    for label, name in enumerate(found.label_names):
        own = cloud.points[found.labels == label]
        color = palette[label % len(palette)]
        axes.plot(*own.T, ".", color=color, markersize=4, alpha=0.6, markeredgewidth=0)
        if len(own):
            centres[name] = tuple(np.median(own, axis=0))
            axes.plot(*centres[name], "o", color=color, markersize=7, markeredgecolor="white")
    every = np.concatenate([one.points for one in found.clouds])
    low, high = every.min(axis=0), every.max(axis=0)
    room = 0.04 * (high - low)
    axes.set_xlim(low[0] - room[0], high[0] + room[0])  # equal panels: the fit is one
    axes.set_ylim(low[1] - room[1], high[1] + room[1])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{found.name}:\n{cloud.name}")
    axes.set_xlabel(
        f"silhouette {cloud.silhouette:z.2f}, neighbour purity {cloud.purity:.2f}\n"
        f"(chance {found.chance:.2f}){of_seeds(cloud)}",
        fontsize=8,
    )
    return centres


@styled
def figure(every: list[Projection], title: str) -> Figure:
    """A panel for each model, of each property in rows of their own."""
    n_models = len(every[0].clouds)
    n_rows = -(-n_models // COLUMNS)  # of a property
    n_columns = -(-n_models // n_rows)
    width = min(4.6, 12.9 / n_columns)
    height = (0.87 if n_rows == 1 else 0.65) * width
    result = Figure(figsize=(width * n_columns, height * n_rows * len(every) + 0.5))
    headline(result, title, "Large dots: medians of classes. Numbers: of the original space.")
    grid = result.add_gridspec(n_rows * len(every), n_columns)
    centres = []
    for i, found in enumerate(every):
        for j, cloud in enumerate(found.clouds):
            row, column = divmod(j, n_columns)
            axes = result.add_subplot(grid[i * n_rows + row, column])
            centres.append(plot(axes, found, cloud))
    for axes, own in zip(result.axes, centres, strict=True):  # when nothing will move any more
        label_points(axes, [(x, y, 0.0) for x, y in own.values()], list(own))
        for text in axes.texts:
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    return result


def coordinates(every: list[Projection]) -> bytes:
    """All points as CSV: another machine, or version, would give others."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["property", "model", "example", "label", "x", "y"])
    for found in every:
        for cloud in found.clouds:
            for example, label, (x, y) in zip(
                found.examples, found.labels, cloud.points, strict=True
            ):
                shown = found.name, cloud.name, example, found.label_names[label]
                writer.writerow(map(cell, [*shown, f"{x:.5f}", f"{y:.5f}"]))
    return text.getvalue().encode()


def numbers(every: list[Projection], method: str) -> dict:
    """All but the points, as JSON."""
    return {
        "method": method,
        "properties": [
            {
                "name": found.name,
                "layer": found.layer,
                "rows": len(found.labels),
                "copies_left_out": found.n_copies,
                "chance": found.chance,
                "models": [
                    {
                        "name": cloud.name,
                        "silhouette": cloud.silhouette,
                        "purity": cloud.purity,
                        "silhouettes": cloud.silhouettes,
                        "purities": cloud.purities,
                    }
                    for cloud in found.clouds
                ],
            }
            for found in every
        ],
        "sentence": "\n".join(map(sentence, every)),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument("--method", choices=METHODS, default="tsne", help="default tsne")
    parser.add_argument(
        "--layer", default="-1", metavar="N",
        help=f"{EMBEDDINGS}, or a layer by its number, from 0; -1 is the last (default)",
    )  # fmt: skip
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="properties whose names hold this (default all)"
    )


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    every, refused, names = [], [], []
    for prop, shown in bar(list(compared(given.runs, given.split, WEIGHTS)), "projection"):
        names.append(prop.name)
        if arguments.only not in prop.name:
            continue
        try:
            n_states = next(iter(shown.values()))[0].shape[1]
            state = state_of(arguments.layer, n_states)
            every.append(compute(prop, shown, state, arguments.method))
        except ValueError as error:
            refused.append(str(error))
    if not every:
        none = f"--only {arguments.only}: none of {'; '.join(names)}"
        raise ValueError("; ".join(dict.fromkeys(refused)) or none)
    groups = together(given.results)
    drawn = "" if len(groups) == len(given.runs) else "; of several seeds the lowest is drawn"
    what = f"{SHOWN[arguments.method]} of {where(every[0].layer)}"
    title = f"{what}, one fit for all models: {', '.join(groups)}{drawn}"
    save(figure(every, f"{given.about}: {title}"), given.out / "projection.png")
    write_atomically(given.out / "projection.csv", coordinates(every))
    write_json(given.out / "projection.json", numbers(every, arguments.method))
    text = "\n".join(map(sentence, every))
    for reason in refused:
        print(f"left out: {reason}")
    print(f"{text}\nwrote {given.out / 'projection.png'}, projection.csv and projection.json")
