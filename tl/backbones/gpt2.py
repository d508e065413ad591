"""GPT-2 decoders; its fused and transposed projections become plain ones, once, at load."""

import torch
from torch import Tensor, nn

from tl.backbones.base import Backbone, Block, Family, Slot


class SplitProjection(nn.Module):
    """GPT-2's fused projection x -> [q; k; v] as three linear layers: the same numbers."""

    def __init__(self, query: nn.Linear, key: nn.Linear, value: nn.Linear) -> None:
        super().__init__()
        self.query, self.key, self.value = query, key, value

    def forward(self, x: Tensor) -> Tensor:  # [b, t, d] -> [b, t, 3d]
        return torch.cat([self.query(x), self.key(x), self.value(x)], dim=-1)


def as_linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """Convert a Conv1D weight [d_in, d_out] into an `nn.Linear`, which stores [d_out, d_in]."""
    linear = nn.Linear(weight.shape[0], weight.shape[1], device=weight.device, dtype=weight.dtype)
    linear.weight = nn.Parameter(weight.detach().T.contiguous())
    linear.bias = nn.Parameter(bias.detach().clone())
    return linear


def cut_layer(layer: nn.Module) -> Block:
    fused = layer.attn.c_attn
    parts = zip(fused.weight.chunk(3, dim=1), fused.bias.chunk(3), strict=True)
    layer.attn.c_attn = SplitProjection(*(as_linear(weight, bias) for weight, bias in parts))
    for parent, name in [(layer.attn, "c_proj"), (layer.mlp, "c_fc"), (layer.mlp, "c_proj")]:
        conv = getattr(parent, name)
        setattr(parent, name, as_linear(conv.weight, conv.bias))
    return Block(
        module=layer,
        query=Slot(layer.attn.c_attn, "query"),
        key=Slot(layer.attn.c_attn, "key"),
        value=Slot(layer.attn.c_attn, "value"),
        attention_out=Slot(layer.attn, "c_proj"),
        ffn_in=Slot(layer.mlp, "c_fc"),
        ffn_out=Slot(layer.mlp, "c_proj"),
        attention_exit=Slot(layer.attn, "resid_dropout"),
        ffn=Slot(layer, "mlp"),
        norms=[layer.ln_1, layer.ln_2],
    )


def cut(model: nn.Module) -> Backbone:
    return Backbone(
        model,
        "decoder",
        stem=[model.wte, model.wpe],
        blocks=[cut_layer(layer) for layer in model.h],
        top=[model.ln_f],
        norms=[model.ln_f],
        hidden_size=model.config.hidden_size,
        n_positions=model.wpe.num_embeddings,
    )


FAMILY = Family(cut, tokenizer_options={"add_prefix_space": True})
