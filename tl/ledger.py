"""The memory ledger: what a training step holds at each of its moments, predicted and measured.

The prediction runs the code of a step on tensors that have a shape, a type and a device, but no
memory (torch's FakeTensor), and counts each from its birth to its end. So it follows every layer,
kernel and precision of the step, costs a second, and needs no room for the model. What it cannot
see is what kernels allocate for themselves, and where an allocator cannot use a gap.

On a GPU the same walk is made once more, for real, along the counters of torch's allocator.
"""

import functools
import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from tl.build import Setup
from tl.data.batch import Batch
from tl.device import MIB, autocast, saved_for_backward_mib

BLOCKS = {"cuda": 512}  # torch's allocator rounds up to so many bytes
Ledger = dict[str, float]  # MiB


class Meter(TorchDispatchMode):
    """Counts the bytes of the tensors that are made while it is on, for as long as they live.

    A view costs nothing. `copies` are those of weights that were cast to another type.
    """

    def __init__(self, block: int = 1) -> None:
        super().__init__()
        self.block, self.now, self.peak, self.copies = block, 0, 0, 0
        self.weights: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._seen: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def __torch_dispatch__(
        self,
        function: Callable,
        types: Iterable[type],
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> object:
        made = function(*args, **(kwargs or {}))
        casts = function is torch.ops.aten._to_copy.default
        is_copy = casts and args[0].untyped_storage() in self.weights
        tree_map_only(Tensor, functools.partial(self.count, is_copy=is_copy), made)
        return made

    def count(self, tensor: Tensor, *, is_copy: bool) -> None:
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        self._seen[storage] = None
        n_bytes = -(-storage.nbytes() // self.block) * self.block
        weakref.finalize(storage, self._change, -n_bytes, is_copy)
        self._change(n_bytes, is_copy)

    def _change(self, n_bytes: int, is_copy: bool) -> None:
        self.now += n_bytes
        self.copies += n_bytes * is_copy
        self.peak = max(self.peak, self.now)

    def restart(self) -> None:
        """Forget the peak."""
        self.peak = self.now


class Allocator:
    """The same gauge, read from torch's allocator of a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def now(self) -> int:
        return torch.cuda.memory_allocated(self.device)

    @property
    def peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.device)

    def restart(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.device)


def walk(
    gauge: Meter | Allocator, loss: Callable[[], Tensor], learns: list[Tensor], n_batches: int
) -> dict[str, int]:
    """The bytes at the moments of a step: while it goes forward, backward, and updates weights.

    `held` is what the forward pass leaves for the backward pass. The update takes place in the
    memory of the weights, gradients and moments; in steps that are logged, a copy of what learns
    stands beside them (`tl.monitor`).

    Args:
        gauge: what is read.
        loss: a forward pass of one batch.
        learns: the parameters; they have no gradients yet.
        n_batches: from the second one on, gradients are there already while it goes forward.
    """
    start, found = gauge.now, {"forward": 0, "backward": 0}
    for i in range(n_batches):
        gauge.restart()
        value = loss()
        found["forward"] = max(found["forward"], gauge.peak)
        if i == 0:
            found["held"] = gauge.now - start
            found["copies"] = getattr(gauge, "copies", 0)
        gauge.restart()
        value.backward()
        del value
        found["backward"] = max(found["backward"], gauge.peak)
    found["gradients"] = gauge.now - start
    gauge.restart()
    copies = [p.detach().clone() for p in learns if p.grad is not None]
    found["update"] = gauge.peak
    del copies
    return found


def predicted(setup: Setup, batch: Batch) -> Ledger:
    """What a step will hold, from shapes alone, in MiB.

    `weights` are parameters and buffers as they are stored, `optimizer` AdamW's two moments,
    `activations` what the forward pass keeps for the backward pass, `copies` the learning weights
    that autocast rounds for both. `forward`, `backward` and `update` are the highest points of the
    three parts of a step, with all that lives then, and `step` is the highest of them.

    Args:
        setup: its model may be on the meta device.
        batch: the largest one.
    """
    model, device = setup.model.train(), setup.device
    meter = Meter(BLOCKS.get(device.type, 1))
    with FakeTensorMode(allow_non_fake_inputs=True), meter:
        named = [*model.named_parameters(), *model.named_buffers()]
        tensors = {name: _like(tensor, device) for name, tensor in named}
        for tensor in tensors.values():
            meter.weights[tensor.untyped_storage()] = None
        weights = meter.now
        learns = [tensor for tensor in tensors.values() if tensor.requires_grad]
        kept = [(torch.zeros_like(p), torch.zeros_like(p), torch.zeros(())) for p in learns]
        optimizer = meter.now - weights
        if setup.config.decay_toward == "pretrained":
            kept += [_like(p.detach(), device) for p in model.learning_matrices()]
        inputs = {name: _like(x, device) for name, x in batch.inputs.items()}
        light = replace(batch, inputs=inputs, labels=_like(batch.labels, device))
        stand_in = _StandIn(model, tensors)
        found = walk(meter, lambda: setup.share(light, stand_in), learns, n_walked(setup))
    found |= {"weights": weights, "optimizer": optimizer}
    found["activations"] = found.pop("held") - found["copies"]
    workspace = workspace_bytes(device)
    for moment in ("forward", "backward", "update"):
        found[moment] += workspace
    return _in_order({name: n_bytes / MIB for name, n_bytes in found.items()})


def n_walked(setup: Setup) -> int:
    """The second of several batches already is as high as a step gets."""
    return min(2, setup.config.accumulate)


def _like(tensor: Tensor, device: torch.device) -> Tensor:
    """Inside a FakeTensorMode, a tensor without memory of this form."""
    return torch.empty_strided(
        tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device,
        requires_grad=tensor.requires_grad,
    )  # fmt: skip


class _StandIn:
    """A model that computes with other parameters than its own."""

    def __init__(self, model: nn.Module, tensors: dict[str, Tensor]) -> None:
        self.model, self.tensors = model, tensors

    def __call__(self, batch: Batch) -> Tensor:
        return functional_call(self.model, self.tensors, (batch,))


def _in_order(found: Ledger) -> Ledger:
    names = ["weights", "gradients", "optimizer", "activations", "copies"]
    moments = {name: found[name] for name in ("forward", "backward", "update") if name in found}
    ordered = {name: found[name] for name in names if name in found} | moments
    return ordered | ({"step": max(moments.values())} if moments else {})


def measured(setup: Setup, batch: Batch, optimizer: torch.optim.Optimizer) -> Ledger:
    """What a step does hold, in MiB: on a GPU at every moment, on a CPU as far as tensors tell.

    A CPU has no counter of its own; there, `peak_mib` of the whole process must do.

    Args:
        setup: trained; its parameters have no gradients.
        batch: the largest one, on the device of the model.
        optimizer: after its first step at least.
    """
    model = setup.model.train()
    learns = [p for p in model.parameters() if p.requires_grad]
    with autocast(setup.device, setup.dtype):
        activations = saved_for_backward_mib(lambda: setup.share(batch))
    found = {
        "weights": _mib({*model.parameters(), *model.buffers()}),
        "optimizer": _mib(x for state in optimizer.state.values() for x in state.values()),
        "activations": activations,
    }
    if setup.device.type != "cuda":
        setup.share(batch).backward()
        found["gradients"] = _mib(p.grad for p in learns if p.grad is not None)
    else:
        gauge = Allocator(setup.device)
        walked = walk(gauge, lambda: setup.share(batch), learns, n_walked(setup))
        in_mib = {name: n_bytes / MIB for name, n_bytes in walked.items()}
        found |= in_mib | {"copies": in_mib["held"] - activations}
    model.zero_grad(set_to_none=True)
    return _in_order(found)


def _mib(tensors: Iterable[Tensor]) -> float:
    return sum(tensor.nbytes for tensor in tensors) / MIB


@functools.cache
def workspace_bytes(device: torch.device) -> int:
    """What cuBLAS takes of a GPU for itself at its first product, forward and backward: a constant.

    It is found by letting go of it and multiplying anew, in both types.
    """
    if device.type != "cuda":
        return 0
    torch._C._cuda_clearCublasWorkspaces()
    before = torch.cuda.memory_allocated(device)
    for dtype in (torch.float32, torch.bfloat16):
        layer = nn.Linear(64, 64, device=device, dtype=dtype)
        layer(torch.ones(64, 64, device=device, dtype=dtype)).sum().backward()
        del layer
    return torch.cuda.memory_allocated(device) - before
