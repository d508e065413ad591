"""Everything on one run: what analysis needs of its model, then every analysis that can read it."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

from analysis import registry
from analysis.finished import scored_split
from tl.runs import Run

EVAL = Path(__file__).parents[1] / "eval.py"


def of_one_run() -> dict[str, dict[str, tuple[str, ...]]]:
    """The analyses that take a run: what each needs of `eval.py`, weights by the kind of dump."""
    modules = {name: importlib.import_module(path) for name, path in registry.ANALYSES.items()}
    return {name: one.NEEDS for name, one in modules.items() if hasattr(one, "NEEDS")}


def missing(run: Run, split: str, needs: list[dict[str, tuple[str, ...]]]) -> dict[str, set[str]]:
    """The dumps that are not there yet: weights by the kind of dump."""
    found: dict[str, set[str]] = {}
    for kind, weights in ((kind, some) for need in needs for kind, some in need.items()):
        lacking = {one for one in weights if not run.arrays(kind, split, one).is_file()}
        if lacking:
            found[kind] = found.get(kind, set()) | lacking
    return found


def dump(run: Run, split: str, kind: str, weights: set[str]) -> None:
    """Let `eval.py` write a dump, in a process of its own: analysis builds no model.

    Raises:
        ValueError: it could not; the message is that of `eval.py`.
    """
    words = [
        str(run.path),
        "--split",
        split,
        "--dump",
        kind,
        "--weights",
        ",".join(sorted(weights)),
    ]
    answer = subprocess.run(
        [sys.executable, str(EVAL), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if answer.returncode != 0:
        reason = answer.stderr.strip().rpartition("\n")[2].removeprefix("eval.py: error: ")
        raise ValueError(f"no {kind} of {run.path}: {reason}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a finished run directory")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/analysis")


def run(arguments: argparse.Namespace) -> None:
    directory = Run(arguments.run)
    split = scored_split(directory.read_result())
    out = [] if arguments.out is None else ["--out", str(arguments.out)]
    analyses = of_one_run()
    lacking = missing(directory, split, list(analyses.values()))
    n_jobs = len(lacking) + len(analyses)
    left_out = []
    for i, (kind, weights) in enumerate(sorted(lacking.items()), 1):
        print(f"[{i}/{n_jobs}] eval.py --dump {kind} --weights {','.join(sorted(weights))}")
        try:
            dump(directory, split, kind, weights)
        except ValueError as error:  # what needs it says so below
            left_out.append(f"{kind}: {error}")
    for i, name in enumerate(analyses, 1 + len(lacking)):
        print(f"\n[{i}/{n_jobs}] {name}\n", flush=True)
        try:
            registry.run(name, [str(arguments.run), *out])
        except ValueError as error:
            left_out.append(f"{name}: {error}")
            print(f"left out: {error}")
    print(f"\nin {arguments.out or arguments.run / 'analysis'}: {n_jobs} steps")
    for line in left_out:
        print(f"left out: {line}")
