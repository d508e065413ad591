"""Finished runs: finding them, reading them, and what their command lines say."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tl.runs import Run

SCORES = {  # by the metric that chose the best epoch: what is shown with it
    "f1_macro": ("accuracy", "f1_macro"),
    "f1": ("precision", "recall", "f1"),
    "rougeL": ("rouge1", "rouge2", "rougeL"),
}
NEEDED = (
    *("command", "task", "data", "data_name", "data_fingerprint", "strategy", "seed", "metric"),
    *("train_examples", "scores", "trainable_parameters", "total_parameters", "train_seconds"),
    *("peak_memory_mib", "checkpoint_bytes"),
)  # of a result.json, for tables
DRAWN = (
    *("task", "data_name", "strategy", "seed", "metric", "best_epoch", "scores_before"),
    "parameter_groups",
)  # for curves


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
    """Read a finished run; ValueError if its `result.json` is older than what is needed here."""
    result, env = run.read_result(), run.read_env()
    require(run, run.result, result, NEEDED)
    require(run, run.env, env, ("device",))
    check_consistent(run, result)
    return Finished(run.path, result, env["device"])


def require(run: Run, path: Path, found: dict, names: tuple[str, ...]) -> None:
    """Raise ValueError unless a file of a run has all of these values."""
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no {missing[0]}; leave this run out, or repeat it: python train.py "
            f"--config {run.config} --overwrite"
        )


def check_consistent(run: Run, result: dict) -> None:
    """Raise ValueError for a result that no run can have written."""
    try:
        words = shlex.split(result["command"])
    except ValueError:  # an open quotation mark
        words = []
    if words[:2] != ["python", "train.py"] or not "".join(words[2:3]).startswith("--"):
        raise ValueError(f"{run.result}: {result['command'][:50]!r} is no command of train.py")
    if not result["total_parameters"]:
        raise ValueError(f"{run.result}: a model has more than 0 parameters")
    names = SCORES.get(result["metric"], (result["metric"],))
    for split, scores in (result["scores"] or {"validation": {}}).items():
        lacks = [name for name in names if name not in scores]
        if lacks:
            raise ValueError(f"{run.result} has no {lacks[0]} among its scores of {split}")


def history(run: Run, result: dict) -> list[dict]:
    """The lines of a run's `metrics.jsonl`, with all that curves are drawn from.

    Raises:
        ValueError: if something is missing there, or in the result.
    """
    require(run, run.result, result, DRAWN)
    score = f"validation/{result['metric']}"
    groups = result["parameter_groups"]
    named = [isinstance(group, dict) and isinstance(group.get("name"), str) for group in groups]
    if not named or not all(named):
        raise ValueError(f"{run.result}: its parameter_groups have no names")
    if result["metric"] not in result["scores_before"].get("validation", {}):
        raise ValueError(f"{run.result}: its scores_before of validation lack {result['metric']}")
    records = run.read_metrics()
    for i, record in enumerate(records, 1):
        if "epoch" in record and not {"train/loss_of_epoch", score} <= record.keys():
            raise ValueError(f"{run.metrics}, line {i}: an epoch without its loss or its {score}")
    n_epochs = sum("epoch" in record for record in records)
    if n_epochs and not 1 <= result["best_epoch"] <= n_epochs:
        raise ValueError(f"{run.metrics} does not hold the best epoch of {run.result}")
    if n_epochs and not any(name.startswith("grad_norm/") for one in records for name in one):
        raise ValueError(f"{run.metrics} holds no norm of a gradient; repeat the run")
    return records


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
