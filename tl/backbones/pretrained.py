"""From the name of a model to its backbone.

A name is a bundled model, a local directory or a Hub id (`tl.backbones.locate`). Weights load from
safetensors, or from a pickle with `weights_only`; code from a checkpoint is never run.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers import GenerationConfig, PretrainedConfig

from tl import seed
from tl.backbones import warm_start
from tl.backbones.base import Backbone
from tl.backbones.locate import (
    family_of,
    foreign,
    locate,
    read_config,
    reason,
    refuse_adapter,
    unreadable,
    weight_names,
)
from tl.float32 import compute_in_float32

WEIGHTS = ("*.safetensors", "*.bin", "*.safetensors.index.json")
OUTPUT = "lm_head.weight"  # of a T5 whose output layer has a matrix of its own


@dataclass(frozen=True)
class Form:
    """What a backbone is for.

    Attributes:
        generates: it keeps its language-modelling head. An encoder, which has none, becomes both
            sides of an encoder-decoder (`tl.backbones.warm_start`).
        decoder_layers: of such a decoder; None: as many as the encoder has.
        dropout: of states and attention; None: as the checkpoint says.
    """

    generates: bool = False
    decoder_layers: int | None = None
    dropout: float | None = None


LABELS = Form()


def _loader(config: PretrainedConfig, *, generates: bool) -> type:
    family = family_of(config)
    name = family.generator if generates else family.model
    if name is None:
        raise ValueError(
            f"models of the family {config.model_type!r} cannot generate text; take a decoder or "
            "an encoder-decoder, such as GPT-2, Llama, T5 or BART, or an encoder that can be both "
            "sides of one, such as BERT or RoBERTa"
        )
    return getattr(transformers, name)


def becomes_a_pair(config: PretrainedConfig, form: Form) -> bool:
    """Whether an encoder is to become both sides of an encoder-decoder, so that it can generate.

    Raises:
        ValueError: if a depth is given for a decoder that is not made.
    """
    pairs = form.generates and family_of(config).pairs
    if form.decoder_layers is not None and not pairs:
        raise ValueError(
            f"--decoder-layers {form.decoder_layers} is for an encoder that becomes both sides of "
            "an encoder-decoder, to generate; leave it out"
        )
    return pairs


def configuration(model: str, form: Form) -> PretrainedConfig:
    """The configuration of a model, as a run wants it.

    Raises:
        ValueError: if there is none, or a dropout is asked for and the network has none.
    """
    config = read_config(model)
    if form.dropout is not None:
        set_dropout(config, form.dropout)
    return config


def set_dropout(config: PretrainedConfig, p: float) -> None:
    """Write one dropout into a configuration, and into both of a pair, in place.

    Networks keep it as modules, or as numbers that they hand to the attention function; but all
    read it from here when they are made.

    Raises:
        ValueError: if the network has none.
    """
    sides = [getattr(config, side, None) for side in ("encoder", "decoder")]
    pair = [side for side in sides if isinstance(side, PretrainedConfig)]
    names = family_of(config).dropouts
    if not (pair or names):
        raise ValueError(
            f"--dropout {p:g}: models of the family {config.model_type!r} have no dropout; leave "
            "it out"
        )
    for side in pair:
        set_dropout(side, p)
    for name in names:
        setattr(config, name, p)


def new_network(config: PretrainedConfig, form: Form = LABELS) -> nn.Module:
    """A network with the random weights that transformers gives it, not yet cut.

    Raises:
        ValueError: if there can be no such network.
    """
    if becomes_a_pair(config, form):
        make = partial(warm_start.new_pair, config, form.decoder_layers)
    else:
        options = {} if form.generates else family_of(config).model_options
        loader = _loader(config, generates=form.generates)
        make = partial(loader.from_config, config, **options)
    network = foreign(partial(_impossible, config), make)
    _untie(network, config)
    return network


def _impossible(config: PretrainedConfig, error: Exception) -> ValueError:
    return ValueError(
        f"--model {config.name_or_path}: no network can be made by its config.json: {reason(error)}"
    )


def _untie(network: nn.Module, config: PretrainedConfig) -> None:
    """Give the output layer a matrix of its own where a checkpoint has one; see `read_config`."""
    untie = family_of(config).untie
    if untie is not None and not config.tie_word_embeddings:
        untie(network)


def forget_generation(network: nn.Module) -> None:
    """Drop how the checkpoint wants its texts searched for; how tl searches is said by the task.

    transformers would fill every option that a search does not give from these: sampling, a least
    length, forbidden and forced tokens. The token that a decoder starts from is no such wish.
    """
    if network.can_generate():
        own = network.generation_config.decoder_start_token_id
        network.generation_config = GenerationConfig(decoder_start_token_id=own)


def cut_network(network: nn.Module, form: Form = LABELS, *, warm: bool = False) -> Backbone:
    """Bring a network to the common form, with its language-modelling head or without.

    Args:
        network: changed in place.
        form: what it was made for.
        warm: whether it is a pair of which both sides come from one encoder.

    Raises:
        ValueError: if it has no layers.
    """
    forget_generation(network)
    family = family_of(network.config)
    cut = (form.generates and family.cut_generator) or family.cut
    backbone = cut(network)
    for part in backbone.top:
        compute_in_float32(part)
    if warm:
        backbone.new = warm_start.output_layer(network)
    return backbone


def empty_backbone(model: str, form: Form = LABELS) -> Backbone:
    """The backbone on the meta device: shapes and counts, no memory, no weights."""
    config = configuration(model, form)
    with torch.device("meta"):
        network = new_network(config, form)
        return cut_network(network, form, warm=becomes_a_pair(config, form))


def random_backbone(model: str, run_seed: int, form: Form = LABELS) -> Backbone:
    """The backbone with random weights, drawn from a stream of their own."""
    config = configuration(model, form)
    with seed.stream(run_seed, "init/backbone"):
        network = new_network(config, form)
    return cut_network(network, form, warm=becomes_a_pair(config, form))


def pretrained_backbone(model: str, run_seed: int = 0, form: Form = LABELS) -> Backbone:
    """The backbone with the weights of its checkpoint, in float32.

    Args:
        model: as for `locate`.
        run_seed: for an output layer that the checkpoint of a pair lacks.
        form: what it is for.

    Raises:
        ValueError: if there are no weights, if they cannot be read, or if they leave a part of the
            network unfilled.
    """
    config, source = configuration(model, form), locate(model)
    if Path(source).is_dir() and not any(any(Path(source).glob(p)) for p in WEIGHTS):
        raise ValueError(
            f"--model {model}: the directory holds no weights ({', '.join(WEIGHTS)}). "
            "To train its form from scratch, add --init random"
        )
    empty_backbone(model, form)  # so a bad configuration is not reported as unreadable weights
    if not becomes_a_pair(config, form):
        return cut_network(_read_whole(model, config, form), form)
    loader = _loader(config, generates=False)
    encoder, unfilled = read_network(model, loader, LABELS, config=config)
    of_decoder = warm_start.decoder_config(config, form.decoder_layers)
    with seed.stream(run_seed, "init/backbone"):
        decoder, missing = read_network(
            model, transformers.AutoModelForCausalLM, form, config=of_decoder
        )
    inner = f"{decoder.base_model_prefix}."
    unfilled += [n for n in missing if n.startswith(inner) and ".crossattention." not in n]
    _require_filled(model, unfilled)
    for side in (encoder, decoder):
        _require_finite(model, side, unfilled=missing)
    warm_start.start_cross_attention(decoder)
    return cut_network(warm_start.join(encoder, decoder), form, warm=True)


def _read_whole(model: str, config: PretrainedConfig, form: Form) -> nn.Module:
    """A network with the weights of its checkpoint, all of them."""
    own_output = family_of(config).untie is not None and not config.tie_word_embeddings
    as_loaded = copy.deepcopy(config)
    if own_output:  # it loads as transformers makes it, tied
        as_loaded.tie_word_embeddings = True
    loader = _loader(config, generates=form.generates)
    network, unfilled = read_network(model, loader, form, config=as_loaded)
    names = weight_names(model)
    if own_output and form.generates and names and OUTPUT not in names:
        unfilled.append(OUTPUT)  # transformers would take the embeddings instead
    _require_filled(model, unfilled)
    _require_finite(model, network)
    _untie(network, config)
    return network


def read_network(
    model: str, loader: type, form: Form, **options: object
) -> tuple[nn.Module, list[str]]:
    """A network of transformers, and the names of its weights that the checkpoint did not fill.

    Args:
        model: as for `locate`.
        loader: a class of transformers.
        form: what it is for.
        options: for `from_pretrained`.

    Raises:
        ValueError: if the weights cannot be read, or an adapter lies beside them.
    """
    refuse_adapter(model)
    if not form.generates:
        options |= family_of(read_config(model)).model_options
    network, info = foreign(
        unreadable(model, "weights"),
        loader.from_pretrained,
        locate(model),
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # refused later, with their names
        trust_remote_code=False,
        **options,
    )
    return network, sorted(info["missing_keys"]) + sorted(k for k, *_ in info["mismatched_keys"])


def _require_finite(model: str, network: nn.Module, unfilled: Sequence[str] = ()) -> None:
    """Raise ValueError if a weight is no number: nothing could be learned from it."""
    for name, weight in network.named_parameters():
        if name not in unfilled and not weight.isfinite().all():
            raise ValueError(
                f"--model {model}: its weights are damaged: {name} holds values that are not "
                "finite (NaN or infinite); get the checkpoint anew"
            )


def _require_filled(model: str, unfilled: list[str]) -> None:
    if unfilled:
        raise ValueError(
            f"--model {model}: the checkpoint lacks {len(unfilled)} weights of its own "
            f"configuration, or has them in another shape ({', '.join(unfilled[:3])}, …); "
            "it would learn from random values there"
        )
