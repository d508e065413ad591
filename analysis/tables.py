"""Tables of finished runs: scores over seeds, and what they cost, a row per configuration."""

import argparse
import re
import shlex
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.checked import check_complete
from analysis.finished import Finished, Spread, in_short, options_of, readable
from analysis.text import aligned, as_code, in_markdown, markdown_table
from tl.runs import Run, write_atomically

SCORES = {  # by the metric that chose the best epoch: what is shown with it
    "f1_macro": ("accuracy", "f1_macro"),
    "f1": ("precision", "recall", "f1"),
    "rougeL": ("rouge1", "rouge2", "rougeL"),
}
BEGIN, END = "<!-- tables:begin -->", "<!-- tables:end -->"
MIB = 2**20


@dataclass(frozen=True)
class Row:
    """Runs that differ by seed only."""

    strategy: str
    options: tuple[str, ...]  # what differs from the defaults, in short: ("r 16", "epochs 3")
    command: str  # without --seed
    seeds: tuple[int, ...]
    scores: dict[str, Spread]
    learning: int
    total: int
    seconds: float  # of optimizer steps alone; like what follows, the mean over seeds
    peak_mib: float
    saved_mib: float
    device: str
    evaluation_seconds: float | None = None  # None where a run has not counted them
    evaluated_per_second: float | None = None

    @property
    def label(self) -> str:
        return self.strategy + (f" ({', '.join(self.options)})" if self.options else "")


@dataclass(frozen=True)
class Table:
    """All rows of one task and data set, and what scores without any model.

    `note` tells tables of one task and data set apart: runs on smaller training sets have their
    own, and so have tasks in text form, which can be labels or names.
    """

    task: str
    data_name: str
    metric: str
    split: str  # "test", or "validation" where the data have no test split
    rows: tuple[Row, ...]
    baselines: tuple[tuple[str, dict[str, Spread]], ...] = ()
    note: str = ""
    untrained: float | None = None  # the mean metric of all runs before their first step

    @property
    def title(self) -> str:
        return ", ".join([f"{self.task} on {self.data_name}", *filter(None, [self.note])])


@contextmanager
def loaded(paths: list[Path]) -> Iterator[list[Table]]:
    """The tables of all finished runs in these directories that are not broken; see `readable`.

    Raises:
        ValueError: if there is no finished run, or runs do not fit together, or at the end, if one
            was broken.
    """
    with readable(paths, check) as runs:
        yield compute(runs)


def check(run: Finished) -> None:
    """Raise ValueError for a run that has not all that a table shows."""
    check_complete(Run(run.path), run.result)
    scores = run.result["scores"].get(run.split, {})
    lacks = [name for name in shown_scores(run) if name not in scores]
    if lacks:
        raise ValueError(f"{run.path}/result.json has no {lacks[0]} of {run.split} in its scores")


def without_seed(command: str) -> str:
    words = shlex.split(command)
    if "--seed" in words:
        place = words.index("--seed")
        del words[place : place + 2]
    return shlex.join(words)


def distinct_seeds(runs: list[Finished]) -> list[Finished]:
    """The runs of a group by seed; of a run and its copy only one, of two runs a ValueError."""
    of_seed: dict[int, Finished] = {}
    for run in runs:
        known = of_seed.setdefault(run.result["seed"], run)
        if known.result != run.result:
            raise ValueError(
                f"{known.path} and {run.path} are two runs of one configuration and one seed; "
                "give the directory of one of them only"
            )
    return [of_seed[seed] for seed in sorted(of_seed)]


def check_equal(runs: list[Finished], name: str) -> None:
    """Raise ValueError unless all these runs have the same value in their results."""
    path_of = {run.result[name]: run.path for run in runs}
    if len(path_of) > 1:
        listed = ", ".join(f"{value} in {path}" for value, path in path_of.items())
        raise ValueError(
            f"these runs have learned from different data, so they cannot be compared; {name} is "
            f"{listed}. Give the directories of one version of the data only"
        )


def make_row(runs: list[Finished], names: tuple[str, ...]) -> Row:
    """Sum up the runs of one configuration."""
    check_equal(runs, "train_examples")
    results = [run.result for run in runs]
    first, split = results[0], runs[0].split
    for run in runs:  # of one table, whose runs may be scored on several splits
        lacks = [name for name in names if name not in run.result["scores"].get(split, {})]
        if lacks:
            raise ValueError(f"{run.path}/result.json has no {lacks[0]} of {split} in its scores")
    return Row(
        strategy=first["strategy"],
        options=in_short(options_of(first["command"])),
        command=without_seed(first["command"]),
        seeds=tuple(result["seed"] for result in results),
        scores={name: Spread.of([r["scores"][split][name] for r in results]) for name in names},
        learning=first["trainable_parameters"],
        total=first["total_parameters"],
        seconds=statistics.fmean(result["train_seconds"] for result in results),
        peak_mib=statistics.fmean(result["peak_memory_mib"]["total"] for result in results),
        saved_mib=statistics.fmean(result["checkpoint_bytes"] for result in results) / MIB,
        device=", ".join(sorted({run.device for run in runs})),
        evaluation_seconds=mean_of(results, "evaluation_seconds"),
        evaluated_per_second=mean_of(results, "evaluation_examples_per_second"),
    )


def mean_of(results: list[dict], name: str) -> float | None:
    """Return the mean of a number over results; None where one of them lacks it."""
    return statistics.fmean(r[name] for r in results) if all(name in r for r in results) else None


def shown_scores(run: Finished) -> tuple[str, ...]:
    """The columns of a run's table; of several tasks together, what decides for each of them."""
    metric = run.result["metric"]
    if metric in SCORES:
        return SCORES[metric]
    of_members = [
        name for name in run.result["scores"][run.split] if name.partition("/")[2] in SCORES
    ]
    return metric, *of_members


def baselines_of(runs: list[Finished], names: tuple[str, ...]) -> dict[str, dict[str, Spread]]:
    """What scores without a model; a deviation only where it differs from run to run."""
    found = defaultdict(list)
    for run in runs:
        for name, scores in run.result.get("baselines", {}).get(run.split, {}).items():
            if scores not in found[name]:
                found[name].append(scores)
    return {
        baseline: {
            name: Spread.of([s[name] for s in scores]) for name in names if name in scores[0]
        }
        for baseline, scores in found.items()
    }


def natural(text: str) -> list[object]:
    """A key by which "r 4" comes before "r 16"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text)]


def make_table(runs: list[Finished], note: str) -> Table:
    """The table of one task and data set; rows with more learning parameters come first."""
    # With --train-size every seed has a training split, and so a fingerprint, of its own.
    check_equal([run for run in runs if not is_small(run)], "data_fingerprint")
    first = runs[0].result
    groups = defaultdict(list)
    for run in runs:
        groups[without_seed(run.result["command"])].append(run)
    names = shown_scores(runs[0])
    rows = [make_row(distinct_seeds(group), names) for group in groups.values()]
    rows.sort(key=lambda row: (-row.learning, natural(row.label)))
    baselines = tuple(baselines_of(runs, names).items())
    before = [run.result.get("scores_before", {}).get(run.split, {}) for run in runs]
    known = [scores[first["metric"]] for scores in before if first["metric"] in scores]
    return Table(
        first["task"], first["data_name"], first["metric"], runs[0].split, tuple(rows), baselines,
        note, statistics.fmean(known) if known else None,
    )  # fmt: skip


def is_small(run: Finished) -> bool:
    return "--train-size" in options_of(run.result["command"])


def compute(runs: list[Finished]) -> list[Table]:
    """A table for each task and data set; ValueError if runs of one saw different data."""
    groups = defaultdict(list)
    for run in runs:
        names = tuple(run.result[name] for name in ("task", "data", "data_name"))
        groups[names, is_small(run), run.result["metric"]].append(run)
    alike = Counter((names, small) for names, small, _ in groups)
    return [
        make_table(
            groups[names, small, metric],
            ", ".join(
                ["smaller training sets"] * small + [f"by {metric}"] * (alike[names, small] > 1)
            ),
        )
        for names, small, metric in sorted(groups)
    ]


def cells(table: Table) -> list[list[str]]:
    """The head and the rows of a table, as text; with a column of devices if they differ.

    Memory is that of the process on a CPU, of allocations on a GPU. Evaluation has columns where
    some run has counted it.
    """
    names = list(table.rows[0].scores)
    costs = ["learning", "share", "saved MiB", "seconds", "peak MiB"]
    mixed = len({row.device for row in table.rows}) > 1
    counted = any(row.evaluation_seconds is not None for row in table.rows)
    costs += ["evaluation seconds", "evaluated/s"] if counted else []
    costs += ["device"] if mixed else []
    lines = [["strategy", "seeds", *names, *costs]]
    for row in table.rows:
        size = [f"{row.learning:,}", f"{row.learning / row.total:.2%}", f"{row.saved_mib:.2f}"]
        cost = [f"{row.seconds:.0f}", f"{row.peak_mib:.0f}"]
        evaluation = (row.evaluation_seconds, row.evaluated_per_second)
        cost += ["-" if n is None else f"{n:.0f}" for n in evaluation] if counted else []
        cost += [row.device] if mixed else []
        lines.append([row.label, str(len(row.seeds)), *map(str, row.scores.values()), *size, *cost])
    for name, scores in table.baselines:
        found = [str(scores.get(score, "-")) for score in names]
        lines.append([f"no model: {name}", "-", *found, *["-"] * len(costs)])
    return lines


def head(table: Table) -> str:
    chosen = "" if table.split == "test" else " (no test split; the best epoch was chosen here)"
    devices = ", ".join(sorted({name for row in table.rows for name in row.device.split(", ")}))
    scores = f"{table.split.capitalize()} scores{chosen}, mean ± standard deviation over seeds"
    return f"{scores}. Measured on: {devices}."


def markdown(table: Table) -> str:
    commands = [
        f"- {in_markdown(row.label)}: {as_code(row.command)} with `--seed` "
        f"{', '.join(map(str, row.seeds))}"
        for row in table.rows
    ]
    parts = [head(table), "", markdown_table(cells(table)), "", *commands]
    return "\n".join([f"### {in_markdown(table.title)}", "", *parts])


def plain(table: Table) -> str:
    """A table for the terminal, with the command of each row."""
    body = [aligned(cells(table))]
    for row in table.rows:
        body += ["", f"{row.label}:", f"  {row.command} --seed {', '.join(map(str, row.seeds))}"]
    return "\n".join([table.title, head(table), "", *body])


def update(path: Path, text: str) -> None:
    """Put `text` between the two markers of a file.

    Raises:
        ValueError: unless the file has each marker once, in order.
    """
    content = path.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise ValueError(
            f"{path} must have the line {BEGIN} once and below it the line {END} once; "
            "write both where the tables shall stand"
        )
    write_atomically(path, f"{before}{BEGIN}\n{text}\n{END}{after}".encode())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, or parents of them")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--update", type=Path, metavar="FILE", help="rewrite it between its markers"
    )


def run(arguments: argparse.Namespace) -> None:
    with loaded(arguments.runs) as tables:
        if arguments.update is None:
            print("\n\n".join(map(markdown if arguments.markdown else plain, tables)))
            return
        update(arguments.update, "\n\n".join(map(markdown, tables)))
        print(f"updated {arguments.update}: {len(tables)} table(s)")
