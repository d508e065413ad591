"""LoRA, DoRA, (IA)³ and prompts in the files of PEFT, written and read without it.

PEFT names a wrapped layer by its path in the original network; `Family.restore` knows those names.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from tl.backbones.base import Backbone, Family, Slot, Weights
from tl.build import Setup
from tl.exchange.plain import family_of, head_weights, labelling_network, labels_tokens
from tl.runs import write_atomically
from tl.strategies.ia3 import ScaledLinear
from tl.strategies.lora import DoRALinear, LoRALinear

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
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


def _of_lora(setup: Setup, family: Family) -> Adapter:
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
    return Adapter(config, weights)


def _of_ia3(setup: Setup, family: Family) -> Adapter:
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
    return Adapter(config, weights)


def _of_prompt(setup: Setup, family: Family) -> Adapter:
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
    return Adapter(config, {"prompt_embeddings": prompt})


FORMS = {"lora": _of_lora, "ia3": _of_ia3, "prompt": _of_prompt}


def export_peft(setup: Setup, folder: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`, the trained head among them.

    Raises:
        ValueError: if PEFT, or the class of transformers that it wraps, cannot carry the run.
    """
    strategy = setup.config.strategy
    if strategy not in FORMS:
        raise ValueError(
            f"PEFT has no form for the strategy {strategy!r} as it is here; it carries "
            f"{', '.join(FORMS)}. Try --to transformers"
        )
    family = family_of(setup)
    head, options = head_weights(setup, family)
    if options:
        raise ValueError(
            "the head needs an option in the model's configuration, which an adapter cannot carry; "
            "export with --to transformers"
        )
    adapter = FORMS[strategy](setup, family)
    network = labelling_network(setup, options)
    is_prompt = "prompt_embeddings" in adapter.weights
    front = "base_model" if is_prompt else "base_model.model"
    inner = f"{front}.{network.base_model_prefix}"
    named = {n if is_prompt else f"{inner}.{n}": w for n, w in adapter.weights.items()}
    named |= {f"{front}.{name}": weight for name, weight in head.items()}
    config = adapter.config | {
        "task_type": "TOKEN_CLS" if labels_tokens(setup) else "SEQ_CLS",
        "base_model_name_or_path": setup.config.model,
        "inference_mode": True,
        "modules_to_save": sorted({_top_module(name) for name in head}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: w.detach().float().contiguous() for name, w in named.items()}
    write_atomically(folder / WEIGHTS, safetensors.torch.save(tensors, {"format": "pt"}))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def _top_module(name: str) -> str:
    """The module of a head that PEFT saves as a whole: "bert.pooler.dense.weight" -> "pooler"."""
    parts = name.split(".")
    return next(part for part in parts if part in ("pooler", "classifier", "score"))


def read_peft(folder: Path) -> Adapter:
    """Read an adapter that PEFT, or `export_peft`, wrote.

    Raises:
        ValueError: if a file is missing or torn, or holds what has no form here.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} is no adapter of PEFT: it has no {name}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = safetensors.torch.load_file(folder / WEIGHTS)
    except (json.JSONDecodeError, UnicodeDecodeError, safetensors.SafetensorError) as error:
        raise ValueError(f"{folder} cannot be read as an adapter of PEFT: {error}") from None
    return Adapter(config, weights)


def strategy_words(adapter: Adapter, backbone: Backbone, family: Family) -> list[str]:
    """The words of a command line that give an adapter its strategy and options.

    Raises:
        ValueError: if it has a form that no strategy of ours has.
    """
    config = adapter.config
    kind = config.get("peft_type")
    if kind == "PROMPT_TUNING":
        return ["--strategy", "prompt", "--strategy.length", str(config["num_virtual_tokens"])]
    if kind == "IA3":
        return ["--strategy", "ia3"]
    if kind != "LORA":
        raise ValueError(f"adapters of type {kind} have no form here; known: {', '.join(FORMS)}")
    for name in ("rank_pattern", "alpha_pattern"):
        if config.get(name):
            raise ValueError(f"its {name} gives layers ranks of their own, which has no form here")
    if config.get("bias", "none") != "none":
        raise ValueError(f"it trains biases too (bias: {config['bias']}), which has no form here")
    words = ["--strategy", "lora", "--strategy.r", str(config["r"])]
    words += ["--strategy.alpha", str(config["lora_alpha"])]
    words += ["--strategy.dropout", str(config.get("lora_dropout", 0.0))]
    words += [f"--strategy.{name}" for name in ("rslora", "dora") if config.get(f"use_{name}")]
    return words + _target_words(adapter, backbone, family)


def _target_words(adapter: Adapter, backbone: Backbone, family: Family) -> list[str]:
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


def fill_from_peft(setup: Setup, adapter: Adapter) -> None:
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
