"""Scaled dot-product attention, written out: with room for a learned prefix, and with its weights.

Every family that goes through transformers' attention interface can use it: set the model's
attention implementation to `NAME`. It is slower than the fused kernels, which never form the
weights, and computes the same numbers.
"""

import torch
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
    position_bias: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """softmax(QKᵀ·scaling + bias + mask)·V (arXiv 1706.03762, Eq. 1).

    Args:
        module: the calling layer; dropout is on while it trains. Its `prefix`, if it has one, is p
            keys and values more, which every query may see (2101.00190, Eq. 3).
        query: [b, h, t, k].
        key: [b, g, s, k] with g key heads; h is a multiple of g.
        value: [b, g, s, k].
        attention_mask: additive, [b, 1, t, s], or None.
        scaling: 1/√k if None.
        dropout: on the weights.
        position_bias: additive too, [1 or b, h, t, s], of families with relative positions.

    Returns:
        the mixed values [b, t, h, k] and the weights [b, h, t, p + s].
    """
    prefix = getattr(module, "prefix", None)
    if prefix is not None:
        front = [x.to(key.dtype).expand(len(key), -1, -1, -1) for x in prefix()]  # [b, g, p, k]
        key, value = (torch.cat(pair, dim=2) for pair in zip(front, (key, value), strict=True))
    shares = query.shape[1] // key.shape[1]  # queries of one key head
    key, value = (x.repeat_interleave(shares, dim=1) for x in (key, value))
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    for bias in (position_bias, attention_mask):
        if bias is not None:
            p = scores.shape[-1] - bias.shape[-1]
            scores = scores + F.pad(bias, (p, 0))  # a prefix is never masked, nor placed
    weights = F.dropout(scores.softmax(dim=-1), dropout, module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, eager_mask)
