"""The command line of the analyses: `python -m analysis NAME ...`."""

import argparse
import ast
import difflib
import importlib
import sys
from pathlib import Path

# An analysis is a file with `add_arguments(parser)` and `run(arguments)`, and a line here.
ANALYSES = {
    "tables": "analysis.tables",
    "curves": "analysis.curves",
    "compare": "analysis.compare",
    "transfer": "analysis.transfer",
    "abilities": "analysis.abilities",
    "probing": "analysis.probing",
    "similarity": "analysis.similarity",
    "projection": "analysis.projection",
}


def summary(name: str) -> str:
    """The first line of an analysis' docstring, read without importing matplotlib."""
    path = Path(__file__).parent / f"{ANALYSES[name].rpartition('.')[2]}.py"
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).partition("\n")[0]


def help_text() -> str:
    """All analyses, a line each."""
    lines = ["usage: python -m analysis NAME ...", "", "analyses (add NAME --help for one):"]
    lines += [f"  {name:<12}{summary(name)}" for name in ANALYSES]
    return "\n".join(lines)


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


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: 0, or 2 for bad input."""
    if not argv or argv[0] in ("-h", "--help"):
        print(help_text())
        return 0
    try:
        run(argv[0], argv[1:])
    except (ValueError, OSError) as error:
        print(f"python -m analysis: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
