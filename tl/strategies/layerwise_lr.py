"""Layer-wise learning rates: lower layers learn more slowly (ELECTRA, arXiv 2003.10555, §B)."""

from dataclasses import dataclass
from typing import ClassVar

from tl.backbones.base import Backbone
from tl.options import option
from tl.strategies.base import TransferAdaptor


@dataclass(frozen=True)
class Options:
    """Discriminative fine-tuning by depth."""

    default_lr: ClassVar[float] = 4e-4
    decay: float = option(0.8, "ratio of the rates of two neighbouring layers", interval="(0, 1]")


class LayerwiseLR(TransferAdaptor):
    """With L layers, the embeddings at depth 0, layer i at depth i + 1 and the head at depth L + 2:

        η_depth = η · decay^(L + 2 − depth)

    That is the formula of ELECTRA's code, which leaves depth L + 1 empty for BERT-like networks;
    here a norm on top of the last block takes it. The paper's decay is 0.8 for its base and small
    models. ULMFiT (arXiv 1801.06146, §3.2) had the idea, with decay 1/2.6.

    Default rate 4e-4: chosen on the validation split of emotion for MiniLM; ELECTRA used 1e-4
    (base).
    """

    Options = Options

    def attach(self, backbone: Backbone) -> None:
        backbone.requires_grad_(True)

    def learning_rate(self, depth: int, n_parts: int, lr: float) -> float:
        return lr * self.options.decay ** (n_parts - 1 - depth)
