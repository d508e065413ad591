"""The end of a run: scores of the best epoch, predictions, costs, and the tables that show them."""

from collections.abc import Callable
from pathlib import Path

from tl import ledger
from tl.build import sizes
from tl.data.batch import chunks
from tl.dead import dead
from tl.device import peak_mib
from tl.evaluate import evaluate
from tl.loop import Trainer
from tl.runs import Run, remove_arrays, write_arrays, write_json
from tl.tables import result_markdown

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
        examples = trainer.splits[split]
        scores[split], logits = evaluate(setup, examples, split, trainer.stop)
        write_arrays(run.arrays("predictions", split), setup.task.arrays(examples, logits))
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
    flat = {f"{split}/{name}": value for split in scores for name, value in scores[split].items()}
    options = {k: v for k, v in vars(setup.config).items() if not k.endswith("_options")}
    best = {f"best/{name}": value for name, value in flat.items()}
    trainer.recorder.hyperparameters(trainer.progress.step, options, best)
    try:
        for path in draw(trainer.run, result):
            trainer.recorder.picture(path)
    except (ValueError, OSError) as error:
        trainer.report(f"note: the run is finished, but its figures were not drawn: {error}")


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
        "examples_per_second": progress.n_examples / max(progress.seconds, 1e-9),
        "device": str(setup.device),
        "dead_parameters": dead(progress.silent),
        "peak_memory_mib": memory(trainer),
        "checkpoint_bytes": trainer.run.learned.stat().st_size,
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
