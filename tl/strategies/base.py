"""The one interface that every transfer strategy implements."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput

from tl import heads
from tl.backbones.base import Backbone, Block
from tl.optim import ParamGroup, by_decay


@dataclass(frozen=True)
class Place:
    """A part of the network: its name, its depth (0 for the stem) and its parameters."""

    name: str
    depth: int
    params: list[nn.Parameter]


class TransferAdaptor(nn.Module, ABC):
    """How a pretrained backbone is turned into one that learns a task.

    Life of a strategy: `check` -> `attach` -> `param_groups` -> (`start_epoch` each epoch). After
    `attach`, `requires_grad` says what will learn, everywhere; nothing else in the program decides
    it. `start_epoch` may switch it off for some epochs, never on for what `attach` left frozen.
    Parameters that do not replace a part of the backbone (a prompt, mixing weights) are its own.
    """

    Options: ClassVar[type]
    n_virtual: int = 0  # positions that `before` puts in front of the text

    def __init__(self, options: object) -> None:
        super().__init__()
        self.options = options

    def check(self, backbone: Backbone) -> None:
        """Raise ValueError, with the reason, if this strategy cannot work on this backbone."""

    @abstractmethod
    def attach(self, backbone: Backbone) -> None:
        """Freeze, wrap or insert modules in place, and set `requires_grad` of every parameter."""

    def start(self, encode: Callable[[str], list[int]], labels: list[str]) -> None:
        """Set what starts from words (a prompt); called after `attach`, if a tokenizer is there.

        Args:
            encode: the ids of a text, without special tokens.
            labels: the names of the classes.
        """

    def notes(self, backbone: Backbone) -> list[str]:
        """What a user should know of this strategy on this backbone, before it is trained."""
        return []

    def learning_rate(self, depth: int, n_parts: int, lr: float) -> float:
        """The peak rate of one part of the network; by default all parts have the same.

        Args:
            depth: 0 for the stem, 1 for the lowest block, ..., n_parts − 1 for what stands on top
                of the backbone: heads, and the strategy's own parameters.
            n_parts: number of parts; L blocks make L + 3.
            lr: the run's rate.
        """
        return lr

    def param_groups(self, places: list[Place], lr: float, weight_decay: float) -> list[ParamGroup]:
        """Name the optimizer's groups: one or two (decay or not) for each part of the network.

        Args:
            places: the parts of the network from bottom to top (`AdaptedModel.places`).
            lr: the run's peak rate.
            weight_decay: for matrices.
        """
        groups = []
        n_parts = 1 + max(place.depth for place in places)
        for place in places:
            rate = self.learning_rate(place.depth, n_parts, lr)
            groups += by_decay(place.name, place.params, rate, weight_decay)
        return groups

    def start_epoch(self, epoch: int, backbone: Backbone) -> None:
        """Hold back a part of what learns (gradual unfreezing); the default does nothing."""

    def before(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change what enters the backbone (prompt tuning); the default is the identity.

        Texts are padded on the right here. What is put in front of them, `n_virtual` positions,
        is cut off from the states again before a head sees them.
        """
        return inputs

    def after(self, output: ModelOutput) -> Tensor:
        """Make of the backbone's answer the states that the heads see, [b, (p +) t, d]."""
        return output.last_hidden_state

    def check_merge(self) -> None:
        """Raise ValueError, with the reason, if plain layers cannot carry this strategy."""

    def merge(self, backbone: Backbone) -> Callable[[], None]:
        """Put what was learned into plain layers that compute the same, where there are wrappers.

        Returns:
            what puts the wrappers back: the pretrained weights inside them were never touched.

        Raises:
            ValueError: if plain layers cannot carry this strategy, or a learned weight is not
                finite. The backbone is then as it was.
        """
        self.check_merge()
        slots = [slot for block in backbone.blocks for slot in block.projections().values()]
        wrapped = [(slot, slot.module) for slot in slots if hasattr(slot.module, "merged")]
        plain = [wrapper.merged() for _, wrapper in wrapped]
        for (slot, _), layer in zip(wrapped, plain, strict=True):
            slot.replace(layer)

        def unmerge() -> None:
            for slot, wrapper in wrapped:
                slot.replace(wrapper)

        return unmerge

    def head(self, d: int, n_out: int, pool: str) -> heads.Head:
        """A new task head; the default is one linear layer."""
        return heads.make("linear", d, n_out, pool)


def chosen_blocks(backbone: Backbone, layers: tuple[int, ...]) -> list[Block]:
    """The blocks with these numbers (0 is the lowest); all of them for an empty tuple.

    Raises:
        ValueError: for a number that the backbone does not have.
    """
    n_blocks = len(backbone.blocks)
    outside = [layer for layer in layers if layer not in range(n_blocks)]
    if outside:
        nearest = min(range(n_blocks), key=lambda layer: abs(layer - outside[0]))
        raise ValueError(
            f"--strategy.layers: this model has layers 0..{n_blocks - 1}, got {outside[0]}; the "
            f"nearest is {nearest}"
        )
    return [backbone.blocks[layer] for layer in sorted(set(layers))] or backbone.blocks


def plain_linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A linear layer of copies of these weights, frozen.

    Raises:
        ValueError: if one of them is not finite.
    """
    if not weight.isfinite().all() or (bias is not None and not bias.isfinite().all()):
        raise ValueError("a learned weight is not finite; a merged layer would answer NaN")
    d_out, d_in = weight.shape
    linear = nn.Linear(d_in, d_out, bias=bias is not None, device=weight.device)
    linear.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach().to(weight.dtype, copy=True), requires_grad=False)
    return linear
