"""The analyses by their names: what each is, and running one."""

import argparse
import ast
import difflib
import importlib
from pathlib import Path

# An analysis is a file with `add_arguments(parser)` and `run(arguments)`, and a line here. One that
# takes a single run has NEEDS too: the dumps of eval.py that it reads, with the weights of each.
ANALYSES = {
    "all": "analysis.everything",
    "tables": "analysis.tables",
    "curves": "analysis.curves",
    "compare": "analysis.compare",
    "transfer": "analysis.transfer",
    "abilities": "analysis.abilities",
    "calibration": "analysis.calibration.command",
    "probing": "analysis.probing.command",
    "similarity": "analysis.similarity.command",
    "projection": "analysis.projection",
    "robustness": "analysis.robustness.command",
    "forgetting": "analysis.forgetting.command",
    "attention": "analysis.attention.command",
}


def summary(name: str) -> str:
    """The first line of an analysis' docstring, read without importing matplotlib."""
    path = Path(__file__).parents[1].joinpath(*ANALYSES[name].split(".")).with_suffix(".py")
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).partition("\n")[0]


def run(name: str, argv: list[str]) -> None:
    """Read the arguments of one analysis and run it.

    Raises:
        ValueError, OSError: if there is no such analysis, or it cannot work on what it was given.
    """
    if name not in ANALYSES:
        nearest = difflib.get_close_matches(name, ANALYSES, n=1, cutoff=0.5)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"unknown analysis {name!r}.{hint} Known: {', '.join(ANALYSES)}")
    module = importlib.import_module(ANALYSES[name])
    parser = argparse.ArgumentParser(f"python -m analysis {name}", description=summary(name))
    module.add_arguments(parser)
    module.run(parser.parse_args(argv))
