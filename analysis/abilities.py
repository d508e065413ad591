"""Adapters of a causal model: what each is, what it taught, and what it did to another ability."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analysis.finished import Finished, readable
from analysis.text import aligned, markdown_table
from tl.json_files import is_number, read_known
from tl.runs import Run

# Options of strategies that say how large an adapter is, by the names that reports use.
SHAPE = {"r": "rank", "alpha": "alpha", "size": "hidden size", "layers": "layers",
         "dropout": "dropout", "placement": "placement", "targets": "targets",
         "length": "length"}  # fmt: skip
ALWAYS = ("rank", "alpha", "hidden size", "layers", "dropout")  # columns of every report
SMALL = 0.02  # a change of a score that says nothing: a few examples of a few hundred


@dataclass(frozen=True)
class Ability:
    """Scores of one ability before and after an adapter was trained.

    `relative` is the change over the score before; None where that was 0.
    """

    what: str  # "specialised" for what was trained, "general" for another task
    data: str
    score: str
    before: float
    after: float
    decides: bool  # whether the verdict is by this score: one of each evaluation

    @property
    def absolute(self) -> float:
        return self.after - self.before

    @property
    def relative(self) -> float | None:
        return self.absolute / self.before if self.before else None


@dataclass(frozen=True)
class Adapter:
    """One run: the shape of what it learned, and its abilities."""

    name: str  # its strategy, and the model that it was put into
    learning: int
    shape: dict[str, str]
    abilities: tuple[Ability, ...]


SCORES = {
    "f1_macro": ("accuracy", "precision_macro", "recall_macro", "f1_macro"),
    "f1": ("precision", "recall", "f1"),
}


def compute(run: Finished) -> Adapter:
    """Read a run of `--task instruction` and what `eval.py --of` wrote beside it.

    Raises:
        ValueError: if it is another run, or was not scored on another ability.
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
    split = list(result["scores"])[-1]
    own = result["scores_before"][split], result["scores"][split]
    found = [_ability("specialised", result["data_name"], result["metric"], *own)]
    for path in files:
        other = read_evaluation(path)
        found.append(
            _ability("general", other["data"], other["metric"], other["before"], other["after"])
        )
    config = read_known(Run(run.path).config, {"strategy_options": dict})
    name = f"{result['strategy']} in {Path(result['model']).name}"
    shape = {
        shown: ",".join(map(str, value)) or "all" if isinstance(value, list) else str(value)
        for name, shown in SHAPE.items()
        if (value := config.get("strategy_options", {}).get(name)) is not None
    }
    abilities = tuple(ability for some in found for ability in some)
    return Adapter(name, result["trainable_parameters"], shape, abilities)


def read_evaluation(path: Path) -> dict:
    """What `eval.py --of` wrote; ValueError if it is not complete."""
    other = read_known(path, {"data": str, "metric": str, "before": dict, "after": dict})
    if not {"data", "metric", "before", "after"} <= other.keys() or other["metric"] not in SCORES:
        raise ValueError(f"{path} is not as eval.py --of wrote it; delete it, and score again")
    for when in ("before", "after"):
        if not all(is_number(other[when].get(name)) for name in SCORES[other["metric"]]):
            raise ValueError(f"{path}: its scores {when} are no numbers; delete it, score again")
    return other


def _ability(what: str, data: str, metric: str, before: dict, after: dict) -> list[Ability]:
    return [
        Ability(what, data, name, before[name], after[name], decides=name == metric)
        for name in SCORES[metric]
    ]


def words(adapter: Adapter) -> str:
    """A conclusion in words, of the scores that decide."""
    deciding = [one for one in adapter.abilities if one.decides]
    parts = []
    for one in deciding:
        change = "" if one.relative is None else f", {one.relative:+.0%}"
        parts.append(
            f"the {one.what} ability ({one.data}, {one.score}) went from {one.before:.3f} to "
            f"{one.after:.3f} ({one.absolute:+.3f}{change})"
        )
    gained = any(one.absolute > SMALL for one in deciding if one.what == "specialised")
    lost = any(one.absolute < -SMALL for one in deciding if one.what == "general")
    verdict = {
        (True, False): "It learned the new task and kept the other ability",
        (True, True): "It learned the new task at the cost of the other ability",
        (False, False): "It learned nothing of the new task, and kept the other ability",
        (False, True): "It learned nothing of the new task, and lost of the other ability",
    }[gained, lost]
    return f"{adapter.name}: {'; '.join(parts)}. {verdict}."


def report(adapters: list[Adapter], table: Callable[[list[list[str]]], str] = aligned) -> str:
    """Two tables and the conclusions."""
    names = list(dict.fromkeys([*ALWAYS, *(name for a in adapters for name in a.shape)]))
    info = [["adapter", "parameters", *names]]
    info += [
        [a.name, f"{a.learning:,}", *(a.shape.get(name, "-") for name in names)] for a in adapters
    ]
    rows = [["adapter", "ability", "data", "score", "before", "after", "change", "relative"]]
    for adapter in adapters:
        for one in adapter.abilities:
            relative = "-" if one.relative is None else f"{one.relative:+.1%}"
            numbers = [f"{one.before:.4f}", f"{one.after:.4f}", f"{one.absolute:+.4f}", relative]
            rows.append([adapter.name, one.what, one.data, one.score, *numbers])
    conclusions = "\n".join(map(words, adapters))
    return "\n\n".join([table(info), table(rows), conclusions])


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


def run(arguments: argparse.Namespace) -> None:
    with readable(arguments.runs) as runs:
        adapters = [compute(run) for run in scored_elsewhere(runs)]
        print(report(adapters, markdown_table if arguments.markdown else aligned))
