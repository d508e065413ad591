"""Hidden states of every layer: of texts, and of words where the task labels words."""

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import ModelOutput

from tl import heads
from tl.build import Setup
from tl.data.batch import input_keys
from tl.data.records import Dataset
from tl.dumps.outputs import half, of_encoder, outputs

LIMIT = 2000


@torch.no_grad()
def collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]:
    """States of every layer, the embeddings first, as float16 where that holds them (see `half`).

    Args:
        setup: the model.
        dataset: that of the setup's task.
        split: whose examples are read.
        limit: how many of them.

    Returns:
        `ids` [n], `text_keys` [n] (see `input_keys`), `mean` and `first` [n, L + 1, d] (mean over
        the real tokens; first token) and, where the task labels words, `word_states`
        [rows, L + 1, d] with a row per kept word, in the order of `predictions/<split>.npz`,
        `word_pieces` [rows], the first piece of each, and `word_examples` [rows], the place of
        its example.
    """
    examples = setup.task.examples(split)[:limit]
    texts, words, pieces = [], [], []
    for batch, output in outputs(setup, examples, "output_hidden_states"):
        mask = batch.inputs["attention_mask"]
        texts.append(text_states(output, mask))
        layers = torch.stack(real_states(output, mask), dim=2)  # [b, t, L + 1, d]
        words += [half(layers[i, e.positions]) for i, e in enumerate(batch.examples) if e.positions]
        pieces += [e.inputs["input_ids"][i] for e in batch.examples for i in e.positions]
    arrays = {
        "ids": np.array([example.id for example in examples]),
        "text_keys": input_keys(examples),
        **{name: np.concatenate([some[name] for some in texts]) for name in texts[0]},
    }
    if words:
        arrays["word_states"] = np.concatenate(words)
        arrays["word_pieces"] = np.array(setup.task.tokenizer.convert_ids_to_tokens(pieces))
        n_words = [len(example.positions) for example in examples]
        arrays["word_examples"] = np.repeat(np.arange(len(examples)), n_words)
    return arrays


def text_states(output: ModelOutput, mask: Tensor) -> dict[str, np.ndarray]:
    """`mean` over the real tokens of each text and its `first`, [b, L + 1, d] each."""
    states = real_states(output, mask)
    return {
        "mean": half(torch.stack([heads.mean(h.float(), mask) for h in states], dim=1)),
        "first": half(torch.stack([heads.first(h, mask) for h in states], dim=1)),
    }


def real_states(output: ModelOutput, mask: Tensor) -> list[Tensor]:
    """The states of each layer without those of virtual tokens, [b, t, d] each."""
    return [h[:, -mask.shape[1] :] for h in of_encoder(output, "hidden_states")]
