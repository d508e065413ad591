"""BitFit: only the biases learn (arXiv 2106.10199)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tl.backbones.base import Backbone
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """BitFit has no options."""

    default_lr: ClassVar[float] = 5e-3


class BitFit(TransferAdaptor):
    """All biases of the network, those of the layer norms among them (§3).

    Biases of keys are among them too, and count, though under plain attention they cannot change
    anything: qᵢ·(kⱼ + b) = qᵢ·kⱼ + qᵢ·b adds one number to all scores of a query, and softmax
    forgets it. `notes` says so; in the paper, those of queries and of the feed-forward's inner
    layer alone nearly reach what all of them reach (§4).

    Default rate 5e-3: chosen on the validation split of emotion for MiniLM; the paper searched
    1e-4 to 1e-3.
    """

    Options = Options

    def check(self, backbone: Backbone) -> None:
        if not _biases(backbone):
            raise ValueError(
                f"bitfit trains biases, and {type(backbone.model).__name__} has none; try lora, "
                "ia3 or adapter"
            )

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(False)
        for bias in _biases(backbone):
            bias.requires_grad_(True)

    def notes(self, backbone: Backbone) -> list[str]:
        attentions = [a for block in backbone.blocks for a in block.attentions().values()]
        dead = [a.key.module.bias for a in attentions if not a.key_bias_acts]
        dead = [bias for bias in dead if bias is not None]
        if not dead:
            return []
        n_dead = sum(bias.numel() for bias in dead)
        return [
            f"{n_dead:,} of the biases, those of {len(dead)} key projections, cannot change any "
            "output: they add the same to all scores of a query"
        ]


def _biases(backbone: Backbone) -> list[nn.Parameter]:
    found = [getattr(module, "bias", None) for module in backbone.modules()]
    return [bias for bias in found if isinstance(bias, nn.Parameter)]
