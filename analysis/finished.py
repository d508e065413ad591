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
)  # of a result.json


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
    missing = [f"{run.result} has no {name}" for name in NEEDED if name not in result]
    missing += [f"{run.env} has no device"] * ("device" not in env)
    if missing:
        raise ValueError(
            f"{missing[0]}; leave this run out, or repeat it: python train.py --config "
            f"{run.config} --overwrite"
        )
    check_consistent(run, result)
    return Finished(run.path, result, env["device"])


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
