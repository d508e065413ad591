"""Full fine-tuning: every pretrained weight learns (BERT, arXiv 1810.04805, §4)."""

from dataclasses import dataclass
from typing import ClassVar

from tl.backbones.base import Backbone
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """Full fine-tuning has no options."""

    default_lr: ClassVar[float] = 2e-4


class FullFineTuning(TransferAdaptor):
    """All weights learn at one rate.

    Default rate 2e-4: chosen on the validation split of emotion for MiniLM. For models of
    bert-base's size and above the paper searched 2e-5 to 5e-5 (1810.04805, §A.3).
    """

    Options = Options

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(True)
