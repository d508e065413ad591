"""GPT-2 decoders; their fused and transposed projections become plain ones, once, at load."""

import re

import torch
from torch import Tensor, nn

from tl.backbones import class_heads
from tl.backbones.base import Attention, Backbone, Block, Slot, language_head
from tl.backbones.family import Family, Weights


class SplitProjection(nn.Module):
    """A fused projection x -> [q; k; v] as linear layers of their own: the same numbers."""

    def __init__(self, **projections: nn.Linear) -> None:
        super().__init__()
        for name, projection in projections.items():
            setattr(self, name, projection)
        self.names = list(projections)

    def forward(self, x: Tensor) -> Tensor:  # [b, t, d] -> [b, t, n·d]
        return torch.cat([getattr(self, name)(x) for name in self.names], dim=-1)


def as_linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """Convert a Conv1D weight [d_in, d_out] into an `nn.Linear`, which stores [d_out, d_in]."""
    linear = nn.Linear(weight.shape[0], weight.shape[1], device=weight.device, dtype=weight.dtype)
    linear.weight = nn.Parameter(weight.detach().T.contiguous())
    linear.bias = nn.Parameter(bias.detach().clone())
    return linear


def split(fused: nn.Module, *names: str) -> SplitProjection:
    parts = zip(fused.weight.chunk(len(names), 1), fused.bias.chunk(len(names)), strict=True)
    return SplitProjection(**dict(zip(names, (as_linear(*part) for part in parts), strict=True)))


def straighten(*slots: Slot) -> None:
    """Make each Conv1D an `nn.Linear`."""
    for slot in slots:
        slot.replace(as_linear(slot.module.weight, slot.module.bias))


def cut_attention(attention: nn.Module) -> Attention:
    straighten(Slot(attention, "c_proj"))
    if attention.is_cross_attention:
        straighten(Slot(attention, "q_attn"))
        attention.c_attn = split(attention.c_attn, "key", "value")
        query = Slot(attention, "q_attn")
    else:
        attention.c_attn = split(attention.c_attn, "query", "key", "value")
        query = Slot(attention.c_attn, "query")
    return Attention(
        module=attention,
        n_kv_heads=attention.num_heads,
        query=query,
        key=Slot(attention.c_attn, "key"),
        value=Slot(attention.c_attn, "value"),
        out=Slot(attention, "c_proj"),
        exit=Slot(attention, "resid_dropout"),
    )


def cut_layer(layer: nn.Module) -> Block:
    straighten(Slot(layer.mlp, "c_fc"), Slot(layer.mlp, "c_proj"))
    reads_encoder = hasattr(layer, "crossattention")
    return Block(
        module=layer,
        attention=cut_attention(layer.attn),
        cross=cut_attention(layer.crossattention) if reads_encoder else None,
        ffn_in=Slot(layer.mlp, "c_fc"),
        ffn_out=Slot(layer.mlp, "c_proj"),
        ffn=Slot(layer, "mlp"),
        norms=[layer.ln_1, *([layer.ln_cross_attn] if reads_encoder else []), layer.ln_2],
    )


def cut(model: nn.Module) -> Backbone:
    base = model.base_model
    return Backbone(
        model,
        "decoder",
        stem=[base.wte, base.wpe],
        blocks=[cut_layer(layer) for layer in base.h],
        top=[base.ln_f, *language_head(model)],
        norms=[base.ln_f],
        n_positions=base.wpe.num_embeddings,
    )


def restore(weights: Weights) -> Weights:
    """Fuse and transpose the projections again."""
    restored: Weights = {}
    fused: dict[str, list[Tensor]] = {}
    for name, weight in weights.items():  # query, key, value: in the order of the fused form
        part = re.fullmatch(r"(.*\.c_attn)\.(?:query|key|value)\.(weight|bias)", name)
        if part:
            fused.setdefault(".".join(part.groups()), []).append(weight)
        elif re.search(r"\.(c_proj|c_fc|q_attn)\.weight$", name):
            restored[name] = weight.T
        else:
            restored[name] = weight
    whole = {name: torch.cat(parts) for name, parts in fused.items()}
    return restored | {name: w.T if w.ndim == 2 else w for name, w in whole.items()}


FAMILY = Family(
    cut,
    generator="AutoModelForCausalLM",
    dropouts=("embd_pdrop", "resid_pdrop", "attn_pdrop"),
    restore=restore,
    text_head=class_heads.decoder,
    token_head="classifier",
)
