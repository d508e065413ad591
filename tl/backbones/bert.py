"""BERT, RoBERTa and XLM-R encoders; with cross-attention, the decoders made of them."""

from dataclasses import replace

from torch import nn

from tl.backbones import class_heads
from tl.backbones.base import Attention, Backbone, Block, Slot
from tl.backbones.family import Family
from tl.backbones.feed_forward import recut, restore


def cut_attention(attention: nn.Module) -> Attention:
    return Attention(
        module=attention.self,
        n_kv_heads=attention.self.num_attention_heads,
        query=Slot(attention.self, "query"),
        key=Slot(attention.self, "key"),
        value=Slot(attention.self, "value"),
        out=Slot(attention.output, "dense"),
        exit=Slot(attention.output, "dropout"),
    )


def cut_layer(layer: nn.Module) -> Block:
    recut(layer)
    reads_encoder = hasattr(layer, "crossattention")
    attentions = [layer.attention] + ([layer.crossattention] if reads_encoder else [])
    return Block(
        module=layer,
        attention=cut_attention(layer.attention),
        cross=cut_attention(layer.crossattention) if reads_encoder else None,
        ffn_in=Slot(layer.intermediate, "dense_in"),
        ffn_out=Slot(layer.intermediate, "dense_out"),
        ffn=Slot(layer, "intermediate"),
        norms=[*(a.output.LayerNorm for a in attentions), layer.output.LayerNorm],
    )


def cut(model: nn.Module) -> Backbone:
    # The pooler is not used here: it would "learn" without ever getting a gradient.
    model.pooler = None
    positions = model.embeddings.position_embeddings
    # RoBERTa numbers positions from the one after its padding index; BERT has no such index.
    unused = 0 if positions.padding_idx is None else positions.padding_idx + 1
    return Backbone(
        model,
        "encoder",
        stem=[model.embeddings],
        blocks=[cut_layer(layer) for layer in model.encoder.layer],
        top=[],
        norms=[model.embeddings.LayerNorm],
        n_positions=positions.num_embeddings - unused,
    )


# Without the pooling layer, a checkpoint that lacks one is complete.
FAMILY = Family(
    cut,
    model_options={"add_pooling_layer": False},
    restore=restore,
    text_head=class_heads.bert,
    token_head="classifier",
    pairs=True,
    dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
)
ROBERTA = replace(FAMILY, text_head=class_heads.roberta)
