"""What happens inside a run, part by part: gradients, updates, how far the weights have gone."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tl.optim import ParamGroup

Copies = dict[nn.Parameter, Tensor]


class Monitor:
    """Measures the parts of a network (stem, block00, ..., adaptor, head) where a step is logged.

        grad_norm/<group>     ‖g‖, before clipping
        update_ratio/<part>   ‖w′ − w‖ / ‖w‖ of this step, after everything that changes w
        drift/<part>          ‖w′ − w₀‖ since the start of the run
        drift_ratio/<part>    ‖w′ − w₀‖ / ‖w₀‖

    Each is over what learns in the part: under LoRA over A and B, not the frozen weight that they
    add to. What is held back (gradual unfreezing) has no gradient and no update, and a part that
    started from zeros no ratio.

    It costs 4 bytes of the host's memory for each learning weight, for w₀, and, in a logged step,
    4 bytes more on the device while the weights are updated. Other steps cost nothing.

    Args:
        groups: the optimizer's; the weights are at w₀ now, also where a run goes on: start values
            are a function of seed and checkpoint, so a rebuilt model has them until what was
            learned is copied into it.
    """

    def __init__(self, groups: list[ParamGroup]) -> None:
        self.groups = groups
        self.parts: dict[str, list[nn.Parameter]] = {}
        for group in groups:
            self.parts.setdefault(part_of(group.name), []).extend(group.params)
        self._starts = {p: _on_host(p) for group in groups for p in group.params}
        self._sizes = {part: _norm(params) for part, params in self.parts.items()}  # ‖w₀‖

    def gradients(self) -> dict[str, float]:
        """Norm of the gradient of each group that has one."""
        norms = {}
        for group in self.groups:
            gradients = [p.grad for p in group.params if p.grad is not None]
            if gradients:
                norms[f"grad_norm/{group.name}"] = _norm(gradients)
        return norms

    def copies(self) -> Copies:
        """The weights that the coming step will change."""
        every = [p for params in self.parts.values() for p in params]
        return {p: p.detach().clone() for p in every if p.grad is not None}

    @torch.no_grad()
    def changes(self, before: Copies) -> dict[str, float]:
        """What the step changed, and how far the weights are from where they started.

        Args:
            before: the copies that were taken before it.
        """
        values = {}
        for part, params in self.parts.items():
            moved = [p for p in params if p in before]
            size = _norm(before[p] for p in moved)
            if size > 0:
                values[f"update_ratio/{part}"] = _norm(p - before[p] for p in moved) / size
            drift = _norm(p - self._starts[p].to(p.device, non_blocking=True) for p in params)
            values[f"drift/{part}"] = drift
            if self._sizes[part] > 0:
                values[f"drift_ratio/{part}"] = drift / self._sizes[part]
        # Weights that explode cannot be squared any more; the loss of the next step says so.
        return {name: value for name, value in values.items() if math.isfinite(value)}


def part_of(group: str) -> str:
    """The part of the network that a group is of: `block00/no_decay` -> `block00`."""
    return group.partition("/")[0]


def _norm(tensors: Iterable[Tensor]) -> float:
    """√(Σ‖x‖²), one tensor after the other, so that differences need not all live at once."""
    norms = [torch.linalg.vector_norm(x.detach()) for x in tensors]
    return torch.stack(norms).norm().item() if norms else 0.0


def _on_host(parameter: nn.Parameter) -> Tensor:
    """A copy that takes none of a GPU's memory, and comes back to it fast."""
    copy = parameter.detach().to("cpu", copy=True)
    return copy.pin_memory() if parameter.device.type == "cuda" else copy
