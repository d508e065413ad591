"""The adapted model: a backbone, a strategy and heads; the whole forward pass is here."""

import torch
from torch import Tensor, nn

from tl.backbones.base import Backbone
from tl.data.batch import Batch
from tl.strategies.base import Place, TransferAdaptor


class AdaptedModel(nn.Module):
    """A backbone that a strategy is attached to, with one head per task."""

    def __init__(
        self, backbone: Backbone, adaptor: TransferAdaptor, heads: dict[str, nn.Module]
    ) -> None:
        super().__init__()
        self.backbone, self.adaptor, self.heads = backbone, adaptor, nn.ModuleDict(heads)
        # Fixed now: a strategy that unfreezes by and by holds requires_grad back later.
        of_heads = set(self.heads.parameters())
        self.learned_names = [
            name for name, p in self.named_parameters() if p.requires_grad or p in of_heads
        ]

    def forward(self, batch: Batch) -> Tensor:
        """Logits of the batch's task: [b, c], or [b, t, c] for a task that labels tokens."""
        hidden = self.adaptor.after(self.backbone(self.adaptor.before(batch.inputs)))  # [b, t, d]
        return self.heads[batch.task](hidden, batch.inputs["attention_mask"])

    def places(self) -> list[Place]:
        """The parts of the network from bottom to top, with all their parameters."""
        places = [
            Place(name, depth, [p for module in modules for p in module.parameters()])
            for depth, (name, modules) in enumerate(self.backbone.parts())
        ]
        above = len(places)
        return [
            *places,
            Place("adaptor", above, list(self.adaptor.parameters())),
            Place("head", above, list(self.heads.parameters())),
        ]

    def learned(self) -> dict[str, Tensor]:
        """What learns, and every head: all that the checkpoint of the backbone does not hold."""
        parameters = dict(self.named_parameters())
        return {name: parameters[name].detach() for name in self.learned_names}

    def store_frozen(self, dtype: torch.dtype) -> None:
        """Keep the weights of frozen linear layers in the type in which they are multiplied.

        Autocast would round them to it at every step anyway; the numbers stay the same.
        """
        for module in self.backbone.modules():
            if isinstance(module, nn.Linear) and not any(
                p.requires_grad for p in module.parameters()
            ):
                module.to(dtype)


def count(parameters: list[nn.Parameter]) -> int:
    """Number of weights; a tied one counts once."""
    return sum(p.numel() for p in set(parameters))
