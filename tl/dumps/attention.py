"""Attention maps: what each token looks at, in every layer and head."""

import numpy as np
import torch

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
    network = setup.model.backbone.model
    kernel = network.config._attn_implementation
    network.set_attn_implementation(attention.NAME)  # the fused kernels form no weights
    t = max(map(len, examples))
    maps, tokens = [], []
    for batch, output in outputs(setup, examples, "output_attentions"):
        t_batch = batch.inputs["attention_mask"].shape[1]  # virtual positions stand before them
        maps_of_layers = of_encoder(output, "attentions")
        layers = torch.stack([a[:, :, -t_batch:, -t_batch:] for a in maps_of_layers], dim=1)
        for row, example in zip(layers, batch.examples, strict=True):
            length = len(example)
            full = np.zeros((*row.shape[:2], t, t), dtype=np.float16)
            full[..., :length, :length] = half(row[..., :length, :length])
            maps.append(full)
            pieces = setup.task.tokenizer.convert_ids_to_tokens(example.inputs["input_ids"])
            tokens.append(pieces + [""] * (t - length))
    network.set_attn_implementation(kernel)
    ids = np.array([example.id for example in examples])
    return {"ids": ids, "tokens": np.array(tokens), "maps": np.stack(maps)}
