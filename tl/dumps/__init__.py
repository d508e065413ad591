"""What analysis needs of a model, as arrays: a file for each kind, found by its name.

A kind is a module with LIMIT, how many examples it takes unless told otherwise, and `collect`. One
that has a form of data of its own, which is no data of the run's task, has `load` too:

    collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]
    load(data: str, encoding: str) -> Dataset
"""

import importlib
from types import ModuleType

from tl.registry import unknown

DUMPS = {
    "hidden": "tl.dumps.hidden",
    "attention": "tl.dumps.attention",
    "words": "tl.dumps.words",
}


def dump_of(name: str) -> ModuleType:
    """The module behind a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in DUMPS:
        raise unknown("dump", name, DUMPS)
    return importlib.import_module(DUMPS[name])
