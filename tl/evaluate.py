"""A model's logits and scores on examples: in eval mode, in batches of like length."""

from collections.abc import Callable

import torch
from tqdm import tqdm

from tl.build import Setup
from tl.data.batch import Example, by_tokens
from tl.device import autocast
from tl.metrics import Scores
from tl.tasks.base import Logits

TOKENS = {"cpu": 1024, "cuda": 32768}  # of a batch, with padding: a CPU wants it to fit its cache
Stop = Callable[[], bool]


def never() -> bool:
    return False


@torch.no_grad()
def infer(
    setup: Setup, examples: list[Example], what: str, stop: Stop = never
) -> tuple[Logits, float]:
    """Logits of examples, in their order, in eval mode, and the mean loss over their targets.

    Args:
        setup: model and task.
        examples: of one task.
        what: a word for the progress bar.
        stop: asked before every batch; once true, KeyboardInterrupt is raised.
    """
    setup.model.eval()
    logits: Logits = [None] * len(examples)
    loss_sum, n_targets = 0.0, 0
    batches = by_tokens([len(e) for e in examples], TOKENS[setup.device.type])
    for indices in tqdm(batches, desc=f"  {what}", leave=False, disable=None):
        if stop():
            raise KeyboardInterrupt
        batch = setup.task.collate([examples[i] for i in indices]).to(setup.device)
        with autocast(setup.device, setup.dtype):
            output = setup.model(batch)
        loss_sum += setup.task.loss_sum(output, batch).item()
        n_targets += batch.n_targets
        for index, one in zip(indices, setup.task.predict(output, batch), strict=True):
            logits[index] = one
    return logits, loss_sum / max(1, n_targets)


def evaluate(
    setup: Setup, examples: list[Example], what: str, stop: Stop = never
) -> tuple[Scores, Logits]:
    """The task's scores of a split, its mean `loss` among them, and its logits; see `infer`."""
    logits, loss = infer(setup, examples, what, stop)
    return setup.task.score(examples, logits) | {"loss": loss}, logits
