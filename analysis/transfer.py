"""Multi-task runs beside runs of one task: what a task gains, or loses, by learning with others."""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.finished import Finished, Spread, in_short, options_of, readable
from analysis.seeds import half_width
from analysis.text import aligned, markdown_table

# What a run and its twin may differ in; of the task options only how tasks are mixed is named.
OF_THE_TASK = ("--task", "--data", "--seed")
Key = tuple[object, ...]


@dataclass(frozen=True)
class Transfer:
    """One member of multi-task runs, against runs of that task alone with the same options.

    `gain` is the mean over seeds of (together − alone), seed by seed; `error` its standard error
    and `half` half of its 95% interval, both None for one seed.
    """

    data: str
    task: str
    strategy: str  # with the options that are not its defaults
    mixing: str
    metric: str
    alone: Spread
    together: Spread
    gain: float
    error: float | None
    half: float | None
    seeds: tuple[int, ...]

    @property
    def verdict(self) -> str:
        """What the gain says; it is clear if its 95% interval (Student's t) leaves out zero."""
        if self.half is None or abs(self.gain) <= self.half:
            return "no clear transfer"
        return "positive transfer" if self.gain > 0 else "negative transfer"

    @property
    def gain_text(self) -> str:
        return f"{self.gain:+.3f}" + ("" if self.error is None else f" ± {self.error:.3f}")


def compute(runs: list[Finished]) -> list[Transfer]:
    """Pair the members of multi-task runs with the runs of one task: same options, data and seed.

    Raises:
        ValueError: if nothing can be paired, or a member could be paired with two runs.
    """
    together = [run for run in runs if run.result["task"] == "multitask"]
    if not together:
        raise ValueError("no run of --task multitask among these; see python train.py --help")
    alone = defaultdict(list)
    for run in runs:
        alone[(*own_options(run), run.result["task"], run.result["data_name"])].append(run)
    pairs: dict[Key, list[tuple[Finished, Finished]]] = defaultdict(list)
    for run in together:
        for task, data in members(run):
            twins = alone.get((*own_options(run), task, data), [])
            twins = [twin for twin in twins if twin.result["seed"] == run.result["seed"]]
            if len(twins) > 1:
                raise ValueError(
                    f"two runs of {run.result['strategy']} on {task} with seed "
                    f"{run.result['seed']} and the same options: {twins[0].path} and "
                    f"{twins[1].path}; leave one out"
                )
            if twins:
                key = run.result["data_name"], task, label(run), mixing(run)
                pairs[key].append((twins[0], run))
    if not pairs:
        raise ValueError(
            "no member of the multi-task runs has a run alone with the same strategy, options "
            "(--epochs, --lr, ...), data and seed"
        )
    return [_transfer(*key, pairs[key]) for key in sorted(pairs)]


def own_options(run: Finished) -> Key:
    """The options that a multi-task run must share with its twin, in one order."""
    options = options_of(run.result["command"])
    shared = {k: v for k, v in options.items() if k not in OF_THE_TASK and k[:7] != "--task."}
    return tuple(sorted(shared.items()))


def label(run: Finished) -> str:
    """The strategy, and what is not by default."""
    options = ", ".join(in_short(dict(own_options(run))))
    return run.result["strategy"] + (f" ({options})" if options else "")


def mixing(run: Finished) -> str:
    """How a multi-task run mixes its members."""
    options = options_of(run.result["command"])
    name = options.get("--task.mixing", "proportional")
    if name == "temperature" and "--task.temperature" in options:
        name += f" {options['--task.temperature']}"
    return name


def members(run: Finished) -> list[tuple[str, str]]:
    """The members of a multi-task run, with the names of their data."""
    scores = run.result["scores"][run.split]
    tasks = list(dict.fromkeys(name.partition("/")[0] for name in scores if "/" in name))
    names = run.result["data_name"].split("+")
    return list(zip(tasks, names if len(names) == len(tasks) else names * len(tasks), strict=False))


def _transfer(
    data: str, task: str, strategy: str, mixed: str, pairs: list[tuple[Finished, Finished]]
) -> Transfer:
    metric = pairs[0][0].result["metric"]
    alone = [one.result["scores"][one.split][metric] for one, _ in pairs]
    together = [many.result["scores"][many.split][f"{task}/{metric}"] for _, many in pairs]
    gains = np.subtract(together, alone)
    several = len(gains) > 1
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if several else None
    half = float(half_width(gains)) if several else None
    seeds = tuple(sorted(one.result["seed"] for one, _ in pairs))
    return Transfer(
        data, task, strategy, mixed, metric, Spread.of(alone), Spread.of(together),
        float(gains.mean()), error, half, seeds,
    )  # fmt: skip


def cells(found: list[Transfer]) -> list[list[str]]:
    """The table as text."""
    head = ["data", "task", "strategy", "mixing", "metric", "seeds", "alone", "together"]
    rows = [[*head, "gain ± standard error", "verdict"]]
    for one in found:
        own = [one.data, one.task, one.strategy, one.mixing, one.metric, str(len(one.seeds))]
        rows.append([*own, str(one.alone), str(one.together), one.gain_text, one.verdict])
    return rows


def words(found: list[Transfer]) -> str:
    """The answer in a sentence for each row, and one for all."""
    lines = []
    for one in found:
        lines.append(
            f"{one.task} on {one.data}, {one.strategy}, {one.mixing}: {one.metric} {one.alone} "
            f"alone, {one.together} together, a gain of {one.gain_text} (standard error) over "
            f"{len(one.seeds)} seed(s): {one.verdict}."
        )
    verdicts = [one.verdict for one in found]
    counts = ", ".join(
        f"{verdicts.count(verdict)} {verdict}"
        for verdict in ("positive transfer", "no clear transfer", "negative transfer")
    )
    return "\n".join([*lines, f"In all: {counts}."])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, or parents of them")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")


def run(arguments: argparse.Namespace) -> None:
    table = markdown_table if arguments.markdown else aligned
    with readable(arguments.runs) as runs:
        found = compute(runs)
        print(f"{table(cells(found))}\n\n{words(found)}")
