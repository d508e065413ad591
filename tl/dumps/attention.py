"""Attention maps: what each token looks at, in every layer and head."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput

from tl import attention
from tl.build import Setup
from tl.data.records import Dataset
from tl.dumps.outputs import half, of_encoder, outputs

LIMIT = 32


@torch.no_grad()
def collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]:
    """Attention weights of every layer and head, as float16.

    Args:
        setup: the model.
        dataset: that of the setup's task.
        split: whose examples are read.
        limit: how many of them.

    Returns:
        `ids` [n], `tokens` [n, t] (text, "" where padded) and `maps` [n, L, h, t, t]; row i of a
        map is what token i looks at, and padded rows and columns are 0. What a row lacks to 1 goes
        to a prefix or to virtual tokens.
    """
    examples = setup.task.examples(split)[:limit]
    t = max(map(len, examples))
    maps, tokens = [], []
    with forming_weights(setup.model.backbone.model):
        for batch, output in outputs(setup, examples, "output_attentions"):
            layers = maps_of(output, batch.inputs["attention_mask"].shape[1])
            for row, example in zip(layers, batch.examples, strict=True):
                length = len(example)
                full = np.zeros((*row.shape[:2], t, t), dtype=np.float16)
                full[..., :length, :length] = half(row[..., :length, :length])
                maps.append(full)
                pieces = setup.task.tokenizer.convert_ids_to_tokens(example.inputs["input_ids"])
                tokens.append(pieces + [""] * (t - length))
    ids = np.array([example.id for example in examples])
    return {"ids": ids, "tokens": np.array(tokens), "maps": np.stack(maps)}


@contextmanager
def forming_weights(network: nn.Module) -> Iterator[None]:
    """Inside, attention goes through `tl.attention`: the fused kernels form no weights."""
    kernel = network.config._attn_implementation
    network.set_attn_implementation(attention.NAME)
    try:
        yield
    finally:
        network.set_attn_implementation(kernel)


def maps_of(output: ModelOutput, t: int) -> Tensor:
    """The weights of all layers, [b, L, h, t, t], without those of virtual positions.

    Raises:
        ValueError: if the network formed none.
    """
    of_layers = of_encoder(output, "attentions")
    if not of_layers or any(weights is None for weights in of_layers):
        raise ValueError("this network returns no attention weights, so they cannot be dumped")
    return torch.stack([weights[:, :, -t:, -t:] for weights in of_layers], dim=1)
