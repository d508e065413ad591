"""Arrays that `eval.py` wrote for a run, or the command that writes them."""

import zipfile
from pathlib import Path

import numpy as np

from tl.runs import Run, Weights

Arrays = dict[str, np.ndarray]
AGAIN = "delete it, and write it again with eval.py"
# What numpy raises for files that are torn, or are none of several arrays.
UNREADABLE = (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, TypeError)

NUMBERS, WHOLE, WORDS = "fiu", "iu", "U"  # kinds of numpy's
# What arrays hold, and how many dimensions they have. Those of a group or a member of several tasks
# are called `states/<group>` and `<member>/logits`, those of rewrites `rewritten_logits`.
FORMS = {
    **dict.fromkeys(("ids", "example_ids"), (WORDS + WHOLE, 1)),
    "labels": (WORDS + WHOLE, 1),
    "logits": (NUMBERS, 2),
    **dict.fromkeys(("label_names", "kinds", "reasons", "own"), (WORDS, 1)),
    **dict.fromkeys(("text_keys", "word_pieces"), (WORDS, 1)),
    **dict.fromkeys(("forms", "upos", "depth", "entity"), (WORDS, 1)),
    **dict.fromkeys(("words", "n_words", "word_examples", "source", "rejected"), (WHOLE, 1)),
    **dict.fromkeys(("mean", "first", "word_states"), (NUMBERS, 3)),
    "tokens": (WORDS, 2),
    "maps": (NUMBERS, 5),
    "unseen": ("b", 1),
    **dict.fromkeys(("texts", "gold"), ("S", 0)),
    **dict.fromkeys(("by", "domain", "data", "data_name", "column"), (WORDS, 0)),
    "k": (WHOLE, 0),
    "states/": (NUMBERS, 2),
    **dict.fromkeys(("labels/", "items/", "texts/"), (WHOLE, 1)),
    **dict.fromkeys(("cosines/", "grades/", "losses/"), (NUMBERS, 1)),
}
SAID = {"f": "decimals", "iu": "whole numbers", "U": "words", "b": "yes or no", "S": "bytes"}
# Nothing may be refused, rewritten, or a run's own.
MAY_BE_EMPTY = ("own", "reasons", "rejected", "source", "kinds", "unseen")


def load(path: Path, *needed: str, optional: tuple[str, ...] | None = None) -> Arrays:
    """The arrays of an .npz.

    Args:
        path: of the file.
        needed: names of those that must be there.
        optional: names of those that are read too, where they are there; None: all.

    Raises:
        ValueError: if the file cannot be read, lacks an array, or has one of another form.
    """
    try:
        with np.load(path) as arrays:
            names = list(arrays)
            read = names if optional is None else {*needed, *optional}
            found = {name: arrays[name] for name in names if name in read}
    except UNREADABLE:
        raise ValueError(f"{path} is damaged, or no file of arrays; {AGAIN}") from None
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(
            f"{path} has no {missing[0]}, only {', '.join(names)}; either the task has none, "
            "or the dump is of an earlier version and must be written again"
        )
    for name, array in found.items():
        check_form(path, name, array)
    return found


def check_form(path: Path, name: str, array: np.ndarray) -> None:
    """Raise ValueError for an array that holds something else than its name says, or nothing."""
    group, last = "".join(name.partition("/")[:2]), name.rpartition("/")[2]
    known = group if group in FORMS else last.removeprefix("rewritten_")
    kinds, n_dimensions = FORMS.get(known, (array.dtype.kind, array.ndim))
    if not array.size and (last in MAY_BE_EMPTY or last.startswith("rewritten_")):
        return
    if not array.size:  # numpy calls it decimals, whatever it would hold
        raise ValueError(f"{path}: {name} is empty, there is no example to judge; {AGAIN}")
    if array.dtype.kind not in kinds or array.ndim != n_dimensions:
        expected = " or ".join(text for kind, text in SAID.items() if set(kind) & set(kinds))
        raise ValueError(
            f"{path}: {name} is to hold {expected} in {n_dimensions} dimensions, not "
            f"{array.dtype} in {array.ndim}; {AGAIN}"
        )


def same_length(path: Path, arrays: Arrays, *names: str) -> None:
    """Raise ValueError unless some arrays of a file have equally many rows; those there are."""
    lengths = {name: len(arrays[name]) for name in names if name in arrays}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{name} {n:,}" for name, n in lengths.items())
        raise ValueError(f"{path}: its rows are not equally many ({counted}); {AGAIN}")


def check_indices(path: Path, arrays: Arrays, name: str, n: int) -> None:
    """Raise ValueError unless an array holds indices into n things."""
    indices = arrays[name]
    if indices.size and not (
        indices.dtype.kind in WHOLE and 0 <= indices.min() <= indices.max() < n
    ):
        raise ValueError(f"{path}: {name} is to hold whole numbers from 0 to {n - 1}; {AGAIN}")


def check_logits(path: Path, arrays: Arrays, front: str = "") -> None:
    """Raise ValueError unless labels are those of classes that have names and logits, if any."""
    names, logits = arrays["label_names"], arrays[f"{front}logits"]
    if logits.shape[1] != len(names):
        raise ValueError(
            f"{path}: {front}logits are of {logits.shape[1]} classes, and {len(names)} have names; "
            f"{AGAIN}"
        )
    if f"{front}labels" in arrays:
        check_indices(path, arrays, f"{front}labels", len(names))


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
