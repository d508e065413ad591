"""Curves of one run: loss and score; gradients, updates and drift of each layer."""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.checked import history
from analysis.finished import out_folder
from analysis.layers import part_in_words
from analysis.plotting import BLUE, ORANGE, PALE, SILVER, headline, label_end, save, styled
from tl.runs import Run, write_json

NEEDS: dict[str, tuple[str, ...]] = {}  # no dump of eval.py


@dataclass(frozen=True)
class Curves:
    """The numbers of a run's curves. Steps are optimizer steps."""

    title: str
    metric: str  # its best value on validation chooses the best epoch
    best_epoch: int  # counted from 1
    steps: np.ndarray  # [n] where loss and gradients were measured
    losses: np.ndarray  # [n]
    epoch_steps: np.ndarray  # [e] at the end of each epoch
    epoch_losses: np.ndarray  # [e] mean over the epoch
    scores: np.ndarray  # [e]
    untrained: float  # score before the first step
    parts: tuple[str, ...]  # from the lowest to the highest: stem, block00, ..., head
    norms: np.ndarray  # [parts, n] of a part's gradient before clipping; nan: it had none
    updates: np.ndarray  # [parts, n] ‖Δw‖/‖w‖ of the step; nan: it was not updated
    drifts: np.ndarray  # [parts, n] ‖w − w₀‖/‖w₀‖; nan: it started from zero


def compute(records: list[dict], result: dict) -> Curves:
    """Sort the lines of `metrics.jsonl` into curves.

    The groups of a part (`block00`, `block00/no_decay`) are joined: ‖g‖ = √(Σ‖gᵢ‖²).

    Args:
        records: the lines.
        result: the run's `result.json`.

    Raises:
        ValueError: if no step or no epoch was recorded.
    """
    measured = [record for record in records if "train/loss" in record]
    epochs = [record for record in records if "epoch" in record]
    if not (measured and epochs):
        raise ValueError("metrics.jsonl holds no training step or no epoch; repeat the run")
    names = [group["name"] for group in result["parameter_groups"]]
    parts = tuple(dict.fromkeys(name.partition("/")[0] for name in names))
    metric = result["metric"]
    return Curves(
        title=f"{result['strategy']} on {result['task']}, {result['data_name']}, "
        f"seed {result['seed']}",
        metric=metric,
        best_epoch=result["best_epoch"],
        steps=np.array([record["step"] for record in measured]),
        losses=np.array([record["train/loss"] for record in measured]),
        epoch_steps=np.array([record["step"] for record in epochs]),
        epoch_losses=np.array([record["train/loss_of_epoch"] for record in epochs]),
        scores=np.array([record[f"validation/{metric}"] for record in epochs]),
        untrained=result["scores_before"]["validation"][metric],
        parts=parts,
        norms=_joined(measured, names, parts),
        updates=_rows(measured, "update_ratio", parts),
        drifts=_rows(measured, "drift_ratio", parts),
    )


def _rows(records: list[dict], what: str, parts: tuple[str, ...]) -> np.ndarray:
    """A number of each part in each record, [parts, n]; nan where it is not."""
    rows = [[record.get(f"{what}/{part}", np.nan) for record in records] for part in parts]
    return np.array(rows, dtype=float)


def _joined(records: list[dict], groups: list[str], parts: tuple[str, ...]) -> np.ndarray:
    """Gradient norms of parts, [parts, n], from those of their groups."""
    squares = np.full((len(parts), len(records)), np.nan)
    for name, norms in zip(groups, _rows(records, "grad_norm", tuple(groups)), strict=True):
        row = parts.index(name.partition("/")[0])
        squares[row] = np.where(
            np.isnan(norms), squares[row], np.nan_to_num(squares[row]) + norms**2
        )
    return np.sqrt(squares)


def medians(curves: Curves) -> dict[str, float]:
    """The median norm of each part over the steps in which it had a gradient; largest first."""
    found = {
        part: float(np.nanmedian(row))
        for part, row in zip(curves.parts, curves.norms, strict=True)
        if not np.isnan(row).all()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def sentence(curves: Curves) -> str:
    """What the curves say, in words."""
    best, n_epochs = curves.best_epoch, len(curves.scores)
    last = " (the last: more epochs may help)" if best == n_epochs > 1 else ""
    norms = [(part_in_words(part), norm) for part, norm in medians(curves).items()]
    gradients = f"the largest gradient norms are in {norms[0][0]} (median {norms[0][1]:.3g}"
    if len(norms) > 1:
        gradients += (
            f"; next {norms[1][0]}, {norms[1][1]:.3g}; least {norms[-1][0]}, {norms[-1][1]:.3g}"
        )
    return (
        f"Validation {curves.metric} is best after epoch {best} of {n_epochs}{last}, "
        f"{curves.scores[best - 1]:.3f} against {curves.untrained:.3f} untrained; {gradients})."
    )


def plot_loss(axes: Axes, curves: Curves) -> None:
    axes.plot(curves.steps, curves.losses, color=SILVER, marker=".", clip_on=False)
    axes.plot(curves.epoch_steps, curves.epoch_losses, "o-", color=BLUE, clip_on=False)
    axes.set(title="training loss (grey: single steps)", ylim=(0, None))
    label_end(axes, curves.epoch_steps[-1], curves.epoch_losses[-1], "mean of\nthe epoch", BLUE)


def plot_score(axes: Axes, curves: Curves) -> None:
    """The score from the untrained model to the last epoch, the best one ringed."""
    steps, scores = [0, *curves.epoch_steps], [curves.untrained, *curves.scores]
    axes.plot(steps, scores, "o-", color=ORANGE, clip_on=False)
    axes.margins(y=0.2)  # room for the label
    axes.set(title=f"validation {curves.metric}")
    step, score = curves.epoch_steps[curves.best_epoch - 1], curves.scores[curves.best_epoch - 1]
    axes.plot(step, score, "o", color=ORANGE, markersize=9, fillstyle="none", clip_on=False)
    side = "right" if step > steps[-1] / 2 else "left"
    above = score >= curves.untrained  # no epoch lies higher, so the label is free there
    axes.annotate(
        f"best: epoch {curves.best_epoch}, {score:.3f}", (step, score), (0, 8 if above else -8),
        textcoords="offset points", ha=side, va="bottom" if above else "top", color=ORANGE,
    )  # fmt: skip


def plot_parts(axes: Axes, curves: Curves, values: np.ndarray, title: str) -> None:
    """A heat map: the network from bottom to top, each measured step until the next."""
    edges = [*curves.steps, max(curves.epoch_steps[-1], curves.steps[-1] + 1)]
    positive = np.ma.masked_invalid(np.where(values > 0, values, np.nan))
    low, high = positive.min(), positive.max()
    rows = np.arange(len(curves.parts))
    mesh = axes.pcolormesh(edges, [*rows, len(rows)], positive, norm=LogNorm(low, high))
    axes.set_facecolor(PALE)
    axes.set_yticks(rows + 0.5, map(part_in_words, curves.parts))
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grey = "; grey: none" if positive.mask.any() else ""
    axes.set(title=f"{title}{grey}")
    bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.03, 0, 0.02, 1)))
    bar.set_ticks([low, high], labels=[f"{low:.2g}", f"{high:.2g}"], minor=False)
    bar.minorticks_off()


@styled
def figure(curves: Curves) -> Figure:
    """Loss and score over the same steps."""
    result = Figure(figsize=(7.5, 4.4))
    loss, score = result.subplots(2, 1, sharex=True)
    headline(result, curves.title)
    plot_loss(loss, curves)
    plot_score(score, curves)
    score.set(xlabel="optimizer step")
    score.xaxis.set_major_locator(MaxNLocator(integer=True))
    return result


@styled
def layers_figure(curves: Curves) -> Figure:
    """What happened in each part of the network: a heat map for each thing that was measured."""
    panels = [
        (curves.norms, "gradient norm ‖g‖, before clipping"),
        (curves.updates, "update ratio ‖Δw‖ / ‖w‖"),
        (curves.drifts, "drift ‖w − w₀‖ / ‖w₀‖"),
    ]
    panels = [(values, title) for values, title in panels if (values > 0).any()]
    heat = max(0.6, 0.18 * len(curves.parts)) + 0.4  # inches
    result = Figure(figsize=(7.5, 0.8 + heat * len(panels)))
    headline(result, curves.title)
    for axes, (values, title) in zip(
        result.subplots(len(panels), 1, sharex=True, squeeze=False).flat, panels, strict=True
    ):
        plot_parts(axes, curves, values, title)
    axes.set(xlabel="optimizer step")
    return result


def numbers(curves: Curves) -> dict:
    """The plotted numbers as JSON; what is missing is null."""
    plotted = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in asdict(curves).items()
    }
    for name in ("norms", "updates", "drifts"):
        plotted[name] = [[None if np.isnan(x) else x for x in row] for row in plotted[name]]
    return plotted | {"sentence": sentence(curves)}


def read(run: Run, result: dict) -> Curves:
    """The curves of a run that has this result.

    Raises:
        ValueError: if no step or no epoch was recorded.
    """
    return compute(history(run, result), result)


def draw_all(run: Run, result: dict, out: Path) -> list[Path]:
    """Write both figures into a directory, and say where they are."""
    curves = read(run, result)
    paths = [out / "curves.png", out / "layers.png"]
    for made, path in zip((figure(curves), layers_figure(curves)), paths, strict=True):
        save(made, path)
    return paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a finished run directory")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/analysis")


def run(arguments: argparse.Namespace) -> None:
    directory = Run(arguments.run)
    result = directory.read_result()
    curves = read(directory, result)
    out = out_folder([arguments.run], arguments.out)
    draw_all(directory, result, out)
    write_json(out / "curves.json", numbers(curves))
    print(f"{sentence(curves)}\nwrote {out / 'curves.png'}, layers.png and curves.json")
