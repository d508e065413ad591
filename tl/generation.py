"""Text from an adapted decoder or encoder-decoder, by the search of transformers."""

import torch
from torch import Tensor

from tl.backbones.base import Backbone
from tl.strategies.base import TransferAdaptor


def enter(backbone: Backbone, adaptor: TransferAdaptor, inputs: dict[str, Tensor]) -> dict:
    """What enters the network: the strategy's virtual positions in front of the text.

    Args:
        backbone: one that generates.
        adaptor: attached to it.
        inputs: [b, t] each, padded on the right.

    Returns:
        inputs for the network, padded on the left for a decoder: new tokens follow the text.
    """
    entered = adaptor.before(inputs)
    if backbone.kind != "decoder":
        return entered
    mask = entered["attention_mask"]
    positions = torch.arange(mask.shape[1], device=mask.device)
    turned = (positions + mask.sum(dim=1, keepdim=True)) % mask.shape[1]  # [b, p + t]
    return {
        name: x.gather(1, turned) if x.ndim == 2 else x.take_along_dim(turned.unsqueeze(-1), dim=1)
        for name, x in entered.items()
    }


@torch.no_grad()
def generate(
    backbone: Backbone, adaptor: TransferAdaptor, inputs: dict[str, Tensor], **options: object
) -> Tensor:
    """New tokens for each text, [b, ≤ max_new_tokens].

    Args:
        backbone: one that was loaded with its language-modelling head.
        adaptor: attached to it.
        inputs: [b, t] each, padded on the right.
        options: of `GenerationMixin.generate`: max_new_tokens, num_beams, use_cache, …

    Both are in evaluation mode afterwards.
    """
    backbone.eval()
    adaptor.eval()
    entered = enter(backbone, adaptor, inputs)
    made = backbone.model.generate(**entered, **options)
    if backbone.kind == "encoder-decoder":
        return made[:, 1:]  # without the token that every text starts from
    repeated = entered["input_ids"].shape[1] if "input_ids" in entered else 0
    return made[:, repeated:]
