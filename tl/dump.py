"""What analysis needs of a model: its hidden states and attention maps, as arrays."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers.modeling_outputs import ModelOutput

from tl import attention, heads
from tl.build import Setup
from tl.data.batch import Batch, Example, chunks
from tl.device import autocast

BATCH_SIZE = 16


def _outputs(
    setup: Setup, examples: list[Example], option: str
) -> Iterator[tuple[Batch, ModelOutput]]:
    """The backbone's answers, in the order of the examples, with one more output asked for."""
    setup.model.eval()
    batches = [
        some
        for _, own in groupby(examples, key=lambda example: example.task)
        for some in chunks(own, BATCH_SIZE)
    ]
    for some in tqdm(batches, desc="  dump", leave=False, disable=None):
        batch = setup.task.collate(some).to(setup.device)
        with autocast(setup.device, setup.dtype):
            output = setup.model.read(batch.inputs, **{option: True})
        yield batch, output


def _of_encoder(output: ModelOutput, name: str) -> tuple[Tensor, ...]:
    """An output by its name; of a network that reads and writes, what it reads with."""
    asked = output.get(name)
    return output[f"encoder_{name}"] if asked is None else asked


def _half(tensor: Tensor) -> np.ndarray:
    return tensor.to("cpu", torch.float16).numpy()


@torch.no_grad()
def hidden_states(setup: Setup, examples: list[Example]) -> dict[str, np.ndarray]:
    """States of every layer, the embeddings first, as float16.

    Returns:
        `ids` [n], `mean` and `first` [n, L + 1, d] (mean over the real tokens; first token) and,
        where the task labels words, `word_states` [rows, L + 1, d] with a row per kept word, in
        the order of `predictions/<split>.npz`.
    """
    means, firsts, words = [], [], []
    for batch, output in _outputs(setup, examples, "output_hidden_states"):
        mask = batch.inputs["attention_mask"]
        states = [
            h[:, -mask.shape[1] :] for h in _of_encoder(output, "hidden_states")
        ]  # without virtual tokens
        means.append(_half(torch.stack([heads.mean(h.float(), mask) for h in states], dim=1)))
        firsts.append(_half(torch.stack([heads.first(h, mask) for h in states], dim=1)))
        layers = torch.stack(states, dim=2)  # [b, t, L + 1, d]
        words += [
            _half(layers[i, e.positions]) for i, e in enumerate(batch.examples) if e.positions
        ]
    arrays = {
        "ids": np.array([example.id for example in examples]),
        "mean": np.concatenate(means),
        "first": np.concatenate(firsts),
    }
    return arrays | ({"word_states": np.concatenate(words)} if words else {})


@torch.no_grad()
def attention_maps(setup: Setup, examples: list[Example]) -> dict[str, np.ndarray]:
    """Attention weights of every layer and head, as float16.

    Returns:
        `ids` [n], `tokens` [n, t] (text, "" where padded) and `maps` [n, L, h, t, t]; row i of a
        map is what token i looks at, and padded rows and columns are 0. What a row lacks to 1 goes
        to a prefix or to virtual tokens.
    """
    setup.model.backbone.model.set_attn_implementation(attention.NAME)
    t = max(map(len, examples))
    maps, tokens = [], []
    for batch, output in _outputs(setup, examples, "output_attentions"):
        t_batch = batch.inputs["attention_mask"].shape[1]  # virtual positions stand before them
        maps_of_layers = _of_encoder(output, "attentions")
        layers = torch.stack([a[:, :, -t_batch:, -t_batch:] for a in maps_of_layers], dim=1)
        for row, example in zip(layers, batch.examples, strict=True):
            length = len(example)
            full = np.zeros((*row.shape[:2], t, t), dtype=np.float16)
            full[..., :length, :length] = _half(row[..., :length, :length])
            maps.append(full)
            pieces = setup.task.tokenizer.convert_ids_to_tokens(example.inputs["input_ids"])
            tokens.append(pieces + [""] * (t - length))
    ids = np.array([example.id for example in examples])
    return {"ids": ids, "tokens": np.array(tokens), "maps": np.stack(maps)}
