"""Finished runs: finding them, reading them, and what their command lines say."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.checked import require
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
        return "test" if "test" in self.result["scores"] else "validation"


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


def read(run: Run) -> Finished:
    """Read a finished run; ValueError if what it wrote is not all that is needed here."""
    result, env = run.read_result(), run.read_env()
    require(run, run.result, result, ("command",))
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
