"""Arrays that `eval.py` wrote for a run, or the command that writes them."""

import zipfile
from pathlib import Path

import numpy as np

from tl.runs import Run, Weights

Arrays = dict[str, np.ndarray]
# What numpy raises for files that are torn, or are none of several arrays.
UNREADABLE = (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, TypeError)


def load(path: Path, *needed: str, optional: tuple[str, ...] | None = None) -> Arrays:
    """The arrays of an .npz.

    Args:
        path: of the file.
        needed: names of those that must be there.
        optional: names of those that are read too, where they are there; None: all.

    Raises:
        ValueError: if the file cannot be read, or lacks an array.
    """
    try:
        with np.load(path) as arrays:
            names = list(arrays)
            read = names if optional is None else {*needed, *optional}
            found = {name: arrays[name] for name in names if name in read}
    except UNREADABLE:
        raise ValueError(
            f"{path} is damaged, or no file of arrays; delete it, and write it again with eval.py"
        ) from None
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(
            f"{path} has no {missing[0]}, only {', '.join(names)}; either the task has none, "
            "or the dump is of an earlier version and must be written again"
        )
    return found


def require(
    run: Run, kind: str, name: str, weights: tuple[Weights, ...], options: str | None = None
) -> None:
    """Raise ValueError, with the command that makes them, unless all these dumps are there.

    The arguments are those of `lacking`.
    """
    if reason := lacking(run, kind, name, weights, options):
        raise ValueError(reason)


def lacking(
    run: Run, kind: str, name: str, weights: tuple[Weights, ...], options: str | None = None
) -> str | None:
    """Which of some dumps is not there, and the command that makes them; None: all are there.

    Args:
        run: the run.
        kind: of dump.
        name: of its files: a split, or `<data>-<split>` of other data.
        weights: all that are needed.
        options: what `eval.py` takes beside the kind and the weights; by default the split.
    """
    missing = [one for one in weights if not run.arrays(kind, name, one).is_file()]
    if not missing:
        return None
    return (
        f"{run.path} has no {kind}/{run.arrays(kind, name, missing[0]).name}; first: python "
        f"eval.py {run.path} --dump {kind} {options or f'--split {name}'} "
        f"--weights {','.join(weights)}"
    )


def read(
    run: Run,
    kind: str,
    split: str,
    weights: tuple[Weights, ...],
    *needed: str,
    options: str | None = None,
) -> list[Arrays]:
    """A dump of each of these weights, with the arrays that are needed.

    Raises:
        ValueError: if one was not made yet, or cannot be used.
    """
    require(run, kind, split, weights, options)
    return [load(run.arrays(kind, split, one), *needed) for one in weights]
