"""The weights that a run learned, and what is needed to use them again."""

import hashlib
import json
from collections.abc import Set
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from tl.runs import write_atomically

METADATA = "tl"  # the key of our header in a safetensors file


def fingerprint(module: nn.Module, new: Set[nn.Parameter] = frozenset()) -> str:
    """16 hex digits of a network: names, shapes and the first kibibyte of every parameter.

    Those that are `new`, of no checkpoint, do not count.

    A sample, so that it costs nothing on large models; it tells one checkpoint from another.
    """
    digest = hashlib.sha256()
    for name, parameter in module.named_parameters():
        if parameter in new:
            continue
        sample = parameter.detach().flatten()[:256].float().cpu().numpy().tobytes()
        digest.update(f"{name} {tuple(parameter.shape)}".encode() + sample)
    return digest.hexdigest()[:16]


def save_learned(path: Path, learned: dict[str, Tensor], metadata: dict[str, object]) -> None:
    """Write learned weights with what is needed to use them: classes and the backbone they fit."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in learned.items()}
    header = {METADATA: json.dumps(metadata, ensure_ascii=False)}  # one key: the order is kept
    write_atomically(path, safetensors.torch.save(tensors, header))


def read_metadata(path: Path) -> dict[str, object]:
    """Read what `save_learned` wrote beside the weights: `labels`, `backbone` and `columns`.

    Files of before have no `columns`; they are empty then.

    Raises:
        ValueError: if the file is missing, torn or none of ours.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} is missing: the weights of this run were not kept (as in runs/reference); "
            "train it again with train.py --config on its config.json"
        )
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA, "null"))
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as learned weights: {error}") from None
    if not isinstance(metadata, dict) or not {"labels", "backbone"} <= metadata.keys():
        raise ValueError(f"{path} was not written by tl: it names no labels and no backbone")
    labels = metadata["labels"]
    named = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not named or len(set(labels)) < len(labels) or not isinstance(metadata["backbone"], str):
        raise ValueError(
            f"{path}: `labels` must be a list of different names, and `backbone` a text; the file "
            "is not as tl wrote it"
        )
    columns = metadata.setdefault("columns", [])
    if not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        raise ValueError(
            f"{path}: `columns` must be a list of names; the file is not as tl wrote it"
        )
    return metadata


def load_learned(path: Path, learned: dict[str, Tensor], backbone: str) -> None:
    """Copy saved weights into a model, strictly: nothing missing, nothing left over.

    Args:
        path: a learned.safetensors.
        learned: `AdaptedModel.learned()` of the model; its tensors are overwritten.
        backbone: `fingerprint` of the model's backbone as it was before anything was attached.

    Raises:
        ValueError: if they were learned on another backbone, or the names or shapes differ.
    """
    saved_on = read_metadata(path)["backbone"]
    if saved_on != backbone:
        raise ValueError(
            f"{path} was learned on a backbone with fingerprint {saved_on}, this one has "
            f"{backbone}; use the --model (and, for --init random, the seed) of the run"
        )
    try:
        saved = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as learned weights: {error}") from None
    differ = sorted(saved.keys() ^ learned.keys())
    differ += [n for n in saved.keys() & learned.keys() if saved[n].shape != learned[n].shape]
    if differ:
        raise ValueError(
            f"{path} does not fit the model: {len(differ)} tensors differ in name or shape, "
            f"the first is {differ[0]}"
        )
    with torch.no_grad():
        for name, tensor in learned.items():
            tensor.copy_(saved[name])
