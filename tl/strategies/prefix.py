"""Prefix tuning: learned keys and values that every layer attends to (arXiv 2101.00190)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tl import attention
from tl.backbones.base import Attention, Backbone
from tl.options import option
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """A prefix for every attention layer."""

    default_lr: ClassVar[float] = 2e-2
    length: int = option(20, "p, number of prefix positions", interval="[1, inf)")
    hidden: int = option(
        0,
        "width of the MLP that makes the prefixes while they are trained (§4.3); 0: none, as in "
        "P-tuning v2",
        interval="[0, inf)",
    )
    init_std: float = option(
        0.02, "standard deviation of the prefixes at the start", interval="(0, inf)"
    )


class Prefix(nn.Module):
    """p learned positions of one attention layer: 2·g·p·k parameters (arXiv 2110.07602, §3.2)."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        super().__init__()
        self.key, self.value = nn.Parameter(key), nn.Parameter(value)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Keys and values, [g, p, k] each."""
        return self.key, self.value


class Trunk(nn.Module):
    """What the layers' prefixes are made from: tanh(W·P′ + b), [p, hidden]."""

    def __init__(self, length: int, d: int, hidden: int) -> None:
        super().__init__()
        self.seed = nn.Parameter(torch.randn(length, d))  # P′ of §4.3
        self.dense = nn.Linear(d, hidden)

    def forward(self) -> Tensor:
        return torch.tanh(self.dense(self.seed))


class ReparametrizedPrefix(nn.Module):
    """A prefix that an MLP makes of a smaller matrix (arXiv 2101.00190, §4.3).

        P[i, :] = W_l·tanh(W·P′[i, :] + b) + b_l

    The paper's MLP ends in one matrix for all layers; this is layer l's share of it, so that each
    layer holds what is its own. After training, `folded` gives the plain prefix.
    """

    def __init__(self, trunk: Trunk, n_heads: int, width: int) -> None:
        super().__init__()
        self._trunk = (trunk,)  # in a tuple: it belongs to the strategy, not to one layer
        self.dense = nn.Linear(trunk.dense.out_features, 2 * n_heads * width)
        self.n_heads = n_heads

    def forward(self) -> tuple[Tensor, Tensor]:
        made = self.dense(self._trunk[0]())  # [p, 2·g·k]
        key, value = made.unflatten(-1, (2, self.n_heads, -1)).permute(1, 2, 0, 3)  # [g, p, k]
        return key, value

    @torch.no_grad()
    def folded(self) -> Prefix:
        return Prefix(*(x.clone(memory_format=torch.contiguous_format) for x in self()))


class PrefixTuning(TransferAdaptor):
    """Prefixes stand inside attention, before the text's own keys and values (2101.00190, Eq. 3).

    The text keeps its positions, so that it may be as long as without a prefix. An encoder-decoder
    has three kinds: of the encoder, of the decoder, of its look at the encoder (§4.2); with an MLP,
    one each. Where positions are rotated into keys, a prefix has none.

    Default rate 2e-2: chosen on the validation split of emotion for MiniLM. P-tuning v2 used 5e-3
    to 3e-2, the paper 5e-5 with its MLP.
    """

    Options = Options

    def check(self, backbone: Backbone) -> None:
        if self.options.hidden and self.options.init_std != Options.init_std:
            raise ValueError(
                "--strategy.init-std is about plain prefixes; with --strategy.hidden an MLP makes "
                "them. Leave one of the two out"
            )

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        backbone.model.set_attn_implementation(attention.NAME)
        self.trunks = nn.ModuleDict()
        for kind, place in _attentions(backbone):
            place.module.prefix = self._prefix(kind, place, backbone.embedding_width)

    def _prefix(self, kind: str, place: Attention, d: int) -> nn.Module:
        options = self.options
        if options.hidden == 0:
            shape = (place.n_kv_heads, options.length, place.head_width)
            return Prefix(*(options.init_std * torch.randn(shape) for _ in range(2)))
        if kind not in self.trunks:
            self.trunks[kind] = Trunk(options.length, d, options.hidden)
        return ReparametrizedPrefix(self.trunks[kind], place.n_kv_heads, place.head_width)

    def check_merge(self) -> None:
        raise ValueError("a prefix adds keys and values that no weight of the network can carry")

    def fold(self, backbone: Backbone) -> None:
        """Replace every MLP by the prefix that it makes, and let go of the trunks."""
        for _, place in _attentions(backbone):
            if isinstance(place.module.prefix, ReparametrizedPrefix):
                place.module.prefix = place.module.prefix.folded()
        self.trunks.clear()


def _attentions(backbone: Backbone) -> list[tuple[str, Attention]]:
    """Every attention layer, with the kind of prefix that it takes: encoder, decoder or cross."""
    places = []
    for block in backbone.blocks:
        decodes = block.cross is not None or backbone.kind == "decoder"
        places.append(("decoder" if decodes else "encoder", block.attention))
        if block.cross is not None:
            places.append(("cross", block.cross))
    return places
