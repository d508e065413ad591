"""Scaled dot-product attention, written out, for when its weights are wanted.

Every family that goes through transformers' attention interface can use it: set the model's
attention implementation to `NAME`. It is slower than the fused kernels, which never form the
weights, and computes the same numbers.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

NAME = "tl"


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """softmax(QKᵀ·scaling + mask)·V (arXiv 1706.03762, Eq. 1).

    Args:
        module: the calling attention layer; dropout is on while it trains.
        query: [b, h, t, k].
        key: [b, g, s, k] with g key heads; h is a multiple of g.
        value: [b, g, s, k].
        attention_mask: additive, [b, 1, t, s], or None.
        scaling: 1/√k if None.
        dropout: on the weights.

    Returns:
        the mixed values [b, t, h, k] and the weights [b, h, t, s].
    """
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = F.dropout(scores.softmax(dim=-1), dropout, module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, eager_mask)
