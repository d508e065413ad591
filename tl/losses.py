"""Losses, as sums: the loop divides by the number of targets of a whole optimizer step."""

import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # the label of a position that is no target


def cross_entropy_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """Σ −log softmax(logits)[label] over the positions whose label is not `IGNORED`.

    Args:
        logits: [..., c]; computed in float32 whatever their type.
        labels: [...], class indices.
    """
    flat = logits.float().flatten(0, -2)
    return F.cross_entropy(flat, labels.flatten(), ignore_index=IGNORED, reduction="sum")
