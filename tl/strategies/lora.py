"""LoRA: a trainable low-rank update beside frozen projections (arXiv 2106.09685)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from tl.backbones.base import PROJECTIONS, Backbone
from tl.options import option
from tl.registry import unknown
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """Low-rank adaptation of projections."""

    default_lr: ClassVar[float] = 2e-3
    r: int = option(8, "r, rank of the update ΔW = (α/r)·BA", interval="[1, inf)")
    alpha: float = option(16.0, "α; the update is scaled by α/r (§4.1)", interval="(0, inf)")
    dropout: float = option(0.0, "dropout on the input of the low-rank path", interval="[0, 1)")
    targets: tuple[str, ...] = option(
        ("query", "value"),
        "projections of each layer: query, key, value, attention_out, ffn_in, ffn_out, or all",
    )


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable low-rank update (arXiv 2106.09685, Eq. 3).

        h = W₀x + b + (α/r)·BAx        A: [r, d_in]   B: [d_out, r]

    B starts at zero, so wrapping a layer changes nothing until the first update.

    Args:
        frozen: the pretrained layer, W₀: [d_out, d_in]; it stops receiving gradients.
        r: rank of the update.
        alpha: α; the update is scaled by α/r (§4.1).
        dropout: probability, on the low-rank path only.

    Raises:
        ValueError: unless 1 <= r <= min(d_in, d_out).
    """

    def __init__(self, frozen: nn.Linear, r: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        d_out, d_in = frozen.weight.shape
        if not 1 <= r <= min(d_in, d_out):
            limit = min(d_in, d_out)
            raise ValueError(
                f"LoRA rank (--strategy.r) must be in 1..{limit} for a layer {d_in}->{d_out}, "
                f"got {r}"
            )
        self.frozen = frozen.requires_grad_(False)
        self.A = nn.Parameter(frozen.weight.new_empty(r, d_in))
        self.B = nn.Parameter(frozen.weight.new_zeros(d_out, r))
        self.scale = alpha / r
        self.dropout = nn.Dropout(dropout)
        # "Random Gaussian" in §4.1, without a variance; the authors' code, like ours,
        # draws A as nn.Linear does: uniform, standard deviation 1/√(3·d_in).
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        update = F.linear(F.linear(self.dropout(x), self.A), self.B)  # [..., d_in] -> [..., d_out]
        return self.frozen(x) + self.scale * update


class LoRA(TransferAdaptor):
    """Default targets: query and value, which the paper found best for a fixed budget (§7.1).

    Default rate 2e-3: the best of 1e-3, 2e-3, 4e-3 on the validation split of emotion for MiniLM.
    For roberta-base the paper used 4e-4 to 5e-4 (Table 9).
    """

    Options = Options

    def check(self, backbone: Backbone) -> None:
        for target in self.options.targets:
            if target not in (*PROJECTIONS, "all"):
                raise unknown("LoRA target", target, (*PROJECTIONS, "all"))

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        targets = self.options.targets
        for block in backbone.blocks:
            for target in PROJECTIONS if "all" in targets else dict.fromkeys(targets):
                slot = getattr(block, target)
                slot.replace(
                    LoRALinear(
                        slot.module, self.options.r, self.options.alpha, self.options.dropout
                    )
                )
