"""Finished runs: finding them, reading them, and what their command lines say."""

import argparse
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.checked import check_command, require
from tl.runs import Run


@dataclass(frozen=True)
class Finished:
    """A finished run: where it lies, its `result.json`, and the name of its device."""

    path: Path
    result: dict
    device: str

    @property
    def split(self) -> str:
        """The split whose scores are shown: the test split, where the data have one."""
        return scored_split(self.result)


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n − 1) over seeds; one seed has no deviation."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), deviation)

    def __str__(self) -> str:
        """`.931 ± .002`."""
        numbers = [self.mean] if self.deviation is None else [self.mean, self.deviation]
        return " ± ".join(f"{number:.3f}".removeprefix("0") for number in numbers)


def scored_split(result: dict) -> str:
    """Test, or validation where the data have no test split."""
    return "test" if "test" in result["scores"] else "validation"


def find(paths: list[Path]) -> tuple[list[Run], list[Run]]:
    """The finished and the unfinished runs in these directories and below them.

    `reference` counts only where it is named itself: `runs` alone means the reader's own runs.
    """
    folders = set()
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"there is no directory {path}")
        for config in path.rglob("config.json"):
            if "reference" not in config.relative_to(path).parts:
                folders.add(config.parent.resolve())
    runs = [Run(folder) for folder in sorted(folders)]
    finished = [run for run in runs if run.result.is_file()]
    # The directory of a model has a config.json too, but only a run has an env.json.
    return finished, [run for run in runs if run.env.is_file() and run not in finished]


def find_finished(paths: list[Path]) -> list[Run]:
    """The finished runs in these directories; unfinished ones are named on stderr.

    Raises:
        ValueError: if there is no finished run.
    """
    finished, unfinished = find(paths)
    for run in unfinished:
        try:
            made_by = run.made_by()
            why = "not finished" if made_by is None else f"no result, made by {made_by}"
        except (ValueError, OSError) as error:  # a torn env.json
            why = str(error)
        print(f"left out, {why}: {run.path}", file=sys.stderr)
    if not finished:
        places = ", ".join(map(str, paths))
        raise ValueError(f"no finished run (config.json and result.json) in {places}")
    return finished


@contextmanager
def readable(
    paths: list[Path], check: Callable[[Finished], object] = lambda run: None
) -> Iterator[list[Finished]]:
    """The finished runs in these directories that can be read; the others are left out.

    All broken ones are named on stderr at once, each with its file and the reason. What is done
    with the rest is done first; then the broken ones are refused.

    Args:
        paths: of runs, or parents of them.
        check: raises ValueError for a run that lacks what is asked of it.

    Raises:
        ValueError: if there is no finished run, or at the end, if one was broken.
    """
    whole, n_broken = [], 0
    for run in find_finished(paths):
        try:
            found = read(run)
            check(found)
        except OtherTaskError:
            raise
        except ValueError as error:
            print(f"left out, broken: {error}", file=sys.stderr)
            n_broken += 1
        else:
            whole.append(found)
    if whole:
        yield whole
    if n_broken:
        raise ValueError(
            f"{n_broken} of {n_broken + len(whole)} finished runs are broken, for what is said "
            "above, and left out; repeat them or give other directories"
        )


def read(run: Run) -> Finished:
    """Read a finished run; ValueError if what it wrote is not all that is needed here."""
    result, env = run.read_result(), run.read_env()
    check_command(run, result)
    require(run, run.env, env, ("device",))
    return Finished(run.path, result, env["device"])


def options_of(command: str) -> dict[str, str]:
    """The options on a command line by their names: `{"--lr": "0.001", "--no-strategy.norms": ""}`.

    What has its default is not on the command line that `result.json` holds.
    """
    options: dict[str, str] = {}
    for word in shlex.split(command)[2:]:  # after "python train.py"
        if word.startswith("--"):
            name = word
            options[name] = ""
        else:
            options[name] = word
    return options


def in_short(options: dict[str, str]) -> tuple[str, ...]:
    """Options as a label shows them, but what a table says already.

    `--strategy.r 16 --model ai/bert --no-strategy.norms` becomes `r 16`, `model bert`, `no norms`.
    """
    said = ("--task", "--data", "--strategy", "--seed", "--task.data")
    shown = []
    for flag, value in options.items():
        if flag not in said:
            off, name = flag.startswith("--no-"), flag[2:].removeprefix("no-")
            name = name.removeprefix("strategy.").removeprefix("task.")
            value = value.rstrip("/").rpartition("/")[2]
            shown.append(" ".join(["no"] * off + [name] + [value] * bool(value)))
    return tuple(shown)


def configurations(results: list[dict], with_seed: bool = False) -> list[str]:
    """What tells configurations apart: the strategy, then the options in which they differ."""
    options = [in_short(options_of(result["command"])) for result in results]
    uses = Counter(option for own in options for option in own)
    names = []
    for result, own in zip(results, options, strict=True):
        told = [option for option in own if uses[option] < len(results)]
        told += [f"seed {result['seed']}"] if with_seed else []
        names.append(result["strategy"] + (f" ({', '.join(told)})" if told else ""))
    return names


def labels_of(results: list[dict], paths: Sequence[Path] = ()) -> list[str]:
    """What tells runs apart: the configuration, and where there are several seeds, the seed.

    Args:
        results: of the runs.
        paths: of the runs, for the message.

    Raises:
        ValueError: if two of them have one name.
    """
    many_seeds = len({result["seed"] for result in results}) > 1
    labels = configurations(results, with_seed=many_seeds)
    doubled = [label for label, n in Counter(labels).items() if n > 1]
    if doubled:
        alike = [str(path) for path, label in zip(paths, labels, strict=False) if label in doubled]
        named = " and ".join(alike[:2]) or "two of these runs"
        raise ValueError(
            f"{named} are both called {doubled[0]!r}; give runs of one task and data set, each "
            "configuration and seed once"
        )
    return labels


class OtherTaskError(ValueError):
    """What cannot be asked of a run of this task, whatever is dumped of it."""


def out_folder(runs: list[Path], out: Path | None) -> Path:
    """Where an analysis writes: RUN/analysis; of several runs, where --out says.

    Raises:
        ValueError: if that is not said, or there is, or can be, no directory to write to.
    """
    if out is None and len(runs) > 1:
        raise ValueError("several runs: say with --out DIR where the files about them shall go")
    folder = runs[0] / "analysis" if out is None else out
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        reason = "cannot be written to" if there.is_dir() else "is no directory"
        raise ValueError(
            f"--out {folder}: {there} {reason}; give a directory, or a path where nothing is yet"
        )
    return folder


def refuse_other_data(runs: list[Run], results: list[dict]) -> None:
    """Raise ValueError unless all runs are of one task and one data set, by its name.

    The fingerprint says more, but with --train-size it is another one for every seed.
    """
    names = [tuple(result.get(key) for key in ("task", "data_name")) for result in results]
    for run, (task, data) in zip(runs, names, strict=True):
        if (task, data) != names[0]:
            raise ValueError(
                f"{runs[0].path} is of {names[0][0]} on {names[0][1]}, {run.path} of {task} on "
                f"{data}; only runs of one task and data set are compared: leave out the others"
            )


@dataclass(frozen=True)
class Asked:
    """The runs of a command line: their results and names, the split, and where to write."""

    runs: list[Run]
    results: list[dict]
    labels: list[str]
    split: str
    out: Path

    @property
    def about(self) -> str:
        """What the runs are of, `ner, wnut17`: a figure stands without the text around it."""
        return f"{self.results[0]['task']}, {self.results[0]['data_name']}"


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add what the analyses of one or more runs take."""
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        help="finished run directories, or parents of them; seeds of a configuration are read as "
        "one",
    )
    parser.add_argument("--split", help="default: test, or validation where there is no test")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: RUN/analysis; needed for several runs"
    )


def asked(arguments: argparse.Namespace) -> Asked:
    """What was asked by the arguments of `add_runs`.

    Raises:
        ValueError: if a run is missing, not finished, broken or named twice, runs are of several
            tasks or data sets, or --out is missing or no directory.
    """
    runs = named_runs(arguments.runs)
    out = out_folder([run.path for run in runs], arguments.out)
    results, broken = [], []
    for run in runs:
        try:
            result = run.read_result()
            require(run, run.result, result, ("strategy", "seed", "scores"))
            check_command(run, result)
            results.append(result)
        except ValueError as error:
            broken.append(str(error))
    if broken:  # without one of its seeds a configuration would be another
        raise ValueError("\n".join(broken))
    refuse_other_data(runs, results)
    labels = labels_of(results, [run.path for run in runs])
    return Asked(runs, results, labels, arguments.split or scored_split(results[0]), out)


def named_runs(paths: list[Path]) -> list[Run]:
    """The runs that are meant: those named themselves, and the finished ones in other folders."""
    found = []
    for path in paths:
        run = Run(path)
        parent = path.is_dir() and not run.config.is_file()
        found += find_finished([path]) if parent else [run]
    return found
