"""What a strategy may know about a pretrained model: its parts, under one set of names."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
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
class Attention:
    """One attention sublayer: its projections, an `nn.Linear` each, and where it ends.

    `module` is the layer that calls the attention function; a prefix is hung there. It has
    `n_kv_heads` heads of keys and values (fewer than queries under grouped-query attention), each
    `head_width` wide. What `exit` returns is added to the residual stream.

    A bias of keys adds one number to all scores of a query, which softmax forgets; it acts
    (`key_bias_acts`) only where positions meet it, rotary or disentangled ones.
    """

    module: nn.Module
    n_kv_heads: int
    query: Slot
    key: Slot
    value: Slot
    out: Slot
    exit: Slot
    key_bias_acts: bool = False

    @property
    def head_width(self) -> int:
        return self.key.module.out_features // self.n_kv_heads

    def projections(self) -> dict[str, Slot]:
        """By name, in the order of the data."""
        return {
            "query": self.query, "key": self.key, "value": self.value, "attention_out": self.out,
        }  # fmt: skip


@dataclass(frozen=True)
class Block:
    """One transformer layer: its sublayers, as slots.

    `ffn` is the whole feed-forward sublayer, a function of one tensor: what it returns is added to
    the residual stream, the place of a serial adapter (arXiv 1902.00751, Fig. 2), and a parallel
    adapter can stand beside it (arXiv 2110.04366, Fig. 3). A gated feed-forward has `ffn_gate`
    (arXiv 2002.05202, Eq. 5); a decoder that reads an encoder has `cross`.
    """

    module: nn.Module
    attention: Attention
    ffn_in: Slot
    ffn_out: Slot
    ffn: Slot
    norms: list[nn.Module]
    ffn_gate: Slot | None = None
    cross: Attention | None = None

    def attentions(self) -> dict[str, Attention]:
        """Self-attention and, where there is one, cross-attention."""
        return {"self": self.attention} | ({} if self.cross is None else {"cross": self.cross})

    def projections(self) -> dict[str, Slot]:
        """Every projection by name, in the order of the data; that of `cross` as `cross.query`."""
        named = self.attention.projections()
        if self.cross is not None:
            named |= {f"cross.{name}": slot for name, slot in self.cross.projections().items()}
        named["ffn_in"] = self.ffn_in
        if self.ffn_gate is not None:
            named["ffn_gate"] = self.ffn_gate
        return named | {"ffn_out": self.ffn_out}


class Backbone(nn.Module):
    """A pretrained network cut into `stem`, `blocks` and `top`, in the order of the data.

    Args:
        model: the network as transformers made it, already in the common form. One that was loaded
            to generate has a language-modelling head too, which belongs to `top`.
        kind: what it is built for.
        stem: modules before the first block.
        blocks: the transformer layers; an encoder's come before its decoder's.
        top: modules after the last block.
        norms: layer norms outside the blocks.
        n_positions: longest input, where a table of positions limits it.
        stacks: of an encoder-decoder: its encoder and its decoder.

    Raises:
        ValueError: if it has no layers, or no attention heads.
        AssertionError: unless every parameter lies in exactly one of the three parts; a tied one
            may show up in a higher part again.
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
        n_positions: int | None = None,
        stacks: tuple[nn.Module, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        n_heads = [a.n_kv_heads for block in blocks for a in block.attentions().values()]
        if min(n_heads, default=0) < 1:
            missing = "attention no heads" if blocks else "it no layers"
            raise ValueError(f"the model's config.json gives {missing}; it needs one at least")
        self.model = model
        self.kind = kind
        self.stem, self.blocks, self.top, self.norms = stem, blocks, top, norms
        self.n_positions, self._stacks = n_positions, stacks
        self.hidden_size = blocks[-1].ffn_out.module.out_features  # d, of the states it returns
        self.fixed = False  # a fixed backbone stays in eval mode also while heads train
        self.new: Set[nn.Parameter] = frozenset()  # made for the task: they learn as heads do
        placed = Counter(p for _, modules in self.parts() for m in modules for p in m.parameters())
        tied = Counter(p for _, p in model.named_parameters(remove_duplicate=False))
        for name, parameter in model.named_parameters():
            n_parts = placed[parameter]
            assert n_parts == 1 or 1 < n_parts <= tied[parameter], (
                f"{name} lies in {n_parts} parts, not in one"
            )

    def parts(self) -> list[tuple[str, list[nn.Module]]]:
        """The network from bottom to top: ("stem", ...), ("block00", ...), ..., ("top", ...)."""
        blocks = [(f"block{i:02d}", [block.module]) for i, block in enumerate(self.blocks)]
        return [("stem", self.stem), *blocks, ("top", self.top)]

    @property
    def embedding(self) -> nn.Module:
        """From ids to what enters the first block's stem, [b, t] -> [b, t, e]."""
        return self.model.get_input_embeddings()

    @property
    def generates(self) -> bool:
        """Whether it was loaded with its language-modelling head."""
        return self.model.get_output_embeddings() is not None

    @property
    def start_id(self) -> int | None:
        """The token that the decoder of an encoder-decoder starts from, where its model says so."""
        ids = (
            getattr(source, "decoder_start_token_id", None)
            for source in (self.model.generation_config, self.model.config)
        )
        return next((id for id in ids if id is not None), None)

    @property
    def embedding_width(self) -> int:
        """e; it is d but where embeddings are projected."""
        return self.embedding.weight.shape[1]

    @property
    def n_states(self) -> int:
        """How many hidden states the network returns: one more than the blocks that make them."""
        if self._stacks is None:
            return len(self.blocks) + 1
        return sum(block.cross is not None for block in self.blocks) + 1

    def train(self, mode: bool = True) -> "Backbone":
        return super().train(mode and not self.fixed)

    def checkpoint_activations(self) -> None:
        """From now on, keep only what enters each block while training, and compute the rest anew
        in the backward pass (arXiv 1604.06174): less memory, about a third more time.
        """
        self.model.activation_checkpointing_enable({"use_reentrant": False})
        # That made the embeddings ask for gradients, which only the other form of checkpointing
        # needs: below the lowest learning weight, nothing has to be kept or computed anew.
        self.model.disable_input_require_grads()

    def complete(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add what an encoder-decoder reads and a task that only labels does not give.

        Its decoder then reads the same text as its encoder (BART, arXiv 1910.13461, §3.1-3.2).
        """
        if self._stacks is None or "decoder_input_ids" in inputs:
            return inputs
        return inputs | {
            "decoder_input_ids": inputs["input_ids"],
            "decoder_attention_mask": inputs["attention_mask"],
        }

    def forward(self, inputs: dict[str, Tensor]) -> ModelOutput:
        """Run the network on completed inputs.

        Of the answer, `last_hidden_state` is [b, t, d]; a network that generates gives `logits`
        [b, t, v] instead, with t positions of the decoder.
        """
        if self.generates:
            return self.model(**inputs, use_cache=False)
        if self.kind == "encoder":
            return self.model(**inputs)
        if self._stacks is None:
            return self.model.base_model(**inputs, use_cache=False)
        return self._encode_and_decode(inputs)

    def _encode_and_decode(self, inputs: dict[str, Tensor]) -> ModelOutput:
        encoder, decoder = self._stacks
        asked = {name: value for name, value in inputs.items() if name.startswith("output_")}
        of_decoder = {
            name.removeprefix("decoder_"): value
            for name, value in inputs.items()
            if name.startswith("decoder_")
        }
        read = {
            name: value
            for name, value in inputs.items()
            if not name.startswith(("output_", "decoder_"))
        }
        encoded = encoder(**read).last_hidden_state
        return decoder(
            **of_decoder,
            **asked,
            encoder_hidden_states=encoded,
            encoder_attention_mask=inputs["attention_mask"],
            use_cache=False,
        )


def language_head(model: nn.Module) -> list[nn.Module]:
    """The output embeddings of a network that was loaded to generate; nothing of another."""
    head = model.get_output_embeddings()
    return [] if head is None else [head]
