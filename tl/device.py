"""Where to compute, in which precision, and how much memory that took."""

import resource
import sys
from collections.abc import Callable

import torch
from torch import Tensor

MIB = 2**20


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one.

    Raises:
        ValueError: if a GPU is asked for and torch sees none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda, but torch sees no GPU here; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type of matrix products: for `auto`, bfloat16 where the processor computes in it.

    Never float16: its range is too small for T5's activations and unscaled gradients.
    """
    if name == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            native = torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if native else torch.float32
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[name]


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Inside, matrix products run in `dtype`; for float32 it does nothing.

    What makes logits turns it off for itself (`tl.heads`, `tl.float32`).
    """
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def peak_mib(device: torch.device) -> float:
    """Most memory so far: allocated by torch on a GPU; resident in this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def saved_for_backward_mib(forward: Callable[[], Tensor]) -> float:
    """Memory of the activations that one forward pass keeps for its backward pass.

    The pass is made twice. What both keep at one address are weights, and the copies of them that
    autocast made in bfloat16 and holds for the length of its block; they do not count. Call it
    inside the block.
    """
    passes: list[dict[int, torch.UntypedStorage]] = [{}, {}]
    for kept in passes:

        def keep(tensor: Tensor, kept: dict[int, torch.UntypedStorage] = kept) -> None:
            # The graph gets nothing to keep: a tensor that its own node saved through a hook, and
            # that is never asked for by a backward pass, would not be freed again.
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda nothing: nothing):
            forward()
    first, second = passes
    return sum(second[address].nbytes() for address in second.keys() - first.keys()) / MIB
