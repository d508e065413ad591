"""Are the probabilities honest? Errors, chance, maps that mend them; strategies side by side."""

import argparse
import sys
from pathlib import Path

import numpy as np

from analysis.calibration import compare, compare_report, figure, page, predictions, words
from analysis.calibration.bins import N_BINS
from analysis.calibration.predictions import HALF, Predictions
from analysis.finished import (
    Finished,
    labels_of,
    out_folder,
    readable,
    refuse_other_data,
    scored_split,
)  # fmt: skip
from analysis.plain import plain
from analysis.plotting import save
from analysis.seeds import add_against, choose, together
from tl.runs import Run, write_json

NEEDS: dict[str, tuple[str, ...]] = {}  # dumps of eval.py: training wrote the predictions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=Path, help="a run, or several (or parents of them) to compare"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default for one run: RUN/analysis")
    parser.add_argument(
        "--split", help="what is scored (default test, or validation where there is no test)"
    )
    parser.add_argument(
        "--calibrate-on", metavar="SPLIT",
        help="what maps are fitted on: a split with predictions, or 'half': a half of what would "
        "be scored, cut by label, and the other half is scored (default validation, where the best "
        "epoch was chosen too; half where validation is scored)",
    )  # fmt: skip
    parser.add_argument("--bins", type=int, default=N_BINS, metavar="N", help="default %(default)s")
    parser.add_argument("--member", help="of multi-task runs: which task (default for one: each)")
    add_against(parser)


def run(arguments: argparse.Namespace) -> None:
    if arguments.bins < 1:
        raise ValueError(f"--bins must be at least 1, got {arguments.bins}")
    named = Run(arguments.runs[0])
    if len(arguments.runs) == 1 and named.config.is_file():
        run_one(named, arguments)
        return
    with readable(arguments.runs, lambda one: check(one, arguments)) as runs:
        if len(runs) == 1:
            run_one(Run(runs[0].path), arguments)
        else:
            run_several(runs, arguments)


def check(run: Finished, arguments: argparse.Namespace) -> None:
    """Raise ValueError for a run whose predictions cannot be read."""
    split = arguments.split or scored_split(run.result)
    if arguments.member is None and None not in predictions.members(Run(run.path), split):
        return  # of several tasks: which is meant has to be said, whatever the run holds
    load(Run(run.path), arguments, arguments.member)


def run_one(one: Run, arguments: argparse.Namespace) -> None:
    """A page for a run, or for each of its members."""
    if arguments.against is not None:
        choose([one.read_result()["strategy"]], arguments.against)  # refuses one run alone
    split = arguments.split or scored_split(one.read_result())
    known = predictions.members(one, split)
    for member in known if arguments.member is None else (arguments.member,):
        test, calibration = load(one, arguments, member)
        found = page.compute(title(one, member), test, calibration, arguments.bins)
        out = out_folder([one.path], arguments.out)
        name = "calibration" if member is None else f"calibration-{member}"
        save(figure.figure(found), out / f"{name}.png")
        text = words.sentence(found)
        write_json(out / f"{name}.json", plain(found) | {"sentence": text})
        print(f"{words.tables(found)}\n\n{text}\nwrote {out / name}.png and {name}.json\n")


def load(
    run: Run, arguments: argparse.Namespace, member: str | None
) -> tuple[Predictions, Predictions]:
    """What is scored, and what maps are fitted on.

    By default validation, so that all of test is scored and no label of it teaches anything. The
    best epoch was chosen there, once among a few, which flatters it a little; half of test knows
    of no choice at all, and tells how much that matters.
    """
    split = arguments.split or scored_split(run.read_result())
    fitted = arguments.calibrate_on or (HALF if split == "validation" else "validation")
    whole = predictions.read(run, split, member)
    if fitted == HALF:
        calibration, test = predictions.divide(whole)
        for half in (calibration, test):
            predictions.check(half, str(run.path))
        return test, calibration
    return whole, predictions.read(run, fitted, member)


def title(run: Run, member: str | None) -> str:
    result = run.read_result()
    task = member or result["task"]
    return f"{result['strategy']} on {task}, {result['data_name']}, seed {result['seed']}"


def run_several(finished: list[Finished], arguments: argparse.Namespace) -> None:
    """Compare configurations over their seeds."""
    results, paths = [one.result for one in finished], [one.path for one in finished]
    refuse_other_data([Run(path) for path in paths], results)
    labels_of(results, paths)  # refuses doubles
    by_name = together(results)
    names = list(by_name)
    sorted_runs = [[finished[place] for place in places] for places in by_name.values()]
    against = choose(names, arguments.against)
    out = out_folder(paths, arguments.out)
    loaded = [
        [load(Run(one.path), arguments, arguments.member) for one in some] for some in sorted_runs
    ]
    refuse_other_tests(sorted_runs, loaded)
    groups = []
    for name, some, halves in zip(names, sorted_runs, loaded, strict=True):
        pages = []
        for one, (test, calibration) in zip(some, halves, strict=True):
            print(f"{name}, seed {one.result['seed']}: {one.path}", file=sys.stderr)
            pages.append(page.compute(name, test, calibration, arguments.bins))
        seeds = [one.result["seed"] for one in some]
        groups.append(compare.group(name, some[0].result["trainable_parameters"], seeds, pages))
    first, (test, calibration) = sorted_runs[0][0].result, loaded[0][0]
    head = f"{arguments.member or first['task']} on {first['data_name']}"
    found = compare.compute(head, test.split, calibration.split, groups, against)
    save(compare_report.figure(found), out / "calibration.png")
    text = compare_report.sentence(found)
    write_json(out / "calibration.json", plain(found) | {"sentence": text})
    print(f"{compare_report.tables(found)}\n\n{text}")
    print(f"wrote {out / 'calibration.png'} and calibration.json")


def refuse_other_tests(
    groups: list[list[Finished]], loaded: list[list[tuple[Predictions, Predictions]]]
) -> None:
    """Raise ValueError unless all runs were scored on the same examples."""
    test = loaded[0][0][0]
    for some, halves in zip(groups, loaded, strict=True):
        for one, (other, _) in zip(some, halves, strict=True):
            same = test.names == other.names and np.array_equal(test.ids, other.ids)
            if not (same and np.array_equal(test.labels, other.labels)):
                raise ValueError(
                    f"{groups[0][0].path} and {one.path} have other examples in {test.split}, so "
                    "they cannot be compared; give runs of one task and one version of the data"
                )
