"""Llama decoders, and those that share their form: Mistral and Qwen2."""

from torch import nn

from tl.backbones import class_heads
from tl.backbones.base import Attention, Backbone, Block, Slot, language_head
from tl.backbones.family import Family


def cut_layer(layer: nn.Module) -> Block:
    attention, mlp = layer.self_attn, layer.mlp
    return Block(
        module=layer,
        attention=Attention(
            module=attention,
            n_kv_heads=attention.k_proj.out_features // attention.head_dim,
            query=Slot(attention, "q_proj"),
            key=Slot(attention, "k_proj"),
            value=Slot(attention, "v_proj"),
            out=Slot(attention, "o_proj"),
            exit=Slot(attention, "o_proj"),
            key_bias_acts=True,  # it is rotated with its position
        ),
        ffn_in=Slot(mlp, "up_proj"),
        ffn_gate=Slot(mlp, "gate_proj"),
        ffn_out=Slot(mlp, "down_proj"),
        ffn=Slot(layer, "mlp"),
        norms=[layer.input_layernorm, layer.post_attention_layernorm],
    )


def cut(model: nn.Module) -> Backbone:
    base = model.base_model
    return Backbone(
        model,
        "decoder",
        stem=[base.embed_tokens],
        blocks=[cut_layer(layer) for layer in base.layers],
        top=[base.norm, *language_head(model)],
        norms=[base.norm],
    )


FAMILY = Family(
    cut,
    generator="AutoModelForCausalLM",
    dropouts=("attention_dropout",),
    sentencepiece="LlamaTokenizer",  # a space before the first word, the id of the start before it
    text_head=class_heads.decoder,
    token_head="score",
)
