"""The figures: all heads in numbers, one text in maps."""

from textwrap import fill, shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from analysis.attention.heads import Attention
from analysis.plotting import (
    BLUE,
    GREY,
    INK,
    OF_BEFORE,
    ORANGE,
    colors_of,
    headline,
    label_end,
    label_ends,
    styled,
)  # fmt: skip

MOST = float(np.log(2))  # of the Jensen-Shannon divergence
DARK = 0.6  # of the scale, which goes by roots: from here on, numbers in cells are white
LETTER = 0.075  # inches, of a caption: those of "##" are wide
MOST_LETTERS = 400  # of the tokens in a caption
MOST_TOKENS = 28  # whose labels can be read where a figure is 1300 pixels wide
SHARES = [0, 0.1, 0.25, 0.5, 1], ["0", ".1", ".25", ".5", "1"]  # of a scale by their roots
NOT_WHY = "Weights say what is mixed, not why the model answers as it does."


@styled
def heads(run: Attention, about: str) -> Figure:
    """Every head of one configuration: its change; entropy and distance over the layers."""
    n_layers, n_heads = run.divergence.shape
    tall = max(1.6, 0.28 * n_layers)
    result = Figure(figsize=(max(4.2, 0.38 * n_heads + 1.4) + 0.6, tall + 5.2))
    top, middle, bottom = result.subplots(3, 1, height_ratios=(tall, 1.9, 1.9))
    draw_divergence(top, run.divergence)
    headline(result, f"{about}: {run.label}")
    top.set_title("Jensen-Shannon divergence of before and after, nats", fontsize=8)
    draw_layers(middle, run.before.entropy, run.after.entropy)
    middle.plot((0, n_layers - 1), [run.uniform] * 2, color=GREY, linewidth=0.8, linestyle=":")
    label_end(middle, n_layers - 1, run.uniform, "looking\neverywhere", GREY)
    middle.set(ylabel="entropy of a row, nats")
    draw_layers(bottom, run.before.distance, run.after.distance)
    bottom.set(ylabel="mean distance, tokens", xlabel="layer")
    for axes in (middle, bottom):
        high = axes.get_ylim()[1]
        axes.set_ylim(-0.05 * high, high)  # a head may lie at 0: its dot stands on no edge
    caption(result, f"Lines: mean over heads; dots: heads. {NOT_WHY}")
    return result


@styled
def overview(runs: list[Attention], about: str) -> Figure:
    """Configurations beside each other: change, entropy and distance, the mean over the heads."""
    n_layers = len(runs[0].divergence)
    result = Figure(figsize=(13.0, 3.8))
    many = max(run.n_seeds for run in runs)
    over = f" and {many} seeds" if many > 1 else ""
    headline(result, f"{about}: where heads look, mean over the heads of a layer{over}")
    change, entropy, distance = result.subplots(1, 3)
    change.set_title("divergence (Jensen-Shannon), nats")
    entropy.set_title("entropy of a row, nats")
    entropy.plot((0, n_layers - 1), [runs[0].uniform] * 2, color=GREY, linewidth=0.8, linestyle=":")
    distance.set_title("mean distance, tokens")
    draw_lines(change, {run.label: run.divergence for run in runs}, {})
    for axes, name in ((entropy, "entropy"), (distance, "distance")):
        after = {run.label: getattr(run.after, name) for run in runs}
        level = {"looking everywhere": (runs[0].uniform, GREY)} if name == "entropy" else {}
        draw_lines(axes, {"before": getattr(runs[0].before, name)} | after, level)
    caption(result, NOT_WHY)
    return result


def draw_lines(
    axes: Axes, lines: dict[str, np.ndarray], ends: dict[str, tuple[float, str]]
) -> None:
    """A line over the layers for each, [L, h]; its label, and those of other `ends`, beside it."""
    layers = np.arange(len(next(iter(lines.values()))))
    colors = colors_of(name for name in lines if name != "before")
    for name, values in lines.items():
        own = OF_BEFORE if name == "before" else {"color": colors[name], "marker": "o"}
        axes.plot(layers, values.mean(axis=1), clip_on=False, **own)
        ends = ends | {name: (float(values[-1].mean()), own["color"])}
    axes.set(xlabel="layer", xlim=(0, layers[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_ends(axes, layers[-1], ends)


def draw_divergence(axes: Axes, divergence: np.ndarray) -> None:
    """A cell for each head, with its number; the colours reach to the largest possible, log 2."""
    n_layers, n_heads = divergence.shape
    image = axes.imshow(divergence, cmap="Oranges", norm=PowerNorm(0.5, 0, MOST), aspect="auto")
    scale(axes, image, [0, 0.05, 0.2, MOST], ["0", ".05", ".20", "log 2"])
    axes.grid(visible=False)
    axes.set_xticks(range(n_heads))
    axes.set_yticks(range(n_layers))
    axes.set(xlabel="head", ylabel="layer")
    for (layer, head), value in np.ndenumerate(divergence):
        colour = "white" if value > DARK**2 * MOST else INK
        text = f"{value:.3f}".removeprefix("0")
        axes.text(head, layer, text, ha="center", va="center", color=colour, fontsize=6)


def scale(axes: Axes, image: AxesImage, ticks: list[float], labels: list[str]) -> None:
    """A colour bar at the right edge of some axes."""
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.025, 1)))
    bar.set_ticks(ticks, labels=labels)
    bar.outline.set_visible(False)


def draw_layers(axes: Axes, before: np.ndarray, after: np.ndarray) -> None:
    """Two lines over the layers, each labelled at its end."""
    layers = np.arange(len(before))
    near = abs(before[-1].mean() - after[-1].mean()) < 0.1 * max(before.max(), after.max())
    higher = "after" if after[-1].mean() > before[-1].mean() else "before"
    both = ((before, "before", BLUE, -0.06), (after, "after", ORANGE, 0.06))
    for values, name, colour, shift in both:
        places = np.repeat(layers + shift, values.shape[1])
        axes.plot(places, values.ravel(), ".", color=colour, alpha=0.35, markersize=3)
        axes.plot(layers, values.mean(axis=1), "o-", color=colour)
        text = f"{name}\n" if near and name == higher else f"\n{name}" if near else name
        label_end(axes, layers[-1] + 2 * abs(shift), values[-1].mean(), text, colour)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


@styled
def maps(label: str, tokens: list[str], before: np.ndarray, after: np.ndarray) -> Figure:
    """All heads of one text, a row for each layer: before on the left, after on the right."""
    n_layers, n_heads = before.shape[:2]
    result = Figure(figsize=(0.48 * 2 * n_heads + 1.2, 0.48 * n_layers + 1.5))
    panels = result.subplots(1, 2, sharey=True)
    for axes, some, name in zip(panels, (before, after), ("before", "after"), strict=True):
        image = mosaic(some)
        drawn = axes.imshow(image, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
        size = image.shape[0] / n_layers
        axes.set_xticks((np.arange(n_heads) + 0.5) * size, range(n_heads))
        axes.set_yticks((np.arange(n_layers) + 0.5) * size, range(n_layers))
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(title=name, xlabel="head")
    panels[0].set_ylabel("layer")
    scale(panels[1], drawn, *SHARES)
    headline(result, label)
    caption(
        result,
        "A row is what a token looks at, top to bottom: "
        + shorten(" ".join(tokens), MOST_LETTERS, placeholder=f" … ({len(tokens)} tokens)"),
        NOT_WHY,
    )
    return result


def caption(figure: Figure, *notes: str) -> None:
    """A small text below all panels, each note in lines that are as wide as the figure."""
    width = int(figure.get_figwidth() / LETTER)
    figure.supxlabel("\n".join(fill(note, width) for note in notes), fontsize=7, color=GREY)
    figure.get_layout_engine().set(h_pad=0.08)  # else labels of ticks touch it


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Maps side by side with gaps, [L, h, n, n] -> [L·(n + g), h·(n + g)]."""
    gap = max(1, maps.shape[-1] // 8)
    padded = np.pad(maps, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=np.nan)
    n_layers, n_heads, n, _ = padded.shape
    return padded.transpose(0, 2, 1, 3).reshape(n_layers * n, n_heads * n)


@styled
def rollouts(label: str, tokens: list[str], before: np.ndarray, after: np.ndarray) -> Figure:
    """How much of each token (column) is in each state of the last layer (row)."""
    n = min(MOST_TOKENS, len(tokens))
    side = max(2.6, 0.13 * n)
    result = Figure(figsize=(2 * side + 1.4, side + 1.6))
    panels = result.subplots(1, 2, sharey=True)
    for axes, some, name in zip(panels, (before, after), ("before", "after"), strict=True):
        drawn = axes.imshow(some[:n, :n], cmap="Blues", norm=PowerNorm(0.5, 0, 1))
        axes.set_xticks(range(n), tokens[:n], rotation=90, fontsize=7)
        axes.set_yticks(range(n), tokens[:n], fontsize=7)
        axes.grid(visible=False)
        axes.set_title(f"rollout {name}")
    scale(panels[1], drawn, *SHARES)
    headline(result, f"{label}: shares of the tokens (columns) in the last states (rows)")
    notes = [NOT_WHY]
    if n < len(tokens):
        notes.append(f"Of {len(tokens)} tokens the first {n} are drawn; the rest is left out.")
    caption(result, *notes)
    return result
