"""The adapted model: a backbone, a strategy and heads; the whole forward pass is here."""

from collections.abc import Set

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput

from tl.backbones.base import Backbone
from tl.data.batch import Batch
from tl.float32 import InFloat32
from tl.generation import generate
from tl.strategies.base import Place, TransferAdaptor


class AdaptedModel(nn.Module):
    """A backbone that a strategy is attached to, with one head per task.

    `pretrained` are the backbone's parameters that it had before the strategy came.
    """

    def __init__(
        self,
        backbone: Backbone,
        adaptor: TransferAdaptor,
        heads: dict[str, nn.Module],
        pretrained: Set[nn.Parameter] = frozenset(),
    ) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.backbone, self.adaptor, self.heads = backbone, adaptor, nn.ModuleDict(heads)
        # Fixed now: a strategy that unfreezes by and by holds requires_grad back later.
        of_heads = set(self.heads.parameters())
        self.learned_names = [
            name for name, p in self.named_parameters() if p.requires_grad or p in of_heads
        ]

    def forward(self, batch: Batch) -> Tensor:
        """Logits of the batch's task.

        [b, c]; [b, t, c] for a task that labels tokens; [b, t, v] for one that generates, with t
        positions of what is generated.

        Rows may be padded on either side. Inside, all are padded on the right, so that a text has
        the same positions, absolute or relative, whatever stands around it.
        """
        if batch.task not in self.heads:  # the network has a head of its own
            return self.read(batch.inputs).logits[:, -batch.labels.shape[1] :]
        mask = batch.inputs["attention_mask"]
        right, back = _turns(mask)
        inputs = {name: x.gather(1, right) for name, x in batch.inputs.items()}
        hidden = self.adaptor.after(self.read(inputs))[:, -mask.shape[1] :]  # without virtual ones
        logits = self.heads[batch.task](hidden, inputs["attention_mask"])
        return logits if logits.ndim == 2 else logits.take_along_dim(back.unsqueeze(-1), dim=1)

    def read(self, inputs: dict[str, Tensor], **asked: bool) -> ModelOutput:
        """The backbone's answer to texts that are padded on the right, virtual positions included.

        Args:
            inputs: [b, t] each.
            asked: what else to return, as `output_hidden_states=True`.
        """
        return self.backbone(self.adaptor.before(self.backbone.complete(inputs)) | asked)

    def generate(self, inputs: dict[str, Tensor], **options: object) -> Tensor:
        """New tokens for each text, [b, n]; see `tl.generation.generate`."""
        read = {name: x for name, x in inputs.items() if not name.startswith("decoder_")}
        return generate(self.backbone, self.adaptor, read, **options)

    def places(self) -> list[Place]:
        """The parts of the network from bottom to top, with all their parameters.

        A tied parameter belongs to the lowest part that holds it.
        """
        places, placed = [], set(self.backbone.new)
        for depth, (name, modules) in enumerate(self.backbone.parts()):
            own = dict.fromkeys(p for module in modules for p in module.parameters())
            places.append(Place(name, depth, [p for p in own if p not in placed]))
            placed |= own.keys()
        above = len(places)
        return [
            *places,
            Place("adaptor", above, list(self.adaptor.parameters())),
            Place("head", above, [*self.heads.parameters(), *self._new()]),
        ]

    def _new(self) -> list[nn.Parameter]:
        return [p for p in self.backbone.parameters() if p in self.backbone.new]

    def learned(self) -> dict[str, Tensor]:
        """What learns, and every head: all that the checkpoint of the backbone does not hold."""
        parameters = dict(self.named_parameters())
        return {name: parameters[name].detach() for name in self.learned_names}

    def learning_matrices(self) -> list[nn.Parameter]:
        """The pretrained matrices that learn: what can be held near its start."""
        return [p for p in self.pretrained if p.requires_grad and p.ndim >= 2]

    def store_frozen(self, dtype: torch.dtype) -> None:
        """Keep the weights of frozen linear layers in the type in which they are multiplied.

        Autocast would round them to it at every step anyway; the numbers stay the same. A language
        head is multiplied in float32, and keeps its weights so; the embeddings that may share its
        matrix do too. So does a layer whose weight is also used otherwise (`frozen_is_exact`).
        """
        modules = list(self.backbone.modules())
        exact = {m.frozen for m in modules if getattr(m, "frozen_is_exact", False)}
        for module in modules:
            if not isinstance(module, nn.Linear) or isinstance(module, InFloat32):
                continue
            if module not in exact and not any(p.requires_grad for p in module.parameters()):
                module.to(dtype)


def _turns(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Indices [b, t] that turn each row until its padding stands on the right, and back."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    n_left = mask.argmax(dim=1, keepdim=True)  # the first real token
    return (positions + n_left) % len(positions), (positions - n_left) % len(positions)


def count(parameters: list[nn.Parameter]) -> int:
    """Number of weights; a tied one counts once."""
    return sum(p.numel() for p in set(parameters))
