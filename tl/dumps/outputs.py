"""What dumps share: a backbone's answers with one more output, in the order of the examples."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import ModelOutput

from tl.bars import bar
from tl.build import Setup
from tl.data.batch import Batch, Example, chunks
from tl.device import autocast

BATCH_SIZE = 16


def outputs(
    setup: Setup, examples: list[Example], option: str
) -> Iterator[tuple[Batch, ModelOutput]]:
    """The backbone's answers to batches of examples of one task.

    Args:
        setup: the model; it is in eval mode afterwards.
        examples: in the order of the answers.
        option: what else is asked for, as "output_hidden_states".
    """
    batches = [
        setup.task.collate(some)
        for _, own in groupby(examples, key=lambda example: example.task)
        for some in chunks(own, BATCH_SIZE)
    ]
    return answers(setup, batches, option)


def answers(setup: Setup, batches: list[Batch], option: str) -> Iterator[tuple[Batch, ModelOutput]]:
    """The backbone's answers to batches, in their order; see `outputs`."""
    setup.model.eval()
    for batch in bar(batches, "dump"):
        moved = batch.to(setup.device)
        with autocast(setup.device, setup.dtype):
            output = setup.model.read(moved.inputs, **{option: True})
        yield moved, output


def of_encoder(output: ModelOutput, name: str) -> tuple[Tensor, ...]:
    """An output by its name; of a network that reads and writes, what it reads with."""
    asked = output.get(name)
    return output[f"encoder_{name}"] if asked is None else asked


def half(tensor: Tensor) -> np.ndarray:
    """Return float16, or float32 where a value passes its range of 65,504: none becomes infinite.

    T5's states do, of large models in sound trainings. Arrays of both become float32 when they are
    put together.
    """
    wide = tensor.float().cpu()
    narrow = wide.half()
    return (narrow if torch.equal(narrow.isinf(), wide.isinf()) else wide).numpy()
