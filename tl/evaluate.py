"""A model's answers and scores on examples: in eval mode, in batches of like length."""

from collections.abc import Callable

import torch

from tl.bars import bar
from tl.build import Setup
from tl.data.batch import Example
from tl.device import autocast
from tl.metrics import Scores
from tl.tasks.base import Answers

TOKENS = {"cpu": 1024, "cuda": 32768}  # of a batch, with padding: a CPU wants it to fit its cache
Stop = Callable[[], bool]


def never() -> bool:
    return False


@torch.no_grad()
def infer(
    setup: Setup, examples: list[Example], what: str, stop: Stop = never
) -> tuple[Answers, float]:
    """Answers to examples, in their order, in eval mode, and the mean loss over their targets.

    Args:
        setup: model and task.
        examples: of one task.
        what: a word for the progress bar.
        stop: asked before every batch; once true, KeyboardInterrupt is raised.
    """
    setup.model.eval()
    answers: Answers = [None] * len(examples)
    loss_sum, n_targets = 0.0, 0
    batches = setup.task.batches(examples, TOKENS[setup.device.type])
    for indices in bar(batches, what):
        if stop():
            raise KeyboardInterrupt
        batch = setup.task.collate([examples[i] for i in indices]).to(setup.device)
        with autocast(setup.device, setup.dtype):
            loss, some = setup.task.answer(setup.model, batch)
        loss_sum += loss.item()
        n_targets += batch.n_targets
        for index, one in zip(indices, some, strict=True):
            answers[index] = one
    return answers, loss_sum / max(1, n_targets)


def evaluate(
    setup: Setup, examples: list[Example], what: str, stop: Stop = never
) -> tuple[Scores, Answers]:
    """The task's scores of a split, its mean `loss` among them, and its answers; see `infer`."""
    answers, loss = infer(setup, examples, what, stop)
    return setup.task.score(examples, answers) | {"loss": loss}, answers
