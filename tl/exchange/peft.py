"""LoRA, DoRA, (IA)³ and prompts in the files of PEFT, written without it.

PEFT names a wrapped layer by its path in the original network; `Family.restore` knows those names.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from tl.backbones.base import Backbone, Slot
from tl.backbones.family import Family, Weights
from tl.backbones.locate import locate, public_name
from tl.build import Setup
from tl.exchange.plain import class_of, family_of, head_weights, labelling_network, labels_tokens
from tl.runs import write_atomically
from tl.strategies.ia3 import ScaledLinear
from tl.strategies.lora import DoRALinear, LoRALinear

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class AdapterFiles:
    """What the two files hold; names of `weights` are paths in the original base network."""

    config: dict[str, object]
    weights: Weights


@dataclass(frozen=True)
class Projection:
    """A projection of the common form: its block, its name there, and the slot that holds it."""

    layer: int
    name: str
    slot: Slot


def original_paths(backbone: Backbone, family: Family) -> dict[str, Projection]:
    """Projections by the path of their layer in the network as transformers makes it.

    Those that are parts of one layer there (GPT-2's query, key and value) have no path.
    """
    names = {module: name for name, module in backbone.model.named_modules()}
    found: dict[str, list[Projection]] = {}
    for i, block in enumerate(backbone.blocks):
        for name, slot in block.projections().items():
            inner = getattr(slot.module, "frozen", slot.module)
            weight = f"{names[inner].removesuffix('.frozen')}.weight"
            (original,) = family.restore({weight: inner.weight})
            path = original.removesuffix(".weight")
            found.setdefault(path, []).append(Projection(i, name, slot))
    return {path: some[0] for path, some in found.items() if len(some) == 1}


def _wrapped(setup: Setup, family: Family, kind: type) -> dict[str, nn.Module]:
    """The wrapped layers by their original paths; ValueError if the original has no such layer."""
    paths = original_paths(setup.model.backbone, family)
    modules = {path: projection.slot.module for path, projection in paths.items()}
    wrapped = {path: module for path, module in modules.items() if isinstance(module, kind)}
    n_all = sum(isinstance(module, kind) for module in setup.model.modules())
    if len(wrapped) < n_all:
        raise ValueError(
            "query, key and value are one layer in the original of this model, and were adapted "
            "apart: PEFT cannot carry that. Export with --to transformers, which merges them"
        )
    return wrapped


def _of_lora(setup: Setup, family: Family) -> AdapterFiles:
    options, wrapped = setup.config.strategy_options, _wrapped(setup, family, LoRALinear)
    config = {
        "peft_type": "LORA",
        "r": options.r,
        "lora_alpha": options.alpha,
        "lora_dropout": options.dropout,
        "use_rslora": options.rslora,
        "use_dora": options.dora,
        "bias": "none",
        "target_modules": sorted(wrapped),
    }
    weights = {}
    for path, layer in wrapped.items():
        weights |= {f"{path}.lora_A.weight": layer.A, f"{path}.lora_B.weight": layer.B}
        if isinstance(layer, DoRALinear):
            weights[f"{path}.lora_magnitude_vector"] = layer.magnitude
    return AdapterFiles(config, weights)


def _of_ia3(setup: Setup, family: Family) -> AdapterFiles:
    wrapped = _wrapped(setup, family, ScaledLinear)
    config = {
        "peft_type": "IA3",
        "target_modules": sorted(wrapped),
        "feedforward_modules": sorted(p for p, layer in wrapped.items() if not layer.of_output),
    }
    weights = {
        f"{path}.ia3_l": layer.scale.unsqueeze(1 if layer.of_output else 0)
        for path, layer in wrapped.items()
    }
    return AdapterFiles(config, weights)


def _of_prompt(setup: Setup, family: Family) -> AdapterFiles:
    if not labels_tokens(setup):
        raise ValueError(
            "PEFT pools a virtual token, or padding, where it classifies texts with a prompt; only "
            "prompts of token labels can be exported to it"
        )
    prompt, model_config = setup.model.adaptor.prompt, setup.model.backbone.model.config
    config = {
        "peft_type": "PROMPT_TUNING",
        "num_virtual_tokens": len(prompt),
        "token_dim": prompt.shape[1],
        "num_transformer_submodules": 1,
        "num_attention_heads": model_config.num_attention_heads,
        "num_layers": model_config.num_hidden_layers,
    }
    return AdapterFiles(config, {"prompt_embeddings": prompt})


FORMS = {"lora": _of_lora, "ia3": _of_ia3, "prompt": _of_prompt}


def loading(setup: Setup, folder: Path) -> str:
    """The Python that loads what `export` wrote."""
    name = class_of(setup).__name__
    return (
        f"from peft import PeftModel\nfrom transformers import {name}\n"
        f"base = {name}.from_pretrained(\n"
        f"    {locate(setup.config.model)!r}, num_labels={len(setup.task.labels)}\n)\n"
        f"model = PeftModel.from_pretrained(base, {str(folder)!r}).eval()\n"
        f"classes = {setup.task.labels}"
    )


def check(setup: Setup) -> tuple[AdapterFiles, Weights, dict[str, object]]:
    """The adapter, the head's weights and options of an export; weights need not be there yet.

    Raises:
        ValueError: if PEFT, or the class of transformers that it wraps, cannot carry the run.
    """
    strategy = setup.config.strategy
    if strategy not in FORMS:
        raise ValueError(
            f"PEFT has no form for the strategy {strategy!r} as it is here; it carries "
            f"{', '.join(FORMS)}. What becomes plain weights goes out with --to transformers"
        )
    family = family_of(setup)
    head, options = head_weights(setup, family)
    _check_base(setup, options)
    return FORMS[strategy](setup, family), head, options


def export(setup: Setup, folder: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`, the trained head among them.

    Raises:
        ValueError: if PEFT, or the class of transformers that it wraps, cannot carry the run.
    """
    adapter, head, options = check(setup)
    with torch.device("meta"):  # for its names alone
        network = labelling_network(setup, options)
    is_prompt = "prompt_embeddings" in adapter.weights
    front = "base_model" if is_prompt else "base_model.model"
    inner = f"{front}.{network.base_model_prefix}"
    named = {n if is_prompt else f"{inner}.{n}": w for n, w in adapter.weights.items()}
    named |= {f"{front}.{name}": weight for name, weight in head.items()}
    config = adapter.config | {
        "task_type": "TOKEN_CLS" if labels_tokens(setup) else "SEQ_CLS",
        "base_model_name_or_path": public_name(setup.config.model),
        "inference_mode": True,
        "modules_to_save": sorted({_top_module(name) for name in head}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: w.detach().float().contiguous() for name, w in named.items()}
    write_atomically(folder / WEIGHTS, safetensors.torch.save(tensors, {"format": "pt"}))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def _check_base(setup: Setup, options: dict[str, object]) -> None:
    """Raise ValueError unless the adapter alone, beside the pretrained model, is the whole run."""
    if setup.config.init == "random":
        raise ValueError(
            "an adapter of PEFT is loaded beside its pretrained model, but this run started from "
            "random weights (--init random); export with --to transformers"
        )
    if options:
        raise ValueError(
            "the head needs an option in the model's configuration, which an adapter cannot carry; "
            "export with --to transformers"
        )


def _top_module(name: str) -> str:
    """The module of a head that PEFT saves as a whole: "bert.pooler.dense.weight" -> "pooler"."""
    parts = name.split(".")
    return next(part for part in parts if part in ("pooler", "classifier", "score"))
