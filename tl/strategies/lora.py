"""LoRA: a trainable low-rank update beside frozen projections (arXiv 2106.09685)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tl.backbones.base import Backbone, Slot
from tl.optim import ParamGroup
from tl.options import option
from tl.registry import unknown
from tl.strategies.base import Place, TransferAdaptor, chosen_blocks, plain_linear


@dataclass(frozen=True)
class Options:
    """Low-rank adaptation of projections."""

    default_lr: ClassVar[float] = 2e-3
    r: int = option(8, "r, rank of the update ΔW = (α/r)·BA", interval="[1, inf)")
    alpha: float = option(16.0, "α; the update is scaled by α/r (§4.1)", interval="(0, inf)")
    dropout: float = option(0.0, "dropout on the input of the low-rank path", interval="[0, 1)")
    targets: tuple[str, ...] = option(
        ("query", "value"),
        "projections of each layer: query, key, value, attention_out, ffn_in, ffn_gate, ffn_out; "
        "cross.query, … for cross-attention alone; or all",
    )
    layers: tuple[int, ...] = option((), "layers that are adapted, 0 is the lowest (default all)")
    rslora: bool = option(False, "scale by α/√r instead, stable for large r (2312.03732, Eq. 4)")
    dora: bool = option(False, "learn each row's norm apart from its direction (2402.09353, Eq. 5)")
    lr_ratio: float = option(
        1.0, "LoRA+: λ, rate of B over the rate of A (2402.12354, §4)", interval="(0, inf)"
    )


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable low-rank update (arXiv 2106.09685, Eq. 3).

        h = W₀x + b + (α/r)·BAx        A: [r, d_in]   B: [d_out, r]

    B starts at zero, so wrapping a layer changes nothing until the first update.

    Args:
        frozen: the pretrained layer, W₀: [d_out, d_in]; it stops receiving gradients.
        r: rank of the update.
        alpha: α; the update is scaled by α/r (§4.1), with `rslora` by α/√r (2312.03732, Eq. 4).
        dropout: probability, on the low-rank path only.
        rslora: see `alpha`.

    Raises:
        ValueError: unless 1 <= r <= min(d_in, d_out).
    """

    frozen_is_exact = False  # whether W₀ is needed in the precision of the checkpoint

    def __init__(
        self,
        frozen: nn.Linear,
        r: int,
        alpha: float,
        dropout: float = 0.0,
        rslora: bool = False,
    ) -> None:
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
        self.scale = alpha / (math.sqrt(r) if rslora else r)
        self.dropout = nn.Dropout(dropout)
        # "Random Gaussian" in §4.1, without a variance; the authors' code, like ours,
        # draws A as nn.Linear does: uniform, standard deviation 1/√(3·d_in).
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    @property
    def weight(self) -> Tensor:
        """W₀, for code that asks a projection for its type (T5 of transformers)."""
        return self.frozen.weight

    def update(self, x: Tensor) -> Tensor:
        """(α/r)·BAx: [..., d_in] -> [..., d_out]."""
        return self.scale * F.linear(F.linear(self.dropout(x), self.A), self.B)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(x) + self.update(x)

    def merged_weight(self) -> Tensor:
        """W₀ + (α/r)·BA, in the precision of what learns."""
        with torch.autocast(self.B.device.type, enabled=False):
            return self.frozen.weight.to(self.B.dtype) + self.scale * (self.B @ self.A)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One plain layer that computes the same (§4.1, "no additional inference latency")."""
        return plain_linear(self.merged_weight(), self.frozen.bias)


class DoRALinear(LoRALinear):
    """LoRA on the direction of each row of W; its norm learns apart (arXiv 2402.09353, Eq. 5).

        h = m ⊙ (V / ‖V‖)x + b,   V = W₀ + (α/r)·BA        m: [d_out], starts at ‖W₀‖

    The paper's columns are rows here, since it writes W transposed. As it proposes (§4.3), ‖V‖ is a
    constant for the gradient. A row of zeros stays one: its norm counts as the least number.

    W₀ stays in the precision that ‖W₀‖ was taken in, or m/‖V‖ would not start at one.
    """

    frozen_is_exact = True

    def __init__(
        self, frozen: nn.Linear, r: int, alpha: float, dropout: float = 0.0, rslora: bool = False
    ) -> None:
        super().__init__(frozen, r, alpha, dropout, rslora)
        self.magnitude = nn.Parameter(frozen.weight.detach().float().norm(dim=1))

    def merged_weight(self) -> Tensor:
        direction = super().merged_weight()
        return self.magnitude.unsqueeze(1) * direction / row_norms(direction).unsqueeze(1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            norms = row_norms(super().merged_weight())
        factor = self.magnitude / norms  # [d_out]
        # With dropout the two paths see different inputs, as in the authors' code.
        h = F.linear(x, self.frozen.weight) + self.update(x)
        scaled = factor * h  # rounded once, at the end
        if self.frozen.bias is not None:
            scaled = scaled + self.frozen.bias
        return scaled.to(h.dtype)


def row_norms(weight: Tensor) -> Tensor:
    """‖V‖ of each row, none of them zero: [d_out, d_in] -> [d_out]."""
    return weight.norm(dim=1).clamp_min(torch.finfo(weight.dtype).tiny)


class LoRA(TransferAdaptor):
    """Default targets: query and value, which the paper found best for a fixed budget (§7.1).

    Default rate 2e-3: the best of 1e-3, 2e-3, 4e-3 on the validation split of emotion for MiniLM.
    For roberta-base the paper used 4e-4 to 5e-4 (Table 9).
    """

    Options = Options

    def check(self, backbone: Backbone) -> None:
        chosen_blocks(backbone, self.options.layers)
        known = dict.fromkeys(name for block in backbone.blocks for name in block.projections())
        known = [*known, "all"]
        for target in self.options.targets:
            if target not in known:
                raise unknown("LoRA target", target, known)
        if not any(self._slots(backbone)):
            raise ValueError(
                f"--strategy.targets {','.join(self.options.targets)}: none of the chosen layers "
                f"has one; give other --strategy.layers"
            )

    def _slots(self, backbone: Backbone) -> list[Slot]:
        """`query` is that of every attention, `cross.query` that of cross-attention alone."""
        targets = {*self.options.targets, *(f"cross.{name}" for name in self.options.targets)}
        return [
            slot
            for block in chosen_blocks(backbone, self.options.layers)
            for name, slot in block.projections().items()
            if "all" in targets or name in targets
        ]

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        options = self.options
        layer = DoRALinear if options.dora else LoRALinear
        wrapped = [
            (slot, layer(slot.module, options.r, options.alpha, options.dropout, options.rslora))
            for slot in self._slots(backbone)
        ]
        for slot, module in wrapped:
            slot.replace(module)
        self._outer = {module.B for _, module in wrapped}

    def param_groups(self, places: list[Place], lr: float, weight_decay: float) -> list[ParamGroup]:
        """With a ratio of rates, each layer's B's stand in a group of their own."""
        groups = super().param_groups(places, lr, weight_decay)
        if self.options.lr_ratio == 1:
            return groups
        split = []
        for group in groups:
            fast = [p for p in group.params if p in self._outer]
            slow = [p for p in group.params if p not in self._outer]
            split += [ParamGroup(group.name, slow, group.lr, group.weight_decay)] if slow else []
            faster = group.lr * self.options.lr_ratio
            split += [ParamGroup(f"{group.name}/B", fast, faster, weight_decay)] if fast else []
        return split
