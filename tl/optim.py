"""The optimizer: named parameter groups, AdamW, and a rate that is a function of the step."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class ParamGroup:
    """Parameters that share a learning rate; `name` says what they hold, everywhere."""

    name: str
    params: list[nn.Parameter]
    lr: float
    weight_decay: float


def by_decay(
    name: str, params: list[nn.Parameter], lr: float, weight_decay: float
) -> list[ParamGroup]:
    """Split by dimension: matrices decay; vectors (biases, norms, scales) do not.

    Frozen parameters are left out, and so are empty groups.
    """
    learns = [p for p in params if p.requires_grad]
    groups = [
        ParamGroup(name, [p for p in learns if p.ndim >= 2], lr, weight_decay),
        ParamGroup(f"{name}/no_decay", [p for p in learns if p.ndim < 2], lr, 0.0),
    ]
    return [group for group in groups if group.params]


def check_partition(groups: list[ParamGroup], model: nn.Module) -> None:
    """Raise AssertionError unless every learning parameter is in exactly one group."""
    grouped = [p for group in groups for p in group.params]
    learns = {p for p in model.parameters() if p.requires_grad}
    assert len(grouped) == len(set(grouped)), "a parameter is in two groups"
    assert set(grouped) == learns, "groups and learning parameters differ"


def adamw(groups: list[ParamGroup]) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101, Algorithm 2) with the fused kernel.

    PyTorch multiplies the decay by the learning rate too, which the algorithm does not.
    Each group keeps its peak rate as `base_lr`; the loop sets `lr` from it at every step.
    """
    return torch.optim.AdamW(
        [
            {
                "params": group.params,
                "lr": group.lr,
                "base_lr": group.lr,
                "weight_decay": group.weight_decay,
                "name": group.name,
            }
            for group in groups
        ],
        fused=True,
    )


def pull_back(optimizer: torch.optim.AdamW, starts: dict[nn.Parameter, Tensor]) -> None:
    """After a step: let its decay have pulled toward `starts` instead of zero.

    The step took η·λ·w away from every weight w that has a gradient; adding η·λ·w₀ makes that

        w ← w − η·λ·(w − w₀)        (L2-SP, arXiv 1802.01483, §3, decoupled)

    Args:
        optimizer: it has just taken a step.
        starts: w₀ of each parameter that is pulled there; the others decay toward zero.
    """
    with torch.no_grad():
        for group in optimizer.param_groups:
            for w in group["params"]:
                if w in starts and w.grad is not None:
                    w.add_(starts[w], alpha=group["lr"] * group["weight_decay"])


def lr_scale(step: int, n_steps: int, warmup: float) -> float:
    """Share of the peak rate at a step: a linear rise, then a linear fall.

    The rise reaches 1 at its last step, and the fall would reach 0 at step `n_steps`.

    Args:
        step: 0 for the first.
        n_steps: of the whole run.
        warmup: share of the steps, in [0, 1].
    """
    rise = round(warmup * n_steps)
    if step < rise:
        return (step + 1) / rise
    return (n_steps - step) / max(1, n_steps - rise)
