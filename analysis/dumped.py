"""Arrays that `eval.py --dump` wrote for a run, or the command that writes them."""

import numpy as np

from tl.runs import Run, Weights

Arrays = dict[str, np.ndarray]


def require(run: Run, kind: str, split: str, weights: tuple[Weights, ...]) -> None:
    """Raise ValueError, with the command that makes them, unless all these dumps are there."""
    missing = [name for name in weights if not run.arrays(kind, split, name).is_file()]
    if missing:
        raise ValueError(
            f"{run.path} has no {kind}/{run.arrays(kind, split, missing[0]).name}; first: "
            f"python eval.py {run.path} --dump {kind} --split {split} "
            f"--weights {','.join(weights)}"
        )


def read(run: Run, kind: str, split: str, weights: tuple[Weights, ...]) -> list[Arrays]:
    """A dump of each of these weights; ValueError if one was not made yet."""
    require(run, kind, split, weights)
    found = []
    for one in weights:
        with np.load(run.arrays(kind, split, one)) as arrays:
            found.append(dict(arrays))
    return found
