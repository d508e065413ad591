"""What a run saves: the weights that it learned, and all that it needs to go on exactly."""

import hashlib
import json
import pickle
from collections.abc import Set
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from tl.runs import replacing, write_atomically

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
    """What `save_learned` wrote beside the weights.

    Raises:
        ValueError: if the file is missing, torn or none of ours.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} is missing: the run has not finished an epoch, or its weights were not kept "
            "(as in runs/reference); train it again with train.py --config on its config.json"
        )
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA, "null"))
    except (safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read as learned weights: {error}") from None
    if not isinstance(metadata, dict) or not {"labels", "backbone"} <= metadata.keys():
        raise ValueError(f"{path} was not written by tl: it names no labels and no backbone")
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
    saved = safetensors.torch.load_file(path)
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


def save_state(path: Path, state: dict[str, object]) -> None:
    """Write a training state: a dict of tensors, numbers, strings, lists and dicts."""
    try:
        with replacing(path) as file:
            torch.save(state, file)
    except RuntimeError as error:  # what torch makes of a full disk
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def load_state(path: Path) -> dict[str, object]:
    """Read a training state; a pickle with code in it is refused, not run.

    Raises:
        ValueError: if there is none, or it cannot be read.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} is missing: the run saved nothing yet. Start it again with --overwrite"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        LookupError,
    ) as error:
        reason = str(error).partition(".")[0]  # what follows advises to run the code
        raise ValueError(f"{path} cannot be read as a checkpoint: {reason}") from None
