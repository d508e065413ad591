"""The state of a run in training, in two generations, each sealed.

    checkpoint/state.pt      the newest
    checkpoint/previous.pt   the one before, for the day when the newest cannot be read

A file is an archive of `torch.save`, and behind it a seal: our name, the format, and the SHA-256 of
the archive. torch notices by itself that an archive is cut short, but not that a bit in it flipped.
"""

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from tl.out_of_memory import out_of_memory
from tl.runs import Run, replacing

FORMAT = 2  # of the files; that the numbers of a run stay the same is `tl.runs.ARITHMETIC`
NAME = b"tl state, format "
SEAL_BYTES = len(NAME) + len(f"{FORMAT:04d} sha256 {'':64}\n")
FORM = {
    "progress": dict,
    "learned": dict,
    "best": dict | None,
    "optimizer": dict,
    "random": Tensor,
    "random_gpu": Tensor | None,
    "n_threads": int,
    "n_bytes": list,
    "scores_before": dict,
    "belongs_to": dict,
}
UNREADABLE = (  # what torch.load raises for archives of something else
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


class Hashed:
    """A file to write to, and the digest of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


def save_state(run: Run, state: dict[str, object]) -> None:
    """Write a state: a dict of tensors, numbers, strings, lists and dicts.

    The newest one becomes the previous one. Until the new one is whole and on the disk, both stay
    as they are; a process that is killed between the two renames leaves the previous one alone,
    which is then gone on from.

    Raises:
        OSError: the disk is full or the directory not writable; both stay as they are.
    """
    try:
        with replacing(run.checkpoint, keep=run.previous) as file:
            archive = Hashed(file)
            torch.save(state, archive)
            file.write(NAME + f"{FORMAT:04d} sha256 {archive.digest.hexdigest()}\n".encode())
    except RuntimeError as error:  # what torch makes of a full disk
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def read_state(path: Path) -> dict[str, object]:
    """Read one file; a pickle with code in it is refused, not run.

    Raises:
        ValueError: with the reason, if the file is missing, torn, or none of this format. The
            message begins with a verb: what is wrong with the file.
    """
    if not path.is_file():
        raise ValueError("is missing")
    try:
        with path.open("rb") as file:
            _check_seal(file)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        if out_of_memory(error):  # nothing is wrong with the file
            raise
        reason = str(error).partition(".")[0]  # what follows advises to run the code
        raise ValueError(f"cannot be read as a checkpoint: {reason}") from None
    for name, kind in FORM.items():
        if not isinstance(state, dict) or not isinstance(state.get(name, ...), kind):
            raise ValueError(f"cannot be read as a checkpoint: it has no {name} of the known form")
    return state


def _check_seal(file: BinaryIO) -> None:
    """Raise ValueError unless a file ends with the seal of what stands before it."""
    n_bytes = file.seek(0, io.SEEK_END) - SEAL_BYTES
    file.seek(max(0, n_bytes))
    seal = file.read()
    if n_bytes < 0 or not seal.startswith(NAME):
        raise ValueError("it was cut short, or tl of this version did not write it")
    version = seal[len(NAME) :][:4].decode("ascii", "replace")
    if version != f"{FORMAT:04d}":
        raise ValueError(f"it has format {version.lstrip('0')}, this version of tl reads {FORMAT}")
    digest = hashlib.sha256()
    file.seek(0)
    while n_bytes > 0:
        chunk = file.read(min(n_bytes, 2**20))
        digest.update(chunk)
        n_bytes -= len(chunk)
    if not seal.endswith(f" sha256 {digest.hexdigest()}\n".encode()):
        raise ValueError("its content does not have the digest that it was sealed with")


def load_state(
    run: Run, check: Callable[[dict[str, object]], None], report: Callable[[str], None]
) -> dict[str, object]:
    """The newest state that is whole and belongs to the run.

    Args:
        run: where they are.
        check: raises ValueError for a state of another run; its message begins with a verb.
        report: takes a line for the user, where the newest is not the one.

    Raises:
        ValueError: if there is none; the message has the reason for each.
    """
    reasons = []
    for candidate in (run.checkpoint, run.previous):
        if candidate == run.previous and not candidate.exists():
            break
        try:
            state = read_state(candidate)
            check(state)
        except ValueError as error:
            reasons.append(f"{candidate} {error}")
            continue
        if candidate == run.previous:
            report(f"note: {reasons[0]}. Going on from the one before it, {candidate.name}")
            # At once: the next save would move the newest, which may be torn, over this one.
            candidate.replace(run.checkpoint)
        return state
    raise ValueError(
        f"{'; '.join(reasons)}. Undo what changed, or start the run again with --overwrite"
    )
