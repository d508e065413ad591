"""Which layers know what, before and after adaptation: a linear probe for each of them."""

import argparse
from dataclasses import asdict

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.finished import add_runs, asked
from analysis.plotting import COLORS, GREY, INK, SILVER, label_ends, save, styled
from analysis.probing.probed import Change, Curve, Probed, compute
from analysis.states import (
    BEFORE,
    RANDOM,
    compared,
)
from analysis.text import aligned
from tl.runs import WEIGHTS, write_json

NEEDS = {"hidden": tuple(WEIGHTS)}  # dumps of eval.py


def paragraph(found: list[Probed]) -> str:
    """What the probes say, a sentence or three for each property."""
    return "\n".join(sentence(probed) for probed in found)


def sentence(probed: Probed) -> str:
    before, random = probed.curve(BEFORE), probed.curve(RANDOM)
    parts = [
        f"{probed.name} ({len(probed.label_names)} classes): before adaptation it is read best "
        f"{best(before)}; the embeddings give {before.accuracy[0]:.3f}, a random model at most "
        f"{random.accuracy.max():.3f}, the most frequent label {probed.majority:.3f}."
    ]
    parts += [change_in_words(change, probed.curve(change.name)) for change in probed.changes]
    return " ".join(parts)


def place(layer: int) -> str:
    return "in the embeddings" if layer == 0 else f"in layer {layer}"


def best(curve: Curve) -> str:
    layer = int(curve.accuracy.argmax())
    beside = f"{curve.compression[layer]:.1f} times compressed"
    if curve.control is not None:
        selectivity = curve.accuracy[layer] - curve.control[layer]
        beside = f"selectivity {selectivity:.3f}, {beside}"
    return f"{place(layer)} ({curve.accuracy[layer]:.3f}; {beside})"


def change_in_words(change: Change, after: Curve) -> str:
    """Where a run gained and lost, by the intervals that leave out 0."""
    name = "Afterwards" if change.name == "after" else f"After {change.name}"
    text = f"{name} it is read best {best(after)}"
    if not change.mean.any():
        return f"{text}: every layer gives the same as before."
    clear = {
        "gained": [int(layer) for layer in change.clear if change.mean[layer] > 0],
        "lost": [int(layer) for layer in change.clear if change.mean[layer] < 0],
    }
    last = len(change.mean) - 1
    parts = []
    for verb, of in clear.items():
        if of:
            most = max(of, key=lambda layer: abs(change.mean[layer]))
            where = f", most in layer {most}" if len(of) > 1 else ""
            parts.append(f"{verb} in {layers(of)}{where}: {signed(change, most)}")
    if not parts:
        return f"{text}: no layer changed beyond chance, the last by {signed(change, last)}."
    if last not in [*clear["gained"], *clear["lost"]]:
        parts.append(f"not beyond chance in the last: {signed(change, last)}")
    return f"{text}: {'; '.join(parts)}."


def layers(numbers: list[int]) -> str:
    """`layers 2–4, 6`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    shown = [str(s[0]) if len(s) == 1 else f"{s[0]}–{s[-1]}" for s in spans]
    return f"layer{'s' * (len(numbers) > 1)} {', '.join(shown)}"


def signed(change: Change, layer: int) -> str:
    """The change of a layer, with its interval."""
    return f"{change.mean[layer]:+.3f} [{change.low[layer]:+.3f}, {change.high[layer]:+.3f}]"


def table(probed: Probed) -> str:
    """All layers of a property as text; bits tell how many times the labels are compressed."""
    has_control = probed.curves[0].control is not None
    head = ["layer", *(curve.name for curve in probed.curves)]
    for what in (["selectivity"] if has_control else []) + ["compression"]:
        head += [f"{what}, {curve.name}" for curve in probed.curves if curve.name != RANDOM]
    rows = [head]
    shown = [curve for curve in probed.curves if curve.name != RANDOM]
    for layer in range(len(shown[0].accuracy)):
        row = [str(layer), *(f"{curve.accuracy[layer]:.3f}" for curve in probed.curves)]
        if has_control:
            row += [f"{curve.accuracy[layer] - curve.control[layer]:+.3f}" for curve in shown]
        rows.append([*row, *(f"{curve.compression[layer]:.2f}" for curve in shown)])
    return f"{probed.name}\n{aligned(rows)}"


def plot(axes: Axes, probed: Probed) -> None:
    """Accuracy over the layers, each curve with its interval; the majority as a level."""
    colors = {RANDOM: SILVER, BEFORE: INK}
    colors |= dict(zip([change.name for change in probed.changes], COLORS, strict=False))
    last = len(probed.curves[0].accuracy) - 1
    ends = {"majority": (probed.majority, GREY)}
    axes.axhline(probed.majority, color=GREY, linestyle=":", linewidth=1)
    for curve in probed.curves:
        color, x = colors[curve.name], np.arange(last + 1)
        axes.fill_between(x, curve.low, curve.high, color=color, alpha=0.15, linewidth=0)
        axes.plot(x, curve.accuracy, "o-", color=color, clip_on=False)
        ends[curve.name] = (curve.accuracy[-1], color)
    axes.set(title=probed.name, xlim=(0, last))
    axes.set_xlabel("layer (0: embeddings)")
    axes.set_ylabel(f"accuracy ({probed.n_test:,} tested, {probed.n_train:,} trained on)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_ends(axes, last, ends)


@styled
def figure(found: list[Probed], title: str) -> Figure:
    """A panel for each property, two in a row."""
    n_columns = min(2, len(found))
    n_rows = -(-len(found) // n_columns)
    result = Figure(figsize=(4.8 * n_columns, 3.4 * n_rows + 0.3))
    result.suptitle(f"What a linear probe reads from each layer: {title}", x=0.01, ha="left")
    grid = result.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[len(found) :]:
        axes.set_axis_off()
    for axes, probed in zip(grid.flat, found, strict=False):
        plot(axes, probed)
    return result


def numbers(found: list[Probed]) -> dict:
    """All that was found, as JSON."""
    return {"properties": [plain(asdict(probed)) for probed in found], "sentence": paragraph(found)}


def plain(value: object) -> object:
    """Arrays as lists, all the way down."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    torch.set_num_threads(1)  # the products are small: threads would rather wait than work
    found = [
        compute(prop, shown) for prop, shown in compared(given.runs, given.split, tuple(WEIGHTS))
    ]
    save(figure(found, ", ".join(given.labels)), given.out / "probing.png")
    write_json(given.out / "probing.json", numbers(found))
    tables = "\n\n".join(map(table, found))
    print(f"{tables}\n\n{paragraph(found)}\nwrote {given.out / 'probing.png'} and probing.json")
