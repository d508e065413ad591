"""T5 encoder-decoders and their kin: T5 1.1, Flan-T5, mT5."""

from torch import nn

from tl.backbones.base import Attention, Backbone, Block, Slot, language_head
from tl.backbones.family import Family


def cut_attention(sublayer: nn.Module, attention: nn.Module) -> Attention:
    return Attention(
        module=attention,
        n_kv_heads=attention.n_heads,
        query=Slot(attention, "q"),
        key=Slot(attention, "k"),
        value=Slot(attention, "v"),
        out=Slot(attention, "o"),
        exit=Slot(sublayer, "dropout"),
    )


def cut_layer(layer: nn.Module) -> Block:
    own, *cross, ffn = layer.layer
    dense = ffn.DenseReluDense
    gated = hasattr(dense, "wi_0")  # since T5 1.1: wo·(gelu(wi_0·x) ⊙ wi_1·x)
    return Block(
        module=layer,
        attention=cut_attention(own, own.SelfAttention),
        cross=cut_attention(cross[0], cross[0].EncDecAttention) if cross else None,
        ffn_in=Slot(dense, "wi_1" if gated else "wi"),
        ffn_gate=Slot(dense, "wi_0") if gated else None,
        ffn_out=Slot(dense, "wo"),
        ffn=Slot(ffn, "DenseReluDense"),
        norms=[sublayer.layer_norm for sublayer in layer.layer],
    )


def cut(model: nn.Module) -> Backbone:
    stacks = (model.encoder, model.decoder)
    norms = [stack.final_layer_norm for stack in stacks]
    return Backbone(
        model,
        "encoder-decoder",
        stem=[model.shared],
        blocks=[cut_layer(layer) for stack in stacks for layer in stack.block],
        top=[*norms, *language_head(model)],
        norms=norms,
        stacks=stacks,
    )


def untie(model: nn.Module) -> None:
    """Give the output layer, where there is one, a matrix of its own (T5 1.1, Flan-T5, mT5).

    Both stacks read the one table of embeddings all the same.
    """
    model.set_input_embeddings(model.shared)
    for head in language_head(model):
        if head.weight is model.shared.weight:
            head.weight = nn.Parameter(model.shared.weight.detach().clone())


FAMILY = Family(cut, generator="AutoModelForSeq2SeqLM", dropouts=("dropout_rate",), untie=untie)
