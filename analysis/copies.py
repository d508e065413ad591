"""Copies of one text under several ids: they are no independent evidence, and no unseen test.

A probe that has learned from a text knows its copy by heart, a nearest neighbour that is a copy
says nothing of other texts, and an interval over copies is too narrow.
"""

import hashlib
from pathlib import Path

import numpy as np

from analysis import dumped


def read_keys(path: Path, rows: str) -> np.ndarray | None:
    """Read which rows of a dump are of one text, [n]; None where an earlier version wrote it.

    Args:
        path: of the file.
        rows: the name of an array with a value for each of the rows.

    Raises:
        ValueError: if the file cannot be used.
    """
    found = dumped.load(path, rows, optional=("text_keys", "word_examples"))
    if "text_keys" not in found:
        return None
    if rows.startswith("word_") and "word_examples" in found:  # rows are words, keys are of texts
        dumped.check_indices(path, found, "word_examples", len(found["text_keys"]))
        found["text_keys"] = found["text_keys"][found["word_examples"]]
    dumped.same_length(path, found, "text_keys", rows)
    return found["text_keys"]


def first_copies(examples: np.ndarray, keys: np.ndarray | None, before: np.ndarray) -> np.ndarray:
    """Find for each row the lowest id of an example of its text, [n].

    Args:
        examples: the ids of the examples that rows are of, [n].
        keys: equal for copies, [n]; None: copies are examples with the same states in all rows.
        before: states before adaptation, [n, L + 1, d].
    """
    keys = _digests(examples, before) if keys is None else keys
    order = np.argsort(examples, kind="stable")
    _, first, text = np.unique(keys[order], return_index=True, return_inverse=True)
    found = np.empty_like(examples)
    found[order] = examples[order][first][text]
    return found


def n_copies(examples: np.ndarray, first: np.ndarray) -> int:
    """Count the examples that are copies of others, given what `first_copies` says of them."""
    return len(np.unique(examples[first != examples]))


def _digests(examples: np.ndarray, states: np.ndarray) -> np.ndarray:
    """A key for the states of all rows of each example, [n]."""
    _, place = np.unique(examples, return_inverse=True)
    digests = [hashlib.sha256() for _ in range(place.max() + 1)]
    for row, example in enumerate(place):
        digests[example].update(states[row].tobytes())
    return np.array([digest.hexdigest() for digest in digests])[place]
