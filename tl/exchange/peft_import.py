"""An adapter that PEFT wrote, read without it: which strategy it is, and its weights."""

import json
from pathlib import Path

import safetensors.torch
import torch

from tl.backbones.base import Backbone
from tl.backbones.family import Family
from tl.backbones.locate import foreign, read_config, reason
from tl.build import Setup
from tl.exchange.peft import CONFIG, FORMS, WEIGHTS, AdapterFiles, original_paths
from tl.exchange.plain import family_of, head_weights, labelling_network

# What a configuration of PEFT must give, by its type; and options that change what is computed.
NEEDED = {"LORA": ("r", "lora_alpha"), "IA3": (), "PROMPT_TUNING": ("num_virtual_tokens",)}
FORMLESS = (
    *("alora_invocation_tokens", "alpha_pattern", "arrow_config", "kasa_config", "lora_bias"),
    *("layer_replication", "megatron_config", "monteclora_config", "rank_pattern"),
    *("target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config"),
)


def read_peft(folder: Path) -> AdapterFiles:
    """Read an adapter that PEFT, or `export_peft`, wrote.

    Raises:
        ValueError: if a file is missing or torn, or holds what has no form here.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} is no adapter of PEFT: it has no {name}")

    def unreadable(error: Exception) -> ValueError:
        return ValueError(f"{folder} cannot be read as an adapter of PEFT: {reason(error)}")

    text = foreign(unreadable, (folder / CONFIG).read_text, encoding="utf-8")
    config = foreign(unreadable, json.loads, text)
    weights = foreign(unreadable, safetensors.torch.load_file, folder / WEIGHTS)
    _check_form(config)
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise ValueError(f"{folder}: {name} holds values that are not finite; it is damaged")
    return AdapterFiles(config, weights)


def _check_form(config: object) -> None:
    """Raise ValueError unless PEFT computes by this configuration what a strategy here computes."""
    if not isinstance(config, dict):
        raise ValueError(f"its {CONFIG} must hold one JSON object")
    kind = config.get("peft_type")
    if not isinstance(kind, str) or kind not in NEEDED:
        raise ValueError(f"adapters of type {kind} have no form here; known: {', '.join(NEEDED)}")
    for name in NEEDED[kind]:
        if not isinstance(config.get(name), int | float):
            raise ValueError(f"its {CONFIG} gives no number for {name!r}")
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str | None):
        raise ValueError(
            f"its {CONFIG} gives {base!r} for 'base_model_name_or_path', which must be a name"
        )
    for name in FORMLESS:
        if config.get(name):
            raise ValueError(f"it uses PEFT's option {name!r}, which has no form here")
    if config.get("bias", "none") != "none":
        raise ValueError(f"it trains biases too (bias: {config['bias']}), which has no form here")
    start = config.get("init_lora_weights", True)
    if start not in (True, False, "gaussian"):  # the others take a part out of the base weights
        raise ValueError(
            f"it started by init_lora_weights {start!r}, which may change the base weights too; "
            "convert it with PEFT's save_pretrained(path_initial_model_for_weight_conversion=…)"
        )


def strategy_words(adapter: AdapterFiles, backbone: Backbone, family: Family) -> list[str]:
    """The words of a command line that give an adapter its strategy and options.

    Raises:
        ValueError: if it adapts what is no projection of the model.
    """
    config = adapter.config
    kind = config["peft_type"]
    if kind == "PROMPT_TUNING":
        return ["--strategy", "prompt", "--strategy.length", str(config["num_virtual_tokens"])]
    if kind == "IA3":
        return ["--strategy", "ia3"]
    words = ["--strategy", "lora", "--strategy.r", str(config["r"])]
    words += ["--strategy.alpha", str(config["lora_alpha"])]
    words += ["--strategy.dropout", str(config.get("lora_dropout", 0.0))]
    words += [f"--strategy.{name}" for name in ("rslora", "dora") if config.get(f"use_{name}")]
    return words + _target_words(adapter, backbone, family)


def _target_words(adapter: AdapterFiles, backbone: Backbone, family: Family) -> list[str]:
    paths = original_paths(backbone, family)
    wrapped = [name.partition(".lora_A.")[0] for name in adapter.weights if ".lora_A." in name]
    found = [next((p for p in paths if _ends(name, p)), None) for name in wrapped]
    unknown = [name for name, path in zip(wrapped, found, strict=True) if path is None]
    if unknown:
        raise ValueError(f"it adapts {unknown[0]}, which is no projection of this model here")
    chosen = [paths[path] for path in found if path is not None]
    targets = dict.fromkeys(projection.name for projection in chosen)
    layers = sorted({projection.layer for projection in chosen})
    words = ["--strategy.targets", ",".join(targets)]
    if len(layers) < len(backbone.blocks):
        words += ["--strategy.layers", ",".join(map(str, layers))]
    return words


def _ends(name: str, path: str) -> bool:
    return f".{name}".endswith(f".{path}")


def fill_from_peft(setup: Setup, adapter: AdapterFiles) -> None:
    """Copy an adapter's weights, and its head, into a model that was built for them.

    Raises:
        ValueError: if a weight is missing, left over, or of another shape.
    """
    family = family_of(setup)
    wanted, _ = head_weights(setup, family)
    own = {p.data_ptr() for p in setup.model.heads.parameters()}
    if not all(weight.data_ptr() in own for weight in wanted.values()):
        raise ValueError(
            "the class of transformers that classifies with this family has a pretrained layer in "
            "its head, which an adapter does not hold; only heads of one linear layer are read"
        )
    wanted |= FORMS[setup.config.strategy](setup, family).weights
    with torch.device("meta"):
        prefix = f"{labelling_network(setup, {}).base_model_prefix}."
    found = {}
    for name, weight in adapter.weights.items():
        short = name.removeprefix("base_model.").removeprefix("model.")
        found[short if short in wanted else short.removeprefix(prefix)] = weight
    differ = sorted(found.keys() ^ wanted.keys())
    differ += [n for n in found.keys() & wanted.keys() if found[n].shape != wanted[n].shape]
    if differ:
        raise ValueError(
            f"the adapter does not fit the task and the model: {len(differ)} tensors differ in "
            f"name or shape, the first is {differ[0]}"
        )
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(found[name])


def check_classes(setup: Setup) -> None:
    """Raise ValueError if the model names the same classes in another order than our data do.

    An adapter numbers its classes and does not name them.
    """
    named = list((read_config(setup.config.model).id2label or {}).values())
    ours = setup.task.labels
    if sorted(named) == sorted(ours) and named != ours:
        raise ValueError(
            f"the model's configuration has the classes in the order {', '.join(named)}, the data "
            f"give {', '.join(ours)}; the adapter's head would name them wrongly"
        )
