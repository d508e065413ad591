"""The end of a run: scores of the best epoch, predictions, costs, and the tables that show them."""

import torch

from tl.build import sizes
from tl.data.batch import chunks
from tl.device import MIB, autocast, peak_mib, saved_for_backward_mib
from tl.evaluate import evaluate
from tl.loop import Trainer
from tl.runs import write_arrays, write_json
from tl.tables import result_markdown


def finish(trainer: Trainer) -> dict:
    """Score every split but train; write predictions, TensorBoard's pages and, last, the result.

    Returns:
        the content of `result.json`.
    """
    setup, run = trainer.setup, trainer.run
    scores = {}
    for split in trainer.held_out:
        examples = trainer.splits[split]
        scores[split], logits = evaluate(setup, examples, split, trainer.stop)
        write_arrays(run.arrays("predictions", split), setup.task.arrays(examples, logits))
    result = describe(trainer, scores)
    trainer.recorder.text("result", result_markdown(result))
    flat = {f"{split}/{name}": value for split in scores for name, value in scores[split].items()}
    options = {k: v for k, v in vars(setup.config).items() if not k.endswith("_options")}
    best = {f"best/{name}": value for name, value in flat.items()}
    trainer.recorder.hyperparameters(trainer.progress.step, options, best)
    trainer.recorder.close()
    write_json(run.result, result)
    return result


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
        "peak_memory_mib": memory(trainer),
        "checkpoint_bytes": trainer.run.learned.stat().st_size,
    }


def memory(trainer: Trainer) -> dict[str, float]:
    """Where the memory went, in MiB.

    `total` is the measured peak of the process (CPU) or of torch's allocations (GPU); it also holds
    what the parts do not name: on a CPU the libraries, always the temporaries of a step.
    """
    tensors = [
        value
        for state in trainer.optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]
    return {
        "total": peak_mib(trainer.setup.device),
        "weights": sum(p.nbytes for p in set(trainer.model.parameters())) / MIB,
        "gradients": sum(p.nbytes for p in trainer.learns) / MIB,
        "optimizer": sum(tensor.nbytes for tensor in tensors) / MIB,
        "activations": largest_activations(trainer),
    }


def largest_activations(trainer: Trainer) -> float:
    """What the first epoch's largest batch keeps for its backward pass, in MiB."""
    lengths = [len(example) for example in trainer.splits["train"]]
    size = trainer.setup.config.batch_size
    batches = [batch for step in trainer.steps(0) for batch in chunks(step, size)]
    largest = max(batches, key=lambda indices: len(indices) * max(lengths[i] for i in indices))
    batch = trainer.collate(largest)
    trainer.model.train()
    with autocast(trainer.setup.device, trainer.setup.dtype):
        return saved_for_backward_mib(lambda: trainer.task.loss_sum(trainer.model(batch), batch))
