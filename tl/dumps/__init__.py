"""What analysis needs of a model, as arrays: a file for each kind, found by its name.

A kind is a module with LIMIT, how many examples it takes unless told otherwise, and `collect`. One
that has a form of data of its own, which is no data of the run's task, has `load` too:

    collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]
    load(data: str, encoding: str) -> Dataset

One with options of its own declares them as tasks and strategies do, in a dataclass `Options`, and
stands in WITH_OPTIONS; its `collect` takes an instance of it as one more argument, `options`.
"""

import argparse
import importlib
from types import ModuleType

from tl import options
from tl.registry import options_of, unknown

DUMPS = {
    "hidden": "tl.dumps.hidden",
    "attention": "tl.dumps.attention",
    "forgetting": "tl.dumps.forgetting",
    "source": "tl.dumps.source",
    "rewrites": "tl.dumps.rewrites",
    "words": "tl.dumps.words",
    "texts": "tl.dumps.texts",
}
WITH_OPTIONS = ("rewrites", "texts")


def dump_of(name: str) -> ModuleType:
    """The module behind a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in DUMPS:
        raise unknown("dump", name, DUMPS)
    return importlib.import_module(DUMPS[name])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every kind that has some, as `--rewrites.k`."""
    for name in WITH_OPTIONS:
        own = options_of(DUMPS, name, "dump")
        options.add_options(parser, own, name, f"for --dump {name}")


def own_options(name: str, args: argparse.Namespace) -> dict[str, object]:
    """What the `collect` of a kind takes beside the rest."""
    if name not in WITH_OPTIONS:
        return {}
    return {"options": options.collect(args, dump_of(name).Options, name)}


def refuse_foreign_options(args: argparse.Namespace) -> None:
    """Raise ValueError for an option of a kind that is not dumped."""
    for typed in vars(args):
        name, dot, own = typed.partition(".")
        if dot and name in WITH_OPTIONS and name not in args.dump:
            flag = options.flag_of(own, name)
            raise ValueError(f"{flag} belongs to --dump {name}; add that, or leave it out")
