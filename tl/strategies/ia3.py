"""(IA)³: learned scales of keys, values and the feed-forward's inner states (arXiv 2205.05638)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tl.backbones.base import Backbone, Slot
from tl.strategies.base import TransferAdaptor, plain_linear


@dataclass(frozen=True)
class Options:
    """(IA)³ has no options."""

    default_lr: ClassVar[float] = 2e-2


class ScaledLinear(nn.Module):
    """A frozen linear layer with a learned scale on its output, or on its input.

        of the output: l ⊙ (Wx + b)     l: [d_out]        of the input: W(l ⊙ x) + b     l: [d_in]

    The scale starts at one, so that wrapping a layer changes nothing.
    """

    def __init__(self, frozen: nn.Linear, *, of_output: bool) -> None:
        super().__init__()
        self.frozen, self.of_output = frozen.requires_grad_(False), of_output
        width = frozen.out_features if of_output else frozen.in_features
        self.scale = nn.Parameter(torch.ones(width, device=frozen.weight.device))

    @property
    def weight(self) -> Tensor:
        """W, for code that asks a projection for its type (T5 of transformers)."""
        return self.frozen.weight

    def forward(self, x: Tensor) -> Tensor:
        if self.of_output:
            h = self.frozen(x)
            return (self.scale * h).to(h.dtype)  # rounded once, the scale itself is not
        return self.frozen((self.scale * x).to(x.dtype))

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One plain layer that computes the same."""
        by_rows = self.scale.unsqueeze(1) if self.of_output else self.scale
        bias = self.frozen.bias
        if bias is not None and self.of_output:
            bias = self.scale * bias
        return plain_linear(by_rows * self.frozen.weight.to(self.scale.dtype), bias)


class IA3(TransferAdaptor):
    """l_k and l_v on the keys and values of every attention, l_ff on the inner states of every
    feed-forward sublayer, after its nonlinearity and gate (Fig. 2, §3.3).

    Default rate 2e-2: chosen on the validation split of emotion for MiniLM; the paper used 3e-3
    with Adafactor.
    """

    Options = Options

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        for slot, of_output in _places(backbone):
            slot.replace(ScaledLinear(slot.module, of_output=of_output))


def _places(backbone: Backbone) -> list[tuple[Slot, bool]]:
    places = []
    for block in backbone.blocks:
        for attention in block.attentions().values():
            places += [(attention.key, True), (attention.value, True)]
        places.append((block.ffn_out, False))
    return places
