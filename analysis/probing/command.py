"""Which layers know what, before and after adaptation: a linear probe for each of them."""

import argparse
import os

from analysis.finished import add_runs, asked
from analysis.layers import name_of, names_of
from analysis.plain import plain
from analysis.plotting import save
from analysis.probing.figure import figure
from analysis.probing.probed import Probed, compute
from analysis.probing.report import carried, paragraph, table
from analysis.seeds import together
from analysis.states import compared
from tl.runs import WEIGHTS, write_json

NEEDS = {"hidden": tuple(WEIGHTS)}  # dumps of eval.py


def numbers(found: list[Probed]) -> dict:
    """All that was found, as JSON."""
    layers = {
        probed.name: {
            curve.name: {
                "best": name_of(curve.best), "centre": curve.centre, "gain": curve.gain
            }
            for curve in probed.curves
        }
        for probed in found
    }  # fmt: skip
    return {
        "states": names_of(len(found[0].curves[0].accuracy)),  # of all lists of numbers
        "properties": [plain(probed) for probed in found],
        "layers": layers,
        "sentence": paragraph(found),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    found, refused = [], []
    for prop, shown in compared(given.runs, given.split, tuple(WEIGHTS)):
        try:
            found.append(compute(prop, shown, os.cpu_count()))
        except ValueError as error:
            refused.append(f"{prop.name}: {error}")
    if not found:
        raise ValueError("; ".join(refused))
    title = f"{given.about}: {', '.join(together(given.results))}"
    save(figure(found, title), given.out / "probing.png")
    write_json(given.out / "probing.json", numbers(found))
    for reason in refused:
        print(f"left out: {reason}")
    tables = "\n\n".join(map(table, found))
    print(f"{tables}\n\n{carried(found)}\n\n{paragraph(found)}")
    print(f"wrote {given.out / 'probing.png'} and probing.json")
