"""BART encoder-decoders; their sublayers, written out in a layer's forward, become modules."""

from torch import Tensor, nn

from tl.backbones.base import Attention, Backbone, Block, Slot, language_head
from tl.backbones.family import Family, Weights
from tl.backbones.feed_forward import FeedForward


class Exit(nn.Module):
    """The end of an attention sublayer: x -> dropout(W_o·x)."""

    def __init__(self, projection: nn.Linear, dropout: float) -> None:
        super().__init__()
        self.projection, self.dropout = projection, nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.projection(x))


def cut_attention(attention: nn.Module, dropout: float) -> Attention:
    attention.out_proj = Exit(attention.out_proj, dropout)
    return Attention(
        module=attention,
        n_kv_heads=attention.num_heads,
        query=Slot(attention, "q_proj"),
        key=Slot(attention, "k_proj"),
        value=Slot(attention, "v_proj"),
        out=Slot(attention.out_proj, "projection"),
        exit=Slot(attention, "out_proj"),
    )


def cut_layer(layer: nn.Module) -> Block:
    # The layer computes dropout(fc2(dropout(activation_fn(fc1(x))))): fc1 becomes all of it.
    layer.fc1 = FeedForward(
        layer.fc1,
        layer.activation_fn,
        layer.fc2,
        dropout=layer.dropout,
        inner_dropout=layer.activation_dropout,
    )
    layer.fc2 = layer.activation_fn = nn.Identity()
    dropout, layer.dropout, layer.activation_dropout = layer.dropout, 0.0, 0.0
    norms = [layer.self_attn_layer_norm, layer.final_layer_norm]
    cross = None
    if hasattr(layer, "encoder_attn"):
        cross = cut_attention(layer.encoder_attn, dropout)
        norms.insert(1, layer.encoder_attn_layer_norm)
    return Block(
        module=layer,
        attention=cut_attention(layer.self_attn, dropout),
        cross=cross,
        ffn_in=Slot(layer.fc1, "dense_in"),
        ffn_out=Slot(layer.fc1, "dense_out"),
        ffn=Slot(layer, "fc1"),
        norms=norms,
    )


def cut(model: nn.Module) -> Backbone:
    base = model.base_model
    stacks = (base.encoder, base.decoder)
    stem = [base.shared]
    for stack in stacks:
        stem += [stack.embed_positions, stack.layernorm_embedding]
    return Backbone(
        model,
        "encoder-decoder",
        stem=stem,
        blocks=[cut_layer(layer) for stack in stacks for layer in stack.layers],
        top=language_head(model),
        norms=[stack.layernorm_embedding for stack in stacks],
        n_positions=model.config.max_position_embeddings,
        stacks=stacks,
    )


def restore(weights: Weights) -> Weights:
    """The names that the weights had before the cut."""
    return {
        name.replace(".fc1.dense_in.", ".fc1.")
        .replace(".fc1.dense_out.", ".fc2.")
        .replace(".out_proj.projection.", ".out_proj."): weight
        for name, weight in weights.items()
    }


FAMILY = Family(
    cut,
    generator="AutoModelForSeq2SeqLM",
    dropouts=("dropout", "attention_dropout", "activation_dropout"),
    restore=restore,
)
