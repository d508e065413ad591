"""What the program knows of an architecture: how it loads, how it is cut, what its exports need."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from tl.backbones.base import Backbone

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class PlainHead:
    """A head as an export sees it: pool -> (dense, tanh) -> out; `pool` as in `tl.heads`."""

    pool: str
    out: nn.Linear
    dense: nn.Linear | None = None


TextHead = Callable[[PlainHead], tuple[Weights, dict[str, object]]]


def no_text_head(head: PlainHead) -> tuple[Weights, dict[str, object]]:
    raise ValueError(
        "the class of transformers that classifies with this family feeds its decoder a shifted "
        "text; ours reads the same text on both sides"
    )


@dataclass(frozen=True)
class Family:
    """How models of one architecture are loaded and cut.

    Attributes:
        cut: brings a loaded network to the common form, in place.
        model: the class of transformers that loads it to label.
        generator: the one that loads it with its language-modelling head, if it can generate.
        cut_generator: what cuts that one, where `cut` would not do.
        pairs: whether an encoder of it can also be the start of a decoder.
        dropouts: the options of its configuration that are dropouts of states or of attention.
        model_options: for `from_pretrained` and `from_config` of both.
        untie: gives the output layer a matrix of its own, where transformers always shares that of
            the embeddings, whatever a configuration says.
        sentencepiece: the class that reads a bare sentencepiece model as the family does, where
            `AutoTokenizer` reads it otherwise.
        restore: from the weights of the common form, by name, to those of the original.
        text_head: the weights, and options of the configuration, by which the class of transformers
            that classifies texts computes what a head of ours computes; ValueError if it cannot.
        token_head: the name of the linear layer in the class that labels tokens, if there is one.
    """

    cut: Callable[[nn.Module], Backbone]
    model: str = "AutoModel"
    generator: str | None = None
    cut_generator: Callable[[nn.Module], Backbone] | None = None
    pairs: bool = False
    dropouts: tuple[str, ...] = ()
    model_options: dict[str, object] = field(default_factory=dict)
    untie: Callable[[nn.Module], None] | None = None
    sentencepiece: str | None = None
    restore: Callable[[Weights], Weights] = dict
    text_head: TextHead = no_text_head
    token_head: str | None = None
