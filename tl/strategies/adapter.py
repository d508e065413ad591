"""Adapters: small bottlenecks inside a frozen network (Houlsby et al., arXiv 1902.00751)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from tl.backbones.base import Backbone, Block, Slot
from tl.options import option
from tl.strategies.base import TransferAdaptor, chosen_blocks


@dataclass(frozen=True)
class Options:
    """Bottleneck adapters."""

    default_lr: ClassVar[float] = 2e-3
    placement: Literal["houlsby", "pfeiffer", "parallel"] = option(
        "houlsby",
        "houlsby: after both sublayers (1902.00751); pfeiffer: after the feed-forward only "
        "(2005.00247); parallel: beside the feed-forward (2110.04366)",
    )
    size: int = option(64, "m, width of the bottleneck", interval="[1, inf)")
    layers: tuple[int, ...] = option((), "layers that get adapters, 0 is the lowest (default all)")
    scale: float = option(1.0, "s, factor of the update (2110.04366, §3.3)", interval="(0, inf)")
    cross: bool = option(False, "houlsby: after the cross-attention too, in decoders that have one")
    norms: bool = option(True, "the layer norms learn too, as in 1902.00751, §2.1")
    init_std: float = option(
        1e-3, "standard deviation of both projections at the start", interval="(0, inf)"
    )


class Bottleneck(nn.Module):
    """The update of an adapter (arXiv 1902.00751, Fig. 2): [..., d] -> [..., d].

        s · (W_up·gelu(W_down·x + b_down) + b_up)        W_down: [m, d]   W_up: [d, m]

    2·d·m + d + m parameters. Both matrices start near zero, so that the adapted network starts near
    the original one: a truncated normal (§3.6; standard deviation 1e-3 and zero biases as in the
    authors' code, 1e-2 in the text). The nonlinearity is left open; the authors' code takes GELU.
    """

    def __init__(self, d: int, size: int, init_std: float, scale: float) -> None:
        super().__init__()
        self.down = nn.Linear(d, size)
        self.up = nn.Linear(size, d)
        self.scale = scale
        for linear in (self.down, self.up):
            nn.init.trunc_normal_(linear.weight, std=init_std, a=-2 * init_std, b=2 * init_std)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.up(F.gelu(self.down(x)))


class Serial(nn.Module):
    """A sublayer, then an adapter on what it returns: f(x) + adapter(f(x))."""

    def __init__(self, sublayer: nn.Module, adapter: Bottleneck) -> None:
        super().__init__()
        self.sublayer, self.adapter = sublayer, adapter

    def forward(self, x: Tensor) -> Tensor:
        h = self.sublayer(x)
        return h + self.adapter(h)


class Parallel(nn.Module):
    """A sublayer and an adapter on one input: f(x) + adapter(x) (arXiv 2110.04366, Fig. 3d)."""

    def __init__(self, sublayer: nn.Module, adapter: Bottleneck) -> None:
        super().__init__()
        self.sublayer, self.adapter = sublayer, adapter

    def forward(self, x: Tensor) -> Tensor:
        return self.sublayer(x) + self.adapter(x)


class Adapter(TransferAdaptor):
    """Houlsby adapters by default, before each residual sum, with the layer norms learning too.

    `pfeiffer` and `parallel` take over the place only, so that placements can be compared: the
    bottleneck, its start and the norms stay as above. AdapterHub's adapter after the feed-forward
    reads the normalised sum and keeps norms frozen; He et al. use ReLU, W_up = 0, s = 4.

    With `layers` given, only the norms of those layers learn, and none outside the layers.

    Default rate 2e-3: chosen on the validation splits of wnut17 and emotion for MiniLM; the paper
    searched 3e-5 to 3e-3 (§3.1).
    """

    Options = Options

    def check(self, backbone: Backbone) -> None:
        blocks = chosen_blocks(backbone, self.options.layers)
        if self.options.cross and not any(block.cross is not None for block in blocks):
            raise ValueError(
                "--strategy.cross: no chosen layer of this model attends to an encoder; "
                "leave it out"
            )
        if self.options.cross and self.options.placement != "houlsby":
            raise ValueError("--strategy.cross belongs to --strategy.placement houlsby")

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        blocks = chosen_blocks(backbone, self.options.layers)
        norms = [norm for block in blocks for norm in block.norms]
        norms += [] if self.options.layers else backbone.norms
        for norm in norms:
            norm.requires_grad_(self.options.norms)
        for block in blocks:
            for slot in self._slots(block):
                adapter = Bottleneck(
                    backbone.hidden_size,
                    self.options.size,
                    self.options.init_std,
                    self.options.scale,
                )
                wrapper = Parallel if self.options.placement == "parallel" else Serial
                slot.replace(wrapper(slot.module, adapter))

    def _slots(self, block: Block) -> list[Slot]:
        if self.options.placement != "houlsby":
            return [block.ffn]
        crossed = [block.cross.exit] if self.options.cross and block.cross is not None else []
        return [block.attention.exit, *crossed, block.ffn]

    def check_merge(self) -> None:
        raise ValueError(
            "adapters are layers of their own, with a nonlinearity: no weight of the network can "
            "carry them"
        )
