"""The end of a run: scores of the best epoch, predictions, costs, and the tables that show them."""

from collections.abc import Callable
from pathlib import Path

from tl import ledger
from tl.advice import result_notes
from tl.build import sizes
from tl.config import Config
from tl.data.batch import chunks
from tl.dead import dead
from tl.device import peak_mib
from tl.loop import Trainer
from tl.metrics import Scores
from tl.runs import Run, remove_arrays, write_arrays, write_json
from tl.tables import result_markdown

# Columns of TensorBoard that are called as on the command line; see `hyperparameters`.
FIRST = ("data", "lr", "model", "seed", "strategy", "task", "train_size")

Draw = Callable[[Run, dict], list[Path]]


def finish(trainer: Trainer, draw: Draw) -> dict:
    """Score every split but train; write predictions, TensorBoard's pages and, last, the result.

    Args:
        trainer: at its end.
        draw: makes pictures of a run that has this result, and says where they are.

    Returns:
        the content of `result.json`.
    """
    setup, run = trainer.setup, trainer.run
    remove_arrays(run)
    scores = {}
    for split in trainer.held_out:
        scores[split], logits = trainer.evaluate(split, split)
        arrays = setup.task.arrays(trainer.splits[split], logits)
        write_arrays(run.arrays("predictions", split), arrays)
    result = describe(trainer, scores)
    try:
        show(trainer, result, draw)
    finally:  # whatever becomes of the pages, a run that is finished says so
        trainer.recorder.close()
        write_json(run.result, result)
    return result


def show(trainer: Trainer, result: dict, draw: Draw) -> None:
    """What TensorBoard has beside curves: the result as a text, options, scores, and figures."""
    setup, scores = trainer.setup, result["scores"]
    trainer.recorder.text("result", result_markdown(result))
    best = {f"{split}/{n}": v for split in scores for n, v in overall(scores[split]).items()}
    trainer.recorder.hyperparameters(trainer.progress.step, hyperparameters(setup.config), best)
    try:
        for path in draw(trainer.run, result):
            trainer.recorder.picture(path)
    except (ValueError, OSError) as error:
        trainer.report(f"note: the run is finished, but its figures were not drawn: {error}")


def overall(scores: Scores) -> Scores:
    """Leave out the scores of single types: their names are those of one data set."""
    types = {name.removesuffix("support") for name in scores if name.endswith("/support")}
    return {n: v for n, v in scores.items() if n.rpartition("/")[0] + "/" not in types}


def hyperparameters(config: Config) -> dict[str, object]:
    """The options of a run as TensorBoard's columns: `strategy`, `strategy.r`, `training.clip`.

    TensorBoard orders them by name and shows five at first, so what is of less interest has a name
    that comes last.
    """
    named = {}
    for flag, value in config.flags().items():
        name = flag.removeprefix("--").replace("-", "_")
        known = name in FIRST or name.startswith(("strategy.", "task."))
        named[name if known else f"training.{name}"] = value
    return named


def describe(trainer: Trainer, scores: dict) -> dict:
    """What `result.json` holds."""
    setup, progress = trainer.setup, trainer.progress
    return {
        "status": "finished",
        "command": setup.config.command(),
        "task": setup.config.task,
        "data": setup.config.data,
        "data_name": setup.task.dataset.name,
        "data_fingerprint": setup.task.dataset.fingerprint,
        "model": setup.config.model,
        "strategy": setup.config.strategy,
        "seed": setup.config.seed,
        "metric": setup.task.metric,
        "train_examples": len(trainer.splits["train"]),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "scores": scores,
        "scores_before": trainer.scores_before,
        "baselines": {split: setup.task.baselines(split) for split in scores},
        **sizes(setup.model, trainer.groups),
        "train_seconds": progress.seconds,
        "examples_per_second": progress.speed,
        "evaluation_seconds": progress.evaluation_seconds,
        "evaluation_examples_per_second": progress.evaluation_speed,
        "device": str(setup.device),
        "dead_parameters": dead(progress.silent),
        "peak_memory_mib": memory(trainer),
        "checkpoint_bytes": trainer.run.learned.stat().st_size,
        "notes": result_notes(
            setup.task, setup.config, scores["validation"], trainer.scores_before["validation"]
        ),
    }


def memory(trainer: Trainer) -> dict[str, object]:
    """Where the memory went, in MiB; see `tl.ledger`.

    `total` is the measured peak of the process (CPU) or of torch's allocations (GPU), evaluation
    included; on a CPU it also holds the libraries. What follows is of a step with the largest batch
    of the first epoch: as it was measured and, under `predicted`, as its shapes alone foretell.
    """
    total = peak_mib(trainer.setup.device)  # first: measuring a step starts the count anew
    batch = trainer.collate(largest_batch(trainer))
    return {
        "total": total,
        **ledger.measured(trainer.setup, batch, trainer.optimizer),
        "predicted": ledger.predicted(trainer.setup, batch),
    }


def largest_batch(trainer: Trainer) -> list[int]:
    """The examples of the first epoch's batch with most tokens, padding included."""
    lengths = [len(example) for example in trainer.splits["train"]]
    size = trainer.setup.config.batch_size
    batches = [batch for step in trainer.steps(0) for batch in chunks(step, size)]
    return max(batches, key=lambda indices: len(indices) * max(lengths[i] for i in indices))
