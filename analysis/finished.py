"""Finished runs: found below a directory, and read."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from tl.runs import Run

SCORES = {  # by task; another task shows the metric that chose its best epoch
    "classification": ("accuracy", "f1_macro"),
    "ner": ("precision", "recall", "f1"),
    "summarization": ("rouge1", "rouge2", "rougeL"),
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
    names = SCORES.get(result["task"], (result["metric"],))
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
