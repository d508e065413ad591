"""What a strategy may know about a pretrained model: its parts, under one set of names."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput

Kind = Literal["encoder", "decoder", "encoder-decoder"]


@dataclass(frozen=True)
class Slot:
    """A place in a network that holds a replaceable module: attribute `name` of `parent`."""

    parent: nn.Module
    name: str

    @property
    def module(self) -> nn.Module:
        return getattr(self.parent, self.name)

    def replace(self, new: nn.Module) -> None:
        setattr(self.parent, self.name, new)


@dataclass(frozen=True)
class Block:
    """One transformer layer, as slots.

    The first six are projections, an `nn.Linear` each in every family. `attention_exit` and `ffn`
    end the two sublayers: what they return is what is added to the residual stream, the place of a
    serial adapter (arXiv 1902.00751, Fig. 2). `ffn` is the whole feed-forward sublayer, a function
    of one tensor, so that a parallel adapter can stand beside it (arXiv 2110.04366, Fig. 3).
    """

    module: nn.Module
    query: Slot
    key: Slot
    value: Slot
    attention_out: Slot
    ffn_in: Slot
    ffn_out: Slot
    attention_exit: Slot
    ffn: Slot
    norms: list[nn.Module]


PROJECTIONS = ("query", "key", "value", "attention_out", "ffn_in", "ffn_out")


class Backbone(nn.Module):
    """A pretrained network cut into `stem`, `blocks` and `top`, in the order of the data.

    Args:
        model: the network, already in the common form.
        kind: what it is built for.
        stem: modules before the first block.
        blocks: the transformer layers.
        top: modules after the last block.
        norms: layer norms outside the blocks.
        hidden_size: d, of the states that it returns.
        n_positions: longest input, where a table of positions limits it.

    Raises:
        AssertionError: unless every parameter lies in exactly one of the three parts.
    """

    def __init__(
        self,
        model: nn.Module,
        kind: Kind,
        *,
        stem: list[nn.Module],
        blocks: list[Block],
        top: list[nn.Module],
        norms: list[nn.Module],
        hidden_size: int,
        n_positions: int | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.kind = kind
        self.stem, self.blocks, self.top, self.norms = stem, blocks, top, norms
        self.hidden_size, self.n_positions = hidden_size, n_positions
        self.fixed = False  # a fixed backbone stays in eval mode also while heads train
        placed = Counter(p for _, modules in self.parts() for m in modules for p in m.parameters())
        for name, parameter in model.named_parameters():
            assert placed[parameter] == 1, f"{name} lies in {placed[parameter]} parts, not in one"

    def parts(self) -> list[tuple[str, list[nn.Module]]]:
        """The network from bottom to top: ("stem", ...), ("block00", ...), ..., ("top", ...)."""
        blocks = [(f"block{i:02d}", [block.module]) for i, block in enumerate(self.blocks)]
        return [("stem", self.stem), *blocks, ("top", self.top)]

    def train(self, mode: bool = True) -> "Backbone":
        return super().train(mode and not self.fixed)

    def forward(self, inputs: dict[str, Tensor]) -> ModelOutput:
        """Run the network; of the answer, `last_hidden_state` is [b, t, d]."""
        return self.model(**inputs)


@dataclass(frozen=True)
class Family:
    """How models of one architecture are loaded and cut.

    `cut` brings a loaded network to the common form, in place. `model_options` go to
    `AutoModel.from_pretrained`, `tokenizer_options` to `AutoTokenizer.from_pretrained`.
    """

    cut: Callable[[nn.Module], Backbone]
    model_options: dict[str, object] = field(default_factory=dict)
    tokenizer_options: dict[str, object] = field(default_factory=dict)
