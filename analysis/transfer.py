"""Multi-task runs beside runs of one task: what a task gains, or loses, by learning with others."""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.tables import Finished, Spread, find, read
from tl.runs import Run


@dataclass(frozen=True)
class Transfer:
    """One member of multi-task runs, against runs of that task alone.

    `gain` is the mean over seeds of (together − alone), seed by seed; `error` its standard error,
    None for one seed.
    """

    strategy: str
    task: str
    metric: str
    alone: Spread
    together: Spread
    gain: float
    error: float | None
    seeds: tuple[int, ...]

    @property
    def verdict(self) -> str:
        """What the gain says: beyond twice its standard error, it is no chance."""
        if self.error is None or abs(self.gain) <= 2 * self.error:
            return "no clear transfer"
        return "positive transfer" if self.gain > 0 else "negative transfer"


def compute(runs: list[Finished]) -> list[Transfer]:
    """Pair the members of multi-task runs with the runs of one task, by strategy, data and seed.

    Raises:
        ValueError: if there is no multi-task run, or none of its members has a run alone.
    """
    together = [run for run in runs if run.result["task"] == "multitask"]
    if not together:
        raise ValueError("no run of --task multitask among these; see python train.py --help")
    alone = defaultdict(dict)
    for run in runs:
        result = run.result
        own = alone[result["strategy"], result["task"], result["data_name"]]
        seed = result["seed"]
        if result["task"] != "multitask" and seed in own:
            raise ValueError(
                f"two runs of {result['strategy']} on {result['task']} with seed {seed}: "
                f"{own[seed].path} and {run.path}; leave one out"
            )
        own[seed] = run
    pairs = defaultdict(list)
    for run in together:
        for task, data in members(run):
            other = alone.get((run.result["strategy"], task, data), {}).get(run.result["seed"])
            if other is not None:
                pairs[run.result["strategy"], task].append((other, run))
    if not pairs:
        raise ValueError(
            "no member of the multi-task runs has a run alone with the same strategy, data and seed"
        )
    return [_transfer(strategy, task, found) for (strategy, task), found in sorted(pairs.items())]


def members(run: Finished) -> list[tuple[str, str]]:
    """The members of a multi-task run, with the names of their data."""
    test = run.result["scores"][_split(run)]
    tasks = list(dict.fromkeys(name.partition("/")[0] for name in test if "/" in name))
    names = run.result["data_name"].split("+")
    return list(zip(tasks, names if len(names) == len(tasks) else names * len(tasks), strict=False))


def _split(run: Finished) -> str:
    return list(run.result["scores"])[-1]


def _transfer(strategy: str, task: str, pairs: list[tuple[Finished, Finished]]) -> Transfer:
    metric = pairs[0][0].result["metric"]
    alone = [one.result["scores"][_split(one)][metric] for one, _ in pairs]
    together = [many.result["scores"][_split(many)][f"{task}/{metric}"] for _, many in pairs]
    gains = np.subtract(together, alone)
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None
    seeds = tuple(sorted(one.result["seed"] for one, _ in pairs))
    return Transfer(
        strategy, task, metric, Spread.of(alone), Spread.of(together), float(gains.mean()), error,
        seeds,
    )  # fmt: skip


def words(found: list[Transfer]) -> str:
    """The answer in a sentence for each task."""
    lines = []
    for one in found:
        spread = "" if one.error is None else f" ± {one.error:.3f}"
        lines.append(
            f"{one.task}, {one.strategy}: {one.metric} {one.alone} alone, {one.together} together, "
            f"a gain of {one.gain:+.3f}{spread} (standard error) over {len(one.seeds)} seed(s): "
            f"{one.verdict}."
        )
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, or parents of them")


def run(arguments: argparse.Namespace) -> None:
    finished, _ = find(arguments.runs)
    print(words(compute([read(Run(found.path)) for found in finished])))
