"""Adapters of a causal model: what each is, what it taught, and what it did to another ability."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.finished import Finished, readable
from analysis.seeds import choose, n_seeds, together
from analysis.statistics import Difference, Sample, at_once, compare, correction
from analysis.text import aligned, by_chance, interval, markdown_table
from tl.json_files import is_number, read_known
from tl.runs import Run

# Options of strategies that say how large an adapter is, by the names that reports use.
SHAPE = {"r": "rank", "alpha": "alpha", "size": "hidden size", "layers": "layers",
         "dropout": "dropout", "placement": "placement", "targets": "targets",
         "length": "length"}  # fmt: skip
ALWAYS = ("rank", "alpha", "hidden size", "layers", "dropout")  # columns of every report
SCORES = {
    "f1_macro": ("accuracy", "precision_macro", "recall_macro", "f1_macro"),
    "f1": ("precision", "recall", "f1"),
}
NEW = {
    "higher": "It learned the new task",
    "lower": "It became worse at the new task",
    "not shown": "That it learned the new task is not shown",
}
OTHER = {
    "lower": "it lost of the other ability",
    "higher": "it gained in the other ability",
    "not shown": "that the other ability changed is not shown",
}
Score = tuple[str, str, str, str, bool]  # what, data, split, score, whether a verdict is by it


@dataclass(frozen=True)
class Ability:
    """A score of one ability before and after an adapter was trained: means over seeds.

    `change` is after less before, by seed, corrected for all that the page claims; None of a score
    that no verdict is by. `relative` is the change over the score before; None where that was 0.
    """

    what: str  # "specialised" for what was trained, "general" for another task
    data: str
    score: str
    before: float
    after: float
    gains: Sample  # after − before, of each seed
    change: Difference | None

    @property
    def absolute(self) -> float:
        return self.after - self.before

    @property
    def relative(self) -> float | None:
        return self.absolute / self.before if self.before else None


@dataclass(frozen=True)
class Adapter:
    """Runs that differ by their seed only: the shape of what they learned, and their abilities."""

    name: str  # its strategy, and the model that it was put into
    learning: int
    shape: dict[str, str]
    seeds: tuple[int, ...]
    abilities: tuple[Ability, ...]


@dataclass(frozen=True)
class Gap:
    """The change of an ability by an adapter, less that by the adapter it is compared with."""

    name: str
    ability: Ability
    difference: Difference


@dataclass(frozen=True)
class Page:
    """Adapters, and how they differ from one of them; all claims are corrected together."""

    adapters: tuple[Adapter, ...]
    against: str | None
    gaps: tuple[Gap, ...]

    @property
    def claims(self) -> list[Difference]:
        own = [one.change for adapter in self.adapters for one in adapter.abilities if one.change]
        return [*own, *(gap.difference for gap in self.gaps)]


def compute(runs: list[Finished], against: str | None = None) -> Page:
    """Read runs of `--task instruction` and what `eval.py --of` wrote beside them.

    Args:
        runs: of one or several models that were adapted.
        against: the name of an adapter, with which others of the same model are compared.

    Raises:
        ValueError: if one is another run, or was not scored on another ability, or not on that of
            another seed; if there is no such adapter, or none beside it.
    """
    scores = {run.path: read_scores(run) for run in runs}
    bases: dict[tuple[str, str], list[Finished]] = {}
    for run in runs:
        bases.setdefault((run.result["model"], run.result["data_name"]), []).append(run)
    adapters, gaps = [], []
    for (model, data), some in bases.items():
        several = sum(other == model for other, _ in bases) > 1
        place = Path(model).name + f" on {data}" * several
        named = [(f"{name} in {place}", same) for name, same in _configurations(some)]
        own = [_adapter(name, same, scores) for name, same in named]
        adapters += own
        gaps += _gaps(own, against)
    if against is not None:
        choose([one.name for one in adapters], against)
        if not gaps:
            raise ValueError(f"--against {against}: no other adapter of that model and data")
    return _corrected(Page(tuple(adapters), against, tuple(gaps)))


def _configurations(runs: list[Finished]) -> list[tuple[str, list[Finished]]]:
    """Runs that differ by seed only, by a name: the strategy, where that is there once.

    A table has the options, too.
    """
    groups = together([run.result for run in runs])
    strategies = {label: runs[places[0]].result["strategy"] for label, places in groups.items()}
    uses = Counter(strategies.values())
    return [
        (label if uses[strategies[label]] > 1 else strategies[label], [runs[i] for i in places])
        for label, places in groups.items()
    ]


def read_scores(run: Finished) -> dict[Score, tuple[float, float]]:
    """The scores of a run, before and after.

    Raises:
        ValueError: if it is not of `--task instruction`, or was not scored on another ability.
    """
    result = run.result
    if result["task"] != "instruction":
        raise ValueError(f"{run.path} is a run of {result['task']}, not of --task instruction")
    files = sorted((run.path / "evaluations").glob("*.json"))
    if not files:
        raise ValueError(
            f"{run.path} was not scored on another ability; first: python eval.py {run.path} --of "
            "classification --data DATA"
        )
    split, metric = list(result["scores"])[-1], result["metric"]
    both = result["scores_before"][split], result["scores"][split]
    found = {
        ("specialised", result["data_name"], split, name, name == metric): tuple(
            scores[name] for scores in both
        )
        for name in SCORES[metric]
    }
    for path in files:
        other = read_evaluation(path)
        for name in SCORES[other["metric"]]:
            key = "general", other["data"], other["split"], name, name == other["metric"]
            found[key] = other["before"][name], other["after"][name]
    return found


def _adapter(
    name: str, runs: list[Finished], scores: dict[Path, dict[Score, tuple[float, float]]]
) -> Adapter:
    """Sum up runs that differ by seed only."""
    first, seeds = runs[0], tuple(run.result["seed"] for run in runs)
    for run in runs:
        odd = sorted(scores[run.path].keys() ^ scores[first.path].keys())
        if odd:
            raise ValueError(
                f"of {first.path} and {run.path} only one was scored on {odd[0][1]} "
                f"({odd[0][2]}); first: python eval.py RUN --of ... --data {odd[0][1]}"
            )
    config = read_known(Run(first.path).config, {"strategy_options": dict})
    shape = {
        shown: ",".join(map(str, value)) or "all" if isinstance(value, list) else str(value)
        for name, shown in SHAPE.items()
        if (value := config.get("strategy_options", {}).get(name)) is not None
    }
    abilities = []
    for key in scores[first.path]:
        what, data, _, score, decides = key
        before, after = np.array([scores[run.path][key] for run in runs]).T
        gains = Sample(seeds, after - before)
        change = compare(gains) if decides else None
        means = float(before.mean()), float(after.mean())
        abilities.append(Ability(what, data, score, *means, gains, change))
    return Adapter(name, first.result["trainable_parameters"], shape, seeds, tuple(abilities))


def read_evaluation(path: Path) -> dict:
    """Read what `eval.py --of` wrote; ValueError if it is not complete."""
    needed = {"data": str, "split": str, "metric": str, "before": dict, "after": dict}
    other = read_known(path, needed)
    if not needed.keys() <= other.keys() or other["metric"] not in SCORES:
        raise ValueError(f"{path} is not as eval.py --of wrote it; delete it, and score again")
    for when in ("before", "after"):
        if not all(is_number(other[when].get(name)) for name in SCORES[other["metric"]]):
            raise ValueError(f"{path}: its scores {when} are no numbers; delete it, score again")
    return other


def _gaps(adapters: list[Adapter], against: str | None) -> list[Gap]:
    """The adapters of one model less the one of that name, ability by ability."""
    (base,) = [one for one in adapters if one.name == against] or [None]
    if base is None:
        return []
    known = {(one.what, one.data, one.score): one.gains for one in base.abilities if one.change}
    return [
        Gap(adapter.name, one, compare(one.gains, known[one.what, one.data, one.score]))
        for adapter in adapters
        if adapter is not base
        for one in adapter.abilities
        if one.change and (one.what, one.data, one.score) in known
    ]


def _corrected(page: Page) -> Page:
    """Correct all claims together."""
    found = iter(at_once(page.claims))
    adapters = tuple(
        replace(
            adapter,
            abilities=tuple(
                replace(one, change=next(found)) if one.change else one for one in adapter.abilities
            ),
        )
        for adapter in page.adapters
    )
    gaps = tuple(replace(gap, difference=next(found)) for gap in page.gaps)
    return Page(adapters, page.against, gaps)


def words(adapter: Adapter) -> str:
    """A conclusion in words, of the scores that decide."""
    deciding = [one for one in adapter.abilities if one.change]
    parts = []
    for one in deciding:
        change = "" if one.relative is None else f", {one.relative:+.0%}"
        ends = interval(one.change.low, one.change.high)
        judged = f"; {ends}, {by_chance(one.change.p)}" if ends else ""
        parts.append(
            f"the {one.what} ability ({one.data}, {one.score}) went from {one.before:.3f} to "
            f"{one.after:.3f} ({one.absolute:+.3f}{change}{judged})"
        )
    said = f"{adapter.name}, {n_seeds(len(adapter.seeds))}: {'; '.join(parts)}."
    if any(one.change.p is None for one in deciding):
        return f"{said} This run only: no verdict."
    own = NEW[deciding[0].change.verdict]
    others = [f"{OTHER[one.change.verdict]} ({one.data}, {one.score})" for one in deciding[1:]]
    return f"{said} {own}; {'; '.join(others)}."


def report(page: Page, table: Callable[[list[list[str]]], str] = aligned) -> str:
    """The tables and the conclusions."""
    names = list(dict.fromkeys([*ALWAYS, *(name for a in page.adapters for name in a.shape)]))
    info = [["adapter", "seeds", "parameters", *names]]
    for one in page.adapters:
        shape = (one.shape.get(name, "-") for name in names)
        info.append([one.name, str(len(one.seeds)), f"{one.learning:,}", *shape])
    rows = [["adapter", "ability", "data", "score", "before", "after", "change", "relative"]]
    rows[0] += ["95% at once", "by chance"]
    for adapter in page.adapters:
        for one in adapter.abilities:
            relative = "-" if one.relative is None else f"{one.relative:+.1%}"
            numbers = [f"{one.before:.4f}", f"{one.after:.4f}", f"{one.absolute:+.4f}", relative]
            rows.append([adapter.name, one.what, one.data, one.score, *numbers, *cells(one.change)])
    parts = [table(info), table(rows)]
    if page.gaps:
        parts.append(table(gap_rows(page)))
    conclusions = [*map(words, page.adapters), correction(page.claims)]
    return "\n\n".join([*parts, "\n".join(conclusions)])


def gap_rows(page: Page) -> list[list[str]]:
    """Show how far the changes of adapters lie from those of the one they are compared with."""
    head = [f"change less that of {page.against}", "ability", "data", "score", "mean"]
    rows = [[*head, "95% at once", "by chance", "verdict"]]
    for gap in page.gaps:
        own = [gap.name, gap.ability.what, gap.ability.data, gap.ability.score]
        one = gap.difference
        rows.append([*own, f"{one.mean:+.4f}", *cells(one), one.verdict])
    return rows


def cells(change: Difference | None) -> list[str]:
    """The interval and p; nothing where there are none."""
    return ["", ""] if change is None else [interval(change.low, change.high), by_chance(change.p)]


def scored_elsewhere(runs: list[Finished]) -> list[Finished]:
    """The runs that were scored on another ability, if there are any; the others are named.

    Where several runs are given, some are the models that the others began with.
    """
    scored = [run for run in runs if any((run.path / "evaluations").glob("*.json"))]
    for run in runs:
        if scored and run not in scored:
            print(f"left out, not scored on another ability: {run.path}", file=sys.stderr)
    return scored or runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="runs of --task instruction")
    parser.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    parser.add_argument(
        "--against",
        metavar="NAME",
        help="an adapter, with which others of the same model and data are compared, by the name "
        "that is printed, such as 'lora in gpt2'",
    )


def run(arguments: argparse.Namespace) -> None:
    with readable(arguments.runs) as runs:
        page = compute(scored_elsewhere(runs), arguments.against)
        print(report(page, markdown_table if arguments.markdown else aligned))
