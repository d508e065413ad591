"""DeBERTa-v2 and v3 encoders; their attention is written anew around our attention function."""

import torch
from torch import Tensor, nn

from tl.attention import attention
from tl.backbones import class_heads
from tl.backbones.base import Attention, Backbone, Block, Slot
from tl.backbones.family import Family
from tl.backbones.feed_forward import recut, restore


class DisentangledAttention(nn.Module):
    """Content and relative position in one softmax (DeBERTa, arXiv 2006.03654, Eq. 4).

        A_ij = (Q_i·K_j + Q_i·K^r_δ(i,j) + K_j·Q^r_δ(i,j)) / √(k·f)        f: number of terms

    The paper's last term has δ(j,i); the published models compute this one.

    The two terms with positions are the additive bias of an ordinary attention, so that prefixes
    and attention maps work here as in every other family: a prefix has no position, and gets none.
    """

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        for name, child in original.named_children():
            setattr(self, name, child)
        self.n_heads = original.num_attention_heads
        self.terms = original.pos_att_type if original.relative_attention else []
        self.shared = original.share_att_key
        self.span = original.pos_ebd_size if original.relative_attention else 0
        n_terms = 1 + len({"c2p", "p2c"} & set(original.pos_att_type))
        self.scaling = (original.attention_head_size * n_terms) ** -0.5

    def _heads(self, x: Tensor) -> Tensor:  # [b, t, h·k] -> [b, h, t, k]
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor,
        output_attentions: bool = False,
        query_states: Tensor | None = None,
        relative_pos: Tensor | None = None,
        rel_embeddings: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Called as transformers calls its own: [b, t, d] and a mask [b, 1, t, t], 0 for none."""
        source = hidden_states if query_states is None else query_states
        query = self._heads(self.query_proj(source))
        key = self._heads(self.key_proj(hidden_states))
        value = self._heads(self.value_proj(hidden_states))
        bias = self._position_bias(query, key, relative_pos, rel_embeddings)
        lowest = torch.finfo(query.dtype).min
        mask = torch.zeros_like(attention_mask, dtype=query.dtype)
        mixed, weights = attention(
            self,
            query,
            key,
            value,
            mask.masked_fill(attention_mask == 0, lowest),
            scaling=self.scaling,
            dropout=self.dropout.p,
            position_bias=bias,
        )
        return mixed.flatten(2), weights if output_attentions else None

    def _position_bias(
        self, query: Tensor, key: Tensor, relative_pos: Tensor | None, embeddings: Tensor | None
    ) -> Tensor | None:
        """The terms with positions, scaled: [b, h, t, s]."""
        if not self.terms:
            return None
        embeddings = self.pos_dropout(embeddings)[None, : 2 * self.span]  # [1, 2·span, d]
        towards = (relative_pos + self.span).clamp(0, 2 * self.span - 1)  # δ(i, j): [1, t, s]
        back = (self.span - relative_pos).clamp(0, 2 * self.span - 1)
        bias = torch.zeros((), dtype=query.dtype, device=query.device)
        if "c2p" in self.terms:
            of_position = self.key_proj if self.shared else self.pos_key_proj
            scores = query @ self._heads(of_position(embeddings)).mT  # [b, h, t, 2·span]
            bias = bias + scores.take_along_dim(towards.unsqueeze(1), dim=-1)
        if "p2c" in self.terms:
            of_position = self.query_proj if self.shared else self.pos_query_proj
            scores = key @ self._heads(of_position(embeddings)).mT  # [b, h, s, 2·span]
            bias = bias + scores.take_along_dim(back.unsqueeze(1), dim=-1).mT
        return bias * self.scaling


def cut_layer(layer: nn.Module) -> Block:
    recut(layer)
    outer = layer.attention
    outer.self = DisentangledAttention(outer.self)
    return Block(
        module=layer,
        attention=Attention(
            module=outer.self,
            n_kv_heads=outer.self.n_heads,
            query=Slot(outer.self, "query_proj"),
            key=Slot(outer.self, "key_proj"),
            value=Slot(outer.self, "value_proj"),
            out=Slot(outer.output, "dense"),
            exit=Slot(outer.output, "dropout"),
            key_bias_acts=True,  # in the term K_j·Q^r
        ),
        ffn_in=Slot(layer.intermediate, "dense_in"),
        ffn_out=Slot(layer.intermediate, "dense_out"),
        ffn=Slot(layer, "intermediate"),
        norms=[outer.output.LayerNorm, layer.output.LayerNorm],
    )


def cut(model: nn.Module) -> Backbone:
    encoder = model.encoder
    # All layers share the embeddings of relative positions; a convolution, where there is one,
    # works beside the first layer.
    shared = [
        getattr(encoder, name)
        for name in ("rel_embeddings", "LayerNorm", "conv")
        if getattr(encoder, name, None) is not None
    ]
    embeddings = model.embeddings
    positions = getattr(embeddings, "position_embeddings", None)
    return Backbone(
        model,
        "encoder",
        stem=[embeddings, *shared],
        blocks=[cut_layer(layer) for layer in encoder.layer],
        top=[],
        norms=[
            module
            for part in (embeddings, *shared)
            for module in part.modules()
            if isinstance(module, nn.LayerNorm)
        ],
        n_positions=None if positions is None else positions.num_embeddings,
    )


FAMILY = Family(
    cut,
    dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
    restore=restore,
    text_head=class_heads.deberta,
    token_head="classifier",
)
