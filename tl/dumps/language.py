"""What is left of a language model: the loss of its pretraining, on the same gaps before and after.

The head that predicts words is read from the checkpoint and put on the adapted backbone, so that
one number says how well the states still serve what the model was pretrained for.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tl import seed
from tl.backbones.locate import read_config
from tl.backbones.pretrained import Form, read_network
from tl.bars import bar
from tl.build import Setup
from tl.data.batch import Example, chunks, pad, pad_inputs
from tl.data.encode import filler_id
from tl.device import autocast
from tl.float32 import compute_in_float32
from tl.losses import IGNORED

BATCH_SIZE = 16
SHARE = 0.15  # of the word pieces that are hidden (arXiv 1810.04805, §3.1)
LOADERS = {"encoder": AutoModelForMaskedLM, "decoder": AutoModelForCausalLM}


class LanguageModel:
    """The adapted backbone of a run, with the language-modelling head of its checkpoint.

    Output embeddings that are tied to the input's stay as the checkpoint has them.

    Raises:
        ValueError: if the checkpoint has no such head.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.masked = setup.model.backbone.kind == "encoder"
        self.network = _network(setup).to(setup.device).eval()
        setup.model.eval()

    @torch.no_grad()
    def losses(self, examples: list[Example]) -> np.ndarray:
        """Mean loss of each text, [n], in nats per predicted word piece; nan: it has none.

        A masked model predicts what `mask` hides; a causal one every piece but the first.
        """
        found = []
        for some in bar(list(chunks(examples, BATCH_SIZE)), "language"):
            inputs, labels = self._asked(some)
            inputs = {name: x.to(self.setup.device) for name, x in inputs.items()}
            found.append(_mean_losses(self._logits(inputs), labels.to(self.setup.device)))
        return torch.cat(found).cpu().numpy()

    def _asked(self, examples: list[Example]) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs, and what is to be predicted at each position, [b, t]."""
        tokenizer = self.setup.task.tokenizer
        inputs = pad_inputs(examples, filler_id(tokenizer))
        ids = inputs["input_ids"]
        if not self.masked:
            labels = ids.masked_fill(inputs["attention_mask"] == 0, IGNORED).roll(-1, dims=1)
            labels[:, -1] = IGNORED
            return inputs, labels
        special = set(tokenizer.all_special_ids)
        rows = [mask(example.inputs["input_ids"], special) for example in examples]
        hidden = pad(rows, 0).bool()
        masked = ids.masked_fill(hidden, tokenizer.mask_token_id)
        return inputs | {"input_ids": masked}, ids.masked_fill(~hidden, IGNORED)

    def _logits(self, inputs: dict[str, Tensor]) -> Tensor:
        """[b, t, v], without virtual tokens."""
        options = {} if self.masked else {"use_cache": False}
        t = inputs["attention_mask"].shape[1]
        with autocast(self.setup.device, self.setup.dtype):
            logits = self.network(**self.setup.model.adaptor.before(inputs), **options).logits
        return logits[:, -t:]


def mask(ids: list[int], special: set[int]) -> list[int]:
    """1 where a piece is hidden, [t]: a seventh of the real pieces, at least one where there are.

    All of them are replaced, none is kept or drawn anew: that is for training. They depend on the
    text alone, so that every model, on every day and in any batch, fills the same gaps.
    """
    real = [i for i, id in enumerate(ids) if id not in special]
    order = torch.randperm(len(real), generator=seed.generator(0, f"masks/{ids}")).tolist()
    hidden = {real[i] for i in order[: max(1, round(SHARE * len(real)))]}
    return [int(i in hidden) for i in range(len(ids))]


def _mean_losses(logits: Tensor, labels: Tensor) -> Tensor:
    losses = F.cross_entropy(logits.float().mT, labels, reduction="none", ignore_index=IGNORED)
    n_targets = (labels != IGNORED).sum(dim=1)
    return losses.sum(dim=1) / n_targets  # 0 / 0 is nan


def _network(setup: Setup) -> nn.Module:
    """The checkpoint's network to predict words, with the adapted backbone in place of its own."""
    backbone, model = setup.model.backbone, setup.config.model
    if backbone.kind not in LOADERS:
        raise ValueError(f"{model} reads and writes: it has no loss on a text alone")
    if backbone.generates:  # it has kept its head
        return backbone.model
    if setup.config.init == "random":
        raise ValueError("the model began with random weights: there was nothing to forget")
    network, unfilled = read_network(
        model, LOADERS[backbone.kind], Form(generates=True), config=read_config(model)
    )
    if unfilled:
        raise ValueError(
            f"the checkpoint of {model} has no language-modelling head ({unfilled[0]} is missing)"
        )
    if backbone.kind == "encoder" and setup.task.tokenizer.mask_token_id is None:
        raise ValueError(f"the tokenizer of {model} has no token that hides a word")
    for part in network.children():
        if part is not network.base_model:
            compute_in_float32(part)
    setattr(network, network.base_model_prefix, backbone.model)
    return network
