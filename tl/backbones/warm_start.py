"""An encoder-decoder that starts from one encoder on both sides (arXiv 1907.12461)."""

import copy

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    EncoderDecoderModel,
    PretrainedConfig,
)


def decoder_config(encoder: PretrainedConfig, n_layers: int | None) -> PretrainedConfig:
    """The configuration of a decoder like the encoder, with cross-attention.

    Args:
        encoder: its configuration.
        n_layers: the decoder has the lowest ones of the encoder; None: all.

    Raises:
        ValueError: if the encoder has fewer.
    """
    config = copy.deepcopy(encoder)
    config.is_decoder = config.add_cross_attention = True
    if n_layers is None:
        return config
    if n_layers > encoder.num_hidden_layers:
        raise ValueError(
            f"--decoder-layers {n_layers}: the decoder starts from the lowest layers of the "
            f"encoder, which has {encoder.num_hidden_layers}; give at most that many"
        )
    config.num_hidden_layers = n_layers
    return config


def new_pair(config: PretrainedConfig, n_layers: int | None) -> EncoderDecoderModel:
    """The pair with random weights."""
    encoder = AutoModel.from_config(config, add_pooling_layer=False)
    decoder = AutoModelForCausalLM.from_config(decoder_config(config, n_layers))
    return join(encoder, decoder)


def join(encoder: nn.Module, decoder: nn.Module) -> EncoderDecoderModel:
    """Both sides as one network; the embeddings of both, and the output's, are the same matrix."""
    configs = encoder.config, decoder.config
    pair = EncoderDecoderModel(encoder=encoder, decoder=decoder)
    # It gave both sides copies, but their layers still read the first ones (attention's choice).
    encoder.config, decoder.config = configs
    pair.config.encoder, pair.config.decoder = configs
    decoder.set_input_embeddings(encoder.get_input_embeddings())
    decoder.get_output_embeddings().weight = encoder.get_input_embeddings().weight
    return pair


def untie(pair: EncoderDecoderModel) -> None:
    """Give both sides embeddings of their own: the files of transformers hold no matrix of both."""
    pair.encoder.set_input_embeddings(copy.deepcopy(pair.encoder.get_input_embeddings()))


@torch.no_grad()
def start_cross_attention(decoder: nn.Module) -> None:
    """Cross-attention starts where the self-attention of its layer does (§2)."""
    for layer in decoder.base_model.encoder.layer:
        layer.crossattention.load_state_dict(layer.attention.state_dict())


def output_layer(pair: EncoderDecoderModel) -> frozenset[nn.Parameter]:
    """What stands between the decoder's states and the tied matrix.

    An encoder that was trained to embed sentences has none, and a decoder uses it in another way:
    it learns under every strategy, as a head does.
    """
    base = pair.decoder.base_model
    tied = set(base.parameters())
    return frozenset(p for p in pair.decoder.parameters() if p not in tied)
