"""Llama decoders."""

from torch import nn

from tl.backbones.base import Backbone, Block, Family, Slot


def cut_layer(layer: nn.Module) -> Block:
    return Block(
        module=layer,
        query=Slot(layer.self_attn, "q_proj"),
        key=Slot(layer.self_attn, "k_proj"),
        value=Slot(layer.self_attn, "v_proj"),
        attention_out=Slot(layer.self_attn, "o_proj"),
        ffn_in=Slot(layer.mlp, "up_proj"),
        ffn_out=Slot(layer.mlp, "down_proj"),
        attention_exit=Slot(layer.self_attn, "o_proj"),
        ffn=Slot(layer, "mlp"),
        norms=[layer.input_layernorm, layer.post_attention_layernorm],
    )


def cut(model: nn.Module) -> Backbone:
    return Backbone(
        model,
        "decoder",
        stem=[model.embed_tokens],
        blocks=[cut_layer(layer) for layer in model.layers],
        top=[model.norm],
        norms=[model.norm],
        hidden_size=model.config.hidden_size,
    )


FAMILY = Family(cut)
