"""Losses, as sums: the loop divides by the number of targets of a whole optimizer step."""

from torch import Tensor

IGNORED = -100  # the label of a position that is no target


def cross_entropy_sum(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Σ −Σ_k q_k·log softmax(logits)_k over the positions whose label is not `IGNORED`.

    The target q is the label, smoothed (arXiv 1512.00567, §7): q_k = (1 − ε)·[k = label] + ε/c.

    Args:
        logits: [..., c]; computed in float32 whatever their type.
        labels: [...], class indices.
        smoothing: ε, in [0, 1).
    """
    real = labels != IGNORED
    # Ignored positions are counted as zeros, not cut out: how many there are is known to the labels
    # alone, and a shape that depends on them would make a GPU wait, and a dry run impossible.
    log_p = logits.float().log_softmax(dim=-1)
    of_label = log_p.gather(-1, labels.where(real, 0).unsqueeze(-1)).squeeze(-1)
    loss = -(1 - smoothing) * of_label.where(real, 0.0).sum()
    if smoothing:
        loss = loss - smoothing * log_p.mean(dim=-1).where(real, 0.0).sum()
    return loss
