"""Everything on one run: what analysis needs of its model, then every analysis that can read it."""

import argparse
import importlib
import subprocess
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from analysis import registry
from analysis.finished import OtherTaskError, out_folder, scored_split
from analysis.others import is_there
from tl import bars
from tl.runs import Run

EVAL = Path(__file__).parents[1] / "eval.py"
OTHERS = {  # dumps of other data than the run's, and the weights that are read
    "words": ("trained", "pretrained", "random"),
    "texts": ("trained", "pretrained", "random"),
    "source": ("trained", "pretrained"),
}


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


def missing_of_others(run: Run, arguments: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """The dumps of other data that are asked for and not there: kinds, and words for `eval.py`."""
    found = []
    for kind, weights in OTHERS.items():
        for asked in getattr(arguments, kind):
            data, column = column_of(asked) if kind == "texts" else (asked, None)
            if is_there(run, kind, weights, data, column):
                continue
            label = [] if column in (None, "label") else ["--texts.label", column]
            found.append((kind, ["--data", data, *label, "--weights", ",".join(weights)]))
    return found


def column_of(asked: str) -> tuple[str, str]:
    """The data and the column of `DATA@COLUMN`; a name of the Hub may have a colon, but no @."""
    data, at, column = asked.rpartition("@")
    return (data, column) if at else (asked, "label")


def dump(run: Run, kind: str, options: list[str]) -> None:
    """Let `eval.py` write a dump, in a process of its own: analysis builds no model.

    In a terminal its stderr, progress bars and notes, is passed on to ours.

    Raises:
        ValueError: it could not; the message is that of `eval.py`.
    """
    words = [sys.executable, str(EVAL), str(run.path), "--dump", kind, *options]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=bars.passed_on()
    ) as process:
        said = pass_on(process.stderr)
    if process.returncode != 0:
        last = said.replace("\r", "\n").strip().rpartition("\n")[2]
        raise ValueError(f"no {kind} of {run.path}: {last.removeprefix('eval.py: error: ')}")


def pass_on(pipe: BinaryIO) -> str:
    """Read all that another process says, and show it at once where a terminal can."""
    said = ""
    # A bar returns to the start of its line by "\r", which must stay what it is.
    text = TextIOWrapper(pipe, "utf-8", "replace", newline="")
    while part := text.read(1):
        said += part
        if bars.in_terminal():
            print(part, end="", file=sys.stderr, flush=True)
    return said


def pages(out: Path) -> list[str]:
    """List what can be opened in a folder: pages for a browser first, then figures."""
    return [str(path) for kind in ("html", "png") for path in sorted(out.glob(f"*.{kind}"))]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a finished run directory")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/analysis")
    others = parser.add_argument_group("what it knows of other data; each may be repeated")
    for name, metavar, meaning in (
        ("words", "DATA", "probe words: a treebank (CoNLL-U), or sentences with tagged names"),
        ("texts", "DATA[@COLUMN]", "probe texts: those of a corpus and a column of labels"),
        (
            "source",
            "DATA",
            "data whose knowledge is compared before and after: labelled texts, words, or pairs",
        ),
    ):
        others.add_argument(f"--{name}", action="append", default=[], metavar=metavar, help=meaning)


def run(arguments: argparse.Namespace) -> None:
    directory = Run(arguments.run)
    split = scored_split(directory.read_result())
    out = out_folder([arguments.run], arguments.out)
    analyses = of_one_run()
    lacking = [
        (kind, ["--split", split, "--weights", ",".join(sorted(weights))])
        for kind, weights in sorted(missing(directory, split, list(analyses.values())).items())
    ]
    lacking += missing_of_others(directory, arguments)
    n_jobs = len(lacking) + len(analyses)
    left_out, refused, failed = [], set(), []
    for i, (kind, options) in enumerate(lacking, 1):
        print(f"[{i}/{n_jobs}] eval.py --dump {kind} {' '.join(options)}", flush=True)
        try:
            dump(directory, kind, options)
        except ValueError as error:  # what needs it says so below
            left_out.append(f"{kind}: {error}")
            refused.add(kind)
    for i, name in enumerate(analyses, 1 + len(lacking)):
        print(f"\n[{i}/{n_jobs}] {name}\n", flush=True)
        try:
            registry.run(name, [str(arguments.run), "--out", str(out)])
        except ValueError as error:
            left_out.append(f"{name}: {error}")
            print(f"left out: {error}")
            if not (isinstance(error, OtherTaskError) or refused & analyses[name].keys()):
                failed.append(name)
    print(f"\nin {out}: {n_jobs} steps; to look at: {', '.join(pages(out)) or 'nothing'}")
    for line in left_out:
        print(f"left out: {line}")
    if failed:
        raise ValueError(
            f"{', '.join(failed)} could not be done, for what is said above; their files in {out} "
            "are none, or those of an earlier call"
        )
