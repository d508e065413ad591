"""What a finished run has written, before anything is computed from it: complete, and possible."""

import shlex
from pathlib import Path

from tl.runs import Run

NEEDED = (
    *("command", "task", "data", "data_name", "data_fingerprint", "strategy", "seed", "metric"),
    *("train_examples", "scores", "trainable_parameters", "total_parameters", "train_seconds"),
    *("peak_memory_mib", "checkpoint_bytes"),
)  # of a result.json, for tables
DRAWN = (
    *("task", "data_name", "strategy", "seed", "metric", "best_epoch", "scores_before"),
    "parameter_groups",
)  # for curves


def require(run: Run, path: Path, found: dict, names: tuple[str, ...]) -> None:
    """Raise ValueError unless a file of a run has all of these values."""
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no {missing[0]}; leave this run out, or repeat it: python train.py "
            f"--config {run.config} --overwrite"
        )


def check_command(run: Run, result: dict) -> None:
    """Raise ValueError for a result without the command line that names its configuration."""
    require(run, run.result, result, ("command",))
    try:
        words = shlex.split(result["command"])
    except ValueError:  # an open quotation mark
        words = []
    if words[:2] != ["python", "train.py"]:
        raise ValueError(f"{run.result}: {result['command'][:50]!r} is no command of train.py")


def check_complete(run: Run, result: dict) -> None:
    """Raise ValueError for a result that has not all that tables show, or is impossible."""
    require(run, run.result, result, NEEDED)
    check_command(run, result)
    if not "".join(shlex.split(result["command"])[2:3]).startswith("--"):
        raise ValueError(f"{run.result}: {result['command'][:50]!r} is no command of train.py")
    if not result["total_parameters"]:
        raise ValueError(f"{run.result}: a model has more than 0 parameters")
    if not result["scores"].keys() & {"validation", "test"}:
        raise ValueError(f"{run.result} has scores of neither validation nor test")


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
    if not run.metrics.is_file():
        raise ValueError(
            f"{run.metrics} is missing, from which curves are drawn; repeat the run: python "
            f"train.py --config {run.config} --overwrite"
        )
    records = run.read_metrics()
    for i, record in enumerate(records, 1):
        if "epoch" in record and not {"train/loss_of_epoch", score} <= record.keys():
            raise ValueError(f"{run.metrics}, line {i}: an epoch without its loss or its {score}")
    n_epochs = sum("epoch" in record for record in records)
    if n_epochs and not 1 <= result["best_epoch"] <= n_epochs:
        raise ValueError(f"{run.metrics} does not hold the best epoch of {run.result}")
    measured = {name for record in records if "train/loss" in record for name in record}
    if n_epochs and not measured & {f"grad_norm/{group['name']}" for group in groups}:
        raise ValueError(f"{run.metrics} holds no norm of a gradient; repeat the run")
    return records
