"""What analysis needs of a model, as arrays: a file for each kind, found by its name.

A kind is a module with LIMIT, how many examples it takes unless told otherwise, and `collect`. One
that has a form of data of its own, which is no data of the run's task, has `load` too:

    collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]
    load(data: str, encoding: str) -> Dataset

Arrays whose names begin with `notes` hold lines for the user, and are not written.

One with options of its own declares them as tasks and strategies do, in a dataclass `Options`, and
stands in WITH_OPTIONS; its `collect` takes an instance of it as one more argument, `options`. If
other options give other arrays of the same data, `part` says of which part of the data they are:

    part(options: Options) -> str
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from tl import options
from tl.registry import options_of, unknown
from tl.runs import Run, Weights, write_arrays

if TYPE_CHECKING:  # torch is imported where it is used, so that --help answers at once
    from tl.build import Setup
    from tl.data.records import Dataset

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


def write(
    run: Run, kind: str, weights: Weights, setup: Setup, dataset: Dataset, args: argparse.Namespace
) -> tuple[Path, list[str]]:
    """Write the arrays of one kind.

    Those of data of a form of their own hold what `--data` was, `data`, and what such data are
    called, `data_name`: the name of a file tells neither for sure.

    Args:
        run: the run.
        kind: of DUMPS.
        weights: those of the model.
        setup: the model.
        dataset: has one split, called as the file shall be.
        args: the command line.

    Returns:
        where they are, and what a reader should know of them.
    """
    module, own = dump_of(kind), own_options(kind, args)
    (split,) = dataset.splits
    arrays = module.collect(setup, dataset, split, args.limit or module.LIMIT, **own)
    name = split
    if hasattr(module, "load"):
        arrays |= {"data": np.array(args.data), "data_name": np.array(dataset.name)}
    if hasattr(module, "part") and (part := module.part(**own)):
        name = f"{dataset.name}--{part}{split.removeprefix(dataset.name)}"
    noted = [key for key in arrays if key.startswith("notes")]
    notes = [str(note) for key in noted for note in arrays.pop(key)]
    path = run.arrays(kind, name, weights)
    write_arrays(path, arrays)
    return path, notes


def refuse_foreign_options(args: argparse.Namespace) -> None:
    """Raise ValueError for an option of a kind that is not dumped."""
    for typed in vars(args):
        name, dot, own = typed.partition(".")
        if dot and name in WITH_OPTIONS and name not in args.dump:
            flag = options.flag_of(own, name)
            raise ValueError(f"{flag} belongs to --dump {name}; add that, or leave it out")
