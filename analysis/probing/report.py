"""What probes found, in words and tables."""

from collections.abc import Callable

from analysis.probing.probed import Change, Curve, Probed
from analysis.seeds import n_seeds
from analysis.states import BEFORE, RANDOM
from analysis.text import aligned


def paragraph(found: list[Probed]) -> str:
    """What the probes say, a sentence or three for each property."""
    over = "examples and seeds" if any(of_seeds(one) for one in found) else "examples"
    return "\n".join(
        [
            *(sentence(probed) for probed in found),
            f"Intervals of changes are for other {over}, 95% for all layers at once (Bonferroni).",
        ]
    )


def of_seeds(probed: Probed) -> str:
    """`, mean of 3 seeds`; nothing where each run stands for itself."""
    counts = sorted({probed.curve(change.name).n_seeds for change in probed.changes})
    if counts[-1:] in ([], [1]):
        return ""
    fewest = f"{counts[0]} to " if len(counts) > 1 else ""
    return f", mean of {fewest}{n_seeds(counts[-1])}"


def sentence(probed: Probed) -> str:
    before, random = probed.curve(BEFORE), probed.curve(RANDOM)
    parts = [
        f"{probed.name} ({len(probed.label_names)} classes{of_seeds(probed)}): before adaptation "
        f"it is read best {best(before)}; the embeddings give {before.accuracy[0]:.3f}, a random "
        f"model at most {random.accuracy.max():.3f}, the most frequent label "
        f"{probed.majority:.3f}."
    ]
    if probed.n_copies:
        parts.append(f"{probed.n_copies:,} of its texts repeat others, and count as one with them.")
    parts += [change_in_words(change, probed.curve(change.name)) for change in probed.changes]
    return " ".join(parts)


def place(layer: int) -> str:
    return "in the embeddings" if layer == 0 else f"in layer {layer}"


def best(curve: Curve) -> str:
    layer = curve.best
    beside = f"macro-F1 {curve.f1[layer]:.3f}, {curve.compression[layer]:.1f} times compressed"
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
    """All layers of a property as text; compression: how many times shorter the labels become."""
    kinds: dict[str, Callable[[Curve], list[str]]] = {
        "accuracy": lambda curve: [f"{value:.3f}" for value in curve.accuracy],
        "macro-F1": lambda curve: [f"{value:.3f}" for value in curve.f1],
        "selectivity": lambda curve: [
            f"{value:+.3f}" for value in (curve.accuracy - curve.control).tolist()
        ],
        "compression": lambda curve: [f"{value:.2f}" for value in curve.compression],
    }
    if probed.curves[0].control is None:
        del kinds["selectivity"]
    rows = [["layer", *map(str, range(len(probed.curves[0].accuracy)))]]
    for kind, cells in kinds.items():
        rows += [[f"{kind}, {curve.name}", *cells(curve)] for curve in probed.curves]
    return f"{probed.name}{of_seeds(probed)}\n{aligned(rows)}"


def carried(found: list[Probed]) -> str:
    """Which layers carry what: of each property and model the best layer, centre and gain."""
    names = [curve.name for curve in found[0].curves if curve.name != RANDOM]
    rows = [["best layer (centre of gravity; gain)", *names]]
    rows += [[one.name, *(cell(one.curve(name)) for name in names)] for one in from_below(found)]
    return (
        f"{aligned(rows)}\nBest: where accuracy is highest. Gain: what it has over the embeddings. "
        "Centre: the mean of the layers, each weighted by what it adds to the best accuracy below "
        "it; - where none adds. A small gain has a centre by chance."
    )


def cell(curve: Curve) -> str:
    place = "-" if curve.centre is None else f"{curve.centre:.1f}"
    return f"{curve.best} ({place}; {curve.gain:+.3f})"


def from_below(found: list[Probed]) -> list[Probed]:
    """Properties in the order in which the layers of the model before bring them in."""
    return sorted(found, key=lambda one: one.curve(BEFORE).centre or 0.0)
