"""What a resumed run must share with itself, and the parts of its state that are not the loop's."""

import torch
from torch import Tensor

from tl.build import Setup
from tl.checkpoint import save_learned
from tl.runs import ARITHMETIC, Run, versions

State = dict[str, object]  # what a checkpoint holds
# What these options name may have moved to another place; the content counts, by fingerprints.
PLACES = ("--data", "--encoding", "--model", "--device", "--precision")


def belongs_to(setup: Setup) -> dict[str, object]:
    """What must be the same when a run goes on, by name: options, data, model, versions."""
    options = {f: value for f, value in setup.config.flags().items() if f not in PLACES}
    return options | {
        "data fingerprint": setup.task.dataset.fingerprint,
        "backbone fingerprint": setup.backbone_fingerprint,
        "classes": setup.task.labels,
        "device": setup.device.type,
        "precision": str(setup.dtype),
        "arithmetic": ARITHMETIC,
        **versions("torch", "transformers"),
    }


def check_belongs(setup: Setup, counted: list[str], state: State) -> None:
    """Raise ValueError for a state of another run; the message begins with a verb.

    Args:
        setup: the run.
        counted: the names in a state's `progress`.
        state: what was read.
    """
    for what, now in belongs_to(setup).items():
        then = state["belongs_to"].get(what)
        if then != now:
            raise ValueError(f"was saved with {what} {then}, now it is {now}")
    if list(state["progress"]) != counted:
        then, now = ", ".join(state["progress"]), ", ".join(counted)
        raise ValueError(f"was saved by another version of tl: it counts {then}, this one {now}")
    learned, saved = setup.model.learned(), state["learned"]
    differ = learned.keys() ^ saved.keys()
    differ |= {n for n in learned.keys() - differ if saved[n].shape != learned[n].shape}
    if differ:
        raise ValueError(f"does not fit the model: {min(differ)} differs in name or shape")


def chance(device: torch.device) -> State:
    """Where the random streams of training stand, and in how many parts sums are cut."""
    on_gpu = device.type == "cuda"
    return {
        "random": torch.get_rng_state(),
        "random_gpu": torch.cuda.get_rng_state(device) if on_gpu else None,
        "n_threads": torch.get_num_threads(),
    }


def restore_chance(state: State, device: torch.device) -> list[str]:
    """Put back what `chance` found; returns a note where that needs one."""
    torch.set_rng_state(state["random"])
    if state["random_gpu"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["random_gpu"], device)
    n_threads = state["n_threads"]
    if n_threads == torch.get_num_threads():
        return []
    torch.set_num_threads(n_threads)
    return [f"note: going on with {n_threads} threads, as before; the last digits depend on it"]


def restore_best(run: Run, best: dict[str, Tensor] | None, metadata: dict[str, object]) -> None:
    """Make learned.safetensors what it was when the state was saved.

    A run that was killed after writing it, and before its checkpoint, has left that of a later
    epoch. Trained again, the epoch need not be better than the best before (on a GPU, sums vary).
    """
    if best is None:
        run.learned.unlink(missing_ok=True)
    else:
        save_learned(run.learned, best, metadata)
