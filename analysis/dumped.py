"""Arrays that `eval.py --dump` wrote for a run, or the command that writes them."""

import numpy as np

from tl.runs import Run, Weights

Arrays = dict[str, np.ndarray]


def read(run: Run, kind: str, split: str, weights: Weights) -> Arrays:
    """One dump.

    Raises:
        ValueError: if it was not made yet; the message says how.
    """
    path = run.arrays(kind, split, weights)
    if not path.is_file():
        raise ValueError(
            f"{run.path} has no {path.relative_to(run.path)}; first: python eval.py {run.path} "
            f"--dump {kind} --weights trained,pretrained"
        )
    with np.load(path) as arrays:
        return dict(arrays)


def scored_split(result: dict) -> str:
    """The split that a run was scored on last: test, or validation where there is no test."""
    return list(result["scores"])[-1]
