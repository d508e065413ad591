"""Multi-task runs beside runs of one task: what a task gains, or loses, by learning with others."""

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.finished import Finished, Spread, in_short, options_of, readable
from analysis.statistics import Difference, Sample, at_once, compare, correction
from analysis.text import aligned, by_chance, interval, markdown_table

# What a run and its twin may differ in; of the task options only how tasks are mixed is named.
OF_THE_TASK = ("--task", "--data", "--seed")
VERDICTS = {
    "higher": "positive transfer",
    "not shown": "no clear transfer",
    "lower": "negative transfer",
    "this run only": "this run only",
    "unknown": "unknown",
}
Key = tuple[object, ...]
Pair = tuple[Finished, Finished]  # a run of one task, and the multi-task run of the same seed


@dataclass(frozen=True)
class Transfer:
    """One member of multi-task runs, against runs of that task alone with the same options.

    `gain` is together less alone, in pairs of one seed, corrected for all rows. `repeats`: all
    scores are those of a row before, so it is the same training and the same claim.
    """

    data: str
    task: str
    strategy: str  # with the options that are not its defaults
    mixing: str
    metric: str
    alone: Spread
    together: Spread
    gain: Difference
    repeats: bool

    @property
    def verdict(self) -> str:
        return VERDICTS[self.gain.verdict]


def compute(runs: list[Finished]) -> list[Transfer]:
    """Pair the members of multi-task runs with the runs of one task: same options, data and seed.

    Raises:
        ValueError: if nothing can be paired, or a run could be paired with two.
    """
    together = [run for run in runs if run.result["task"] == "multitask"]
    if not together:
        raise ValueError("no run of --task multitask among these; see python train.py --help")
    alone = defaultdict(list)
    for run in runs:
        alone[(*own_options(run), run.result["task"], run.result["data_name"])].append(run)
    pairs: dict[Key, list[Pair]] = defaultdict(list)
    for run in together:
        for task, data in members(run):
            twins = alone.get((*own_options(run), task, data), [])
            twins = [twin for twin in twins if twin.result["seed"] == run.result["seed"]]
            if not twins:
                continue
            refuse_doubled(task, twins)
            key = run.result["data_name"], task, label(run), mixing(run)
            others = [other for _, other in pairs[key]]
            same = [other for other in others if other.result["seed"] == run.result["seed"]]
            refuse_doubled("multitask", [*same, run])
            pairs[key].append((twins[0], run))
    if not pairs:
        raise ValueError(
            "no member of the multi-task runs has a run alone with the same strategy, options "
            "(--epochs, --lr, ...), data and seed"
        )
    return _judge(dict(sorted(pairs.items())))


def refuse_doubled(task: str, runs: list[Finished]) -> None:
    """Raise ValueError if there are two runs where one is paired."""
    if len(runs) > 1:
        one, other = runs[:2]
        raise ValueError(
            f"two runs of {one.result['strategy']} on {task} with seed {one.result['seed']} and "
            f"the same options: {one.path} and {other.path}; leave one out"
        )


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


def _judge(pairs: dict[Key, list[Pair]]) -> list[Transfer]:
    """A row for each way to learn together; the same training counts as one claim.

    Two ways of mixing are the same training where members are of one size: every score of every
    split is then equal.
    """
    scores = {key: _scores(key[1], some) for key, some in pairs.items()}
    rows: dict[Key, list[Key]] = defaultdict(list)  # of each training
    for key, some in pairs.items():
        results = json.dumps([many.result["scores"] for _, many in some], sort_keys=True)
        rows[(*key[:3], results)].append(key)
    firsts = [some[0] for some in rows.values()]
    gains = at_once([compare(scores[key][1], scores[key][0]) for key in firsts])
    found = {
        key: Transfer(
            *key, pairs[key][0][0].result["metric"],
            *(Spread.of(one.values.tolist()) for one in scores[key]), gain, repeats=key != some[0],
        )
        for some, gain in zip(rows.values(), gains, strict=True)
        for key in some
    }  # fmt: skip
    return [found[key] for key in pairs]


def _scores(task: str, pairs: list[Pair]) -> tuple[Sample, Sample]:
    """Of each seed alone and together; the texts are taken as given."""
    metric = pairs[0][0].result["metric"]
    seeds = tuple(one.result["seed"] for one, _ in pairs)
    alone = [one.result["scores"][one.split][metric] for one, _ in pairs]
    together = [many.result["scores"][many.split][f"{task}/{metric}"] for _, many in pairs]
    return Sample(seeds, np.array(alone)), Sample(seeds, np.array(together))


def cells(found: list[Transfer]) -> list[list[str]]:
    """The table as text."""
    head = ["data", "task", "strategy", "mixing", "metric", "seeds", "alone", "together"]
    rows = [[*head, "gain", "95% at once", "by chance", "verdict"]]
    for one in found:
        own = [one.data, one.task, one.strategy, one.mixing, one.metric, str(one.gain.n_seeds)]
        judged = [interval(one.gain.low, one.gain.high), by_chance(one.gain.p), one.verdict]
        rows.append([*own, str(one.alone), str(one.together), f"{one.gain.mean:+.3f}", *judged])
    return rows


def words(found: list[Transfer]) -> str:
    """The answer in a sentence for each row, and for all."""
    lines = []
    for one in found:
        ends = interval(one.gain.low, one.gain.high)
        judged = f" {ends}, {by_chance(one.gain.p)}," if ends else ""
        lines.append(
            f"{one.task} on {one.data}, {one.strategy}, {one.mixing}: {one.metric} {one.alone} "
            f"alone, {one.together} together, a gain of {one.gain.mean:+.3f}{judged} over "
            f"{one.gain.of_seeds}: {one.verdict}."
        )
    distinct = [one for one in found if not one.repeats]
    verdicts = [one.verdict for one in distinct]
    shown = [v for v in VERDICTS.values() if v.endswith("transfer") or v in verdicts]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in shown)
    n_more = len(found) - len(distinct)
    more = f" Rows whose scores all equal those of another count once ({n_more} more)."
    said = correction([one.gain for one in distinct])
    return "\n".join([*lines, f"In all {len(distinct)}: {counts}.{more * (n_more > 0)} {said}"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, or parents of them")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")


def run(arguments: argparse.Namespace) -> None:
    table = markdown_table if arguments.markdown else aligned
    with readable(arguments.runs) as runs:
        found = compute(runs)
        print(f"{table(cells(found))}\n\n{words(found)}")
