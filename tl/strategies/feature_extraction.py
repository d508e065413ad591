"""Feature extraction: only a head over a frozen backbone learns (arXiv 1810.04805, §5.3)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput

from tl import heads
from tl.backbones.base import Backbone
from tl.options import option
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """A head over a frozen backbone."""

    default_lr: ClassVar[float] = 1e-3
    head: Literal["linear", "mlp", "transformer"] = option(
        "mlp",
        "linear; mlp: one hidden layer; transformer: one encoder layer over the token states, "
        "then pooling and a linear layer",
    )
    states: Literal["last", "mix"] = option(
        "last",
        "what the head sees: the last layer, or a learned mix γ·Σ softmax(s)_j·h_j of all of them "
        "(arXiv 1802.05365, Eq. 1)",
    )


class ScalarMix(nn.Module):
    """A weighted sum of all layers' states (ELMo, arXiv 1802.05365, Eq. 1).

        ELMo_t = γ · Σ_{j=0..L} softmax(s)_j · h_{t,j}        s: [L + 1]   γ: []

    It starts as their mean: s = 0, γ = 1.
    """

    def __init__(self, n_states: int) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.zeros(n_states))
        self.gamma = nn.Parameter(torch.ones(()))

    def forward(self, states: tuple[Tensor, ...]) -> Tensor:
        """Mix L + 1 tensors [b, t, d] into one."""
        weights = self.s.softmax(dim=0)
        mixed = sum(weight * state for weight, state in zip(weights, states, strict=True))
        return self.gamma * mixed


class FeatureExtraction(TransferAdaptor):
    """The backbone stays in eval mode: its states of a text are always the same, without dropout.

    Default rate 1e-3: between those that the validation split of emotion chose for MiniLM, 3e-3 for
    an mlp head and 5e-4 for a transformer head.
    """

    Options = Options

    def check(self, backbone: Backbone) -> None:
        if backbone.generates:
            raise ValueError(
                "feature_extraction trains a new head alone, and a model that generates keeps its "
                "own: nothing would learn. Try lora or adapter"
            )

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        backbone.fixed = True
        self.mix = ScalarMix(backbone.n_states) if self.options.states == "mix" else None

    def before(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return inputs if self.mix is None else inputs | {"output_hidden_states": True}

    def after(self, output: ModelOutput) -> Tensor:
        if self.mix is None:
            return output.last_hidden_state
        return self.mix(output.hidden_states)

    def check_merge(self) -> None:
        if self.mix is not None:
            raise ValueError("a learned mix of all layers is not a weight of any of them")

    def head(self, d: int, n_out: int, pool: str) -> heads.Head:
        return heads.make(self.options.head, d, n_out, pool)
