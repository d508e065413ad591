"""From encoded examples to batches: padding, and an order that wastes little of it."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Example:
    """One encoded example.

    `target` belongs to the task: a class index, or one label per kept word. `positions` holds, for
    tasks that label words, the position of each kept word's first piece.
    """

    id: str
    inputs: dict[str, list[int]]  # input_ids and, for some families, token_type_ids
    target: object
    positions: list[int] = field(default_factory=list)
    task: str = ""  # whose it is, where several tasks learn together
    truncated: tuple[str, ...] = ()  # options of the task whose limits cut something off

    def __len__(self) -> int:
        return len(self.inputs["input_ids"])


def input_keys(examples: Iterable[Example]) -> np.ndarray:
    """A key for the text of each example, [n]: copies have one, whatever their ids and labels.

    Copies are what the model reads as the same, and answers alike.
    """
    inputs = (repr(sorted(example.inputs.items())) for example in examples)
    return np.array([hashlib.sha256(text.encode()).hexdigest()[:16] for text in inputs])


@dataclass(frozen=True)
class Batch:
    """Padded examples of one task."""

    task: str
    inputs: dict[str, Tensor]  # [b, t] each: input_ids, attention_mask, ...
    labels: Tensor
    n_targets: int  # what the loss is a sum over
    examples: list[Example]

    def to(self, device: torch.device) -> "Batch":
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, labels=self.labels.to(device))


def pad(rows: list[list[int]], value: int) -> Tensor:
    """Stack rows of different lengths into [b, t], filling with `value` on the right."""
    t = max(map(len, rows))
    return torch.tensor([row + [value] * (t - len(row)) for row in rows])


def pad_inputs(examples: list[Example], pad_id: int) -> dict[str, Tensor]:
    """Pad every input of the examples, [b, t] each, and add their attention mask."""
    inputs = {
        name: pad([e.inputs[name] for e in examples], pad_id if name == "input_ids" else 0)
        for name in examples[0].inputs
    }
    inputs["attention_mask"] = pad([[1] * len(e) for e in examples], 0)
    return inputs


def bucketed(
    lengths: list[int], batch_size: int, generator: torch.Generator, window: int = 50
) -> list[list[int]]:
    """A shuffled order of batches of neighbours in length.

    All indices are shuffled. The first of them, as many as do not fill a batch, are a batch of
    their own: a text is as likely among them as any other, whatever its length, and so has the same
    expected weight. The others are cut into windows of up to `window` batches, but at most a
    quarter of the data, and sorted by length within each window: long and short examples meet in
    random company from epoch to epoch. The batches are then shuffled.
    """
    order = torch.randperm(len(lengths), generator=generator).tolist()
    n_rest = len(order) % batch_size
    batches = [order[:n_rest]] if n_rest else []
    n_batches = len(order) // batch_size
    span = max(1, min(window, n_batches // 4)) * batch_size
    for start in range(n_rest, len(order), span):
        ordered = sorted(order[start : start + span], key=lambda index: lengths[index])
        batches += chunks(ordered, batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def by_tokens(lengths: list[int], budget: int) -> list[list[int]]:
    """Batches for evaluation: sorted by length, each of at most `budget` padded tokens."""
    batches, batch = [], []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        if batch and (len(batch) + 1) * lengths[index] > budget:
            batches.append(batch)
            batch = []
        batch.append(index)
    return [*batches, batch] if batch else batches


def chunks(items: Iterable, size: int) -> Iterator[list]:
    """Lists of up to `size` consecutive items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
