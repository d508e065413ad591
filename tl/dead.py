"""Dead parameters: what is said to learn, is counted and stored, but never gets a gradient."""

from torch import nn

from tl.monitor import part_of
from tl.optim import ParamGroup

ENOUGH_STEPS = 3  # LoRA's A has none until B, which starts at zero, has moved


class Silence:
    """Follows the learning parameters that have had no gradient yet: none, or exactly zero.

    A single weight may well get none (an embedding of a word that does not occur); a whole
    parameter that gets none is not used by the network, or nothing uses what it makes. After each
    backward pass only those are looked at that are still silent: usually nothing is left after the
    second step. Steps in which a parameter is held back (gradual unfreezing) do not count.

    Args:
        groups: the optimizer's.
        names: of the model's parameters.
    """

    def __init__(self, groups: list[ParamGroup], names: dict[nn.Parameter, str]) -> None:
        self._parameters = {
            f"{part_of(group.name)}: {names[p]}": p for group in groups for p in group.params
        }
        self._told: list[str] = []

    def start(self) -> dict[str, int]:
        """For each parameter, by its place and name, in how many steps it was silent: a new run."""
        return dict.fromkeys(self._parameters, 0)

    def listen(self, silent: dict[str, int]) -> None:
        """After a backward pass: let go of what has a gradient, count the others."""
        for name in list(silent):
            parameter = self._parameters[name]
            if parameter.grad is not None and parameter.grad.any():
                del silent[name]
            elif parameter.requires_grad:
                silent[name] += 1

    def news(self, silent: dict[str, int]) -> list[str]:
        """What a user is told at the end of an epoch, of those that are dead and new among them."""
        new = [name for name in dead(silent) if name not in self._told]
        self._told += new
        return [warning(new)] if new else []


def dead(silent: dict[str, int]) -> list[str]:
    """Those that were free to learn for long enough."""
    return [name for name, n_steps in silent.items() if n_steps >= ENOUGH_STEPS]


def warning(names: list[str], n_shown: int = 5) -> str:
    shown = "; ".join(names[:n_shown]) + ("; …" if len(names) > n_shown else "")
    return (
        f"{len(names)} of the parameters that are to learn got no gradient in any step so far "
        f"({shown}): the network does not use them, or nothing uses what they make"
    )
