"""Gradual unfreezing and discriminative rates: from the top down (ULMFiT, arXiv 1801.06146)."""

from dataclasses import dataclass
from typing import ClassVar

from tl.backbones.base import Backbone
from tl.options import option
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """Layers join the training from the top down."""

    default_lr: ClassVar[float] = 4e-4
    per_epoch: int = option(
        6, "layers that join in each epoch, from the top; the stem comes last", interval="[1, inf)"
    )
    decay: float = option(
        0.8, "ratio of the rates of two neighbouring layers: η^(l−1) = η^l · decay (§3.2)",
        interval="(0, 1]",
    )  # fmt: skip


class GradualUnfreezing(TransferAdaptor):
    """Epoch e trains the head and the highest (e + 1)·per_epoch layers (§3.3).

    ULMFiT starts with the last layer alone and adds one an epoch; its networks had 3. With a dozen
    layers and a few epochs, several join at once. Its ratio of rates is 1/2.6 (§3.2), and its
    triangular schedule (§3.2) is near the loop's own: a short rise, then a linear fall.

    A layer that joins late meets the rate of that step, lower than the peak; it never catches up.

    Defaults (rate 4e-4, decay 0.8, 6 layers an epoch): chosen on emotion for MiniLM, all of whose
    layers then join at once and the embeddings an epoch later; with 3 layers an epoch, the mean of
    accuracy and macro-F1 was half a point lower.
    """

    Options = Options

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(True)

    def learning_rate(self, depth: int, n_parts: int, lr: float) -> float:
        return lr * self.options.decay ** (n_parts - 1 - depth)

    def start_epoch(self, epoch: int, backbone: Backbone) -> None:
        parts = [modules for _, modules in backbone.parts()]
        n_layers = len(backbone.blocks)
        joined = min(n_layers, (epoch + 1) * self.options.per_epoch)
        # The stem joins in the epoch after the last layer; what is above the layers is always on.
        lowest = 0 if epoch * self.options.per_epoch >= n_layers else 1 + n_layers - joined
        # From the top down: what is tied belongs to the lowest part that holds it.
        for depth, modules in reversed(list(enumerate(parts))):
            for module in modules:
                module.requires_grad_(depth >= lowest)
