"""What probes found, in words and tables."""

from collections.abc import Callable

from analysis.layers import in_words, listed, name_of, names_of
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


def best(curve: Curve) -> str:
    state = curve.best
    beside = f"macro-F1 {curve.f1[state]:.3f}, {curve.compression[state]:.1f} times compressed"
    if curve.control is not None:
        selectivity = curve.accuracy[state] - curve.control[state]
        beside = f"selectivity {selectivity:.3f}, {beside}"
    return f"in {in_words(state)} ({curve.accuracy[state]:.3f}; {beside})"


def change_in_words(change: Change, after: Curve) -> str:
    """Where a run gained and lost, by the intervals that leave out 0."""
    name = "Afterwards" if change.name == "after" else f"After {change.name}"
    text = f"{name} it is read best {best(after)}"
    if not change.mean.any():
        return f"{text}: every layer gives the same as before."
    clear = {
        "gained": [int(state) for state in change.clear if change.mean[state] > 0],
        "lost": [int(state) for state in change.clear if change.mean[state] < 0],
    }
    last = len(change.mean) - 1
    parts = []
    for verb, of in clear.items():
        if of:
            most = max(of, key=lambda state: abs(change.mean[state]))
            where = f", most in {in_words(most)}" if len(of) > 1 else ""
            parts.append(f"{verb} in {listed(of)}{where}: {signed(change, most)}")
    if not parts:
        return f"{text}: no layer changed beyond chance, the last by {signed(change, last)}."
    if last not in [*clear["gained"], *clear["lost"]]:
        parts.append(f"not beyond chance in the last: {signed(change, last)}")
    return f"{text}: {'; '.join(parts)}."


def signed(change: Change, state: int) -> str:
    """The change of a state, with its interval."""
    return f"{change.mean[state]:+.3f} [{change.low[state]:+.3f}, {change.high[state]:+.3f}]"


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
    rows = [["layer", *names_of(len(probed.curves[0].accuracy))]]
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
    return f"{name_of(curve.best)} ({place}; {curve.gain:+.3f})"


def from_below(found: list[Probed]) -> list[Probed]:
    """Properties in the order in which the layers of the model before bring them in."""
    return sorted(found, key=lambda one: one.curve(BEFORE).centre or 0.0)
