"""An encoder and a decoder that were trained apart, joined by cross-attention (1907.12461)."""

from torch import nn

from tl.backbones import bart, feed_forward, gpt2
from tl.backbones.base import Backbone
from tl.backbones.family import Family, Weights
from tl.registry import FAMILIES, resolve


def _family(model: nn.Module) -> Family:
    return resolve(FAMILIES, model.config.model_type, "model family")


def cut_generator(model: nn.Module) -> Backbone:
    """Both parts with their language-modelling head."""
    if hasattr(model, "enc_to_dec_proj"):
        raise ValueError(
            f"the encoder's states have {model.config.encoder.hidden_size} dimensions, the "
            f"decoder's {model.config.decoder.hidden_size}; tl joins parts of one width only"
        )
    decoder_base = model.decoder.base_model
    encoder = _family(model.encoder).cut(model.encoder)
    decoder = _family(decoder_base).cut(decoder_base)
    heads = [child for child in model.decoder.children() if child is not decoder_base]
    limits = [part.n_positions for part in (encoder, decoder) if part.n_positions is not None]
    return Backbone(
        model,
        "encoder-decoder",
        stem=[*encoder.stem, *decoder.stem],
        blocks=[*encoder.blocks, *decoder.blocks],
        top=[*encoder.top, *decoder.top, *(heads if model.decoder is not decoder_base else [])],
        norms=[*encoder.norms, *decoder.norms],
        n_positions=min(limits, default=None),
        stacks=(model.encoder, decoder_base),
    )


def cut(model: nn.Module) -> Backbone:
    """Both parts without it: nothing of it would learn to label."""
    model.decoder = model.decoder.base_model
    return cut_generator(model)


def restore(weights: Weights) -> Weights:
    """Both parts by the rules of all families: each renames only what it had recut."""
    for rule in (feed_forward.restore, gpt2.restore, bart.restore):
        weights = rule(weights)
    return weights


FAMILY = Family(
    cut,
    model="AutoModelForSeq2SeqLM",
    generator="AutoModelForSeq2SeqLM",
    cut_generator=cut_generator,
    restore=restore,
)
