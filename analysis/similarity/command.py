"""What moved: how alike the layers of two models are, by debiased linear CKA (arXiv 1905.00414)."""

import argparse

import numpy as np

from analysis.finished import Asked, add_runs, asked
from analysis.plain import plain
from analysis.plotting import save
from analysis.seeds import named, together
from analysis.similarity.figure import figure
from analysis.similarity.moved import ByName, Ends, Similarity, compute
from analysis.states import SEED, read_states
from tl.runs import Weights, write_json

POOLS = {"mean": "mean of the tokens", "first": "first token", "word_states": "words"}
FEWEST, MOST_ROWS = 30, 5000  # of fewer, shuffled states are as alike as any
NEEDS = {"hidden": ("trained", "pretrained")}  # dumps of eval.py


def sentence(found: Similarity) -> str:
    """What moved, in words."""
    last = len(found.bias.biased) - 1
    parts = [f"Before against after adaptation ({found.pool}, {found.n_examples:,} examples):"]
    for name, moved in found.moved.items():
        values, who = moved.mean, named(name, len(moved.each))
        low = int(np.nanargmin(values))
        if values[low] > 1 - 1e-9:
            parts.append(f"{who} moved nothing, every layer is as it was.")
            continue
        parts.append(
            f"{who} moved layer {low} most (CKA {values[low]:.3f}), the last to "
            f"{values[last]:.3f}{since(values)}."
        )
    bias = found.bias
    parts.append(
        f"With the examples of {bias.run} shuffled, so that nothing is shared, the biased form "
        f"still says {bias.shuffled_biased[last]:.3f} of the last layer, the debiased one "
        f"{bias.shuffled_debiased[last]:.3f}."
    )
    return " ".join(parts + (ends_in_words(found.ends) if found.ends is not None else []))


def since(values: np.ndarray, limit: float = 0.95) -> str:
    """The lowest layer from which on all are below a limit, in words."""
    kept = np.flatnonzero(~(values < limit))
    first = int(kept[-1]) + 1 if len(kept) else 0
    return f"; from layer {first} on it is below {limit}" if first < len(values) else ""


def ends_in_words(ends: Ends) -> list[str]:
    """How alike configurations end, and beside it how alike the seeds of one end."""
    parts = [
        f"The last layers of {ends.names[i]} and {ends.names[j]} are {value:.3f} alike."
        for (i, j), value in np.ndenumerate(ends.values)
        if i < j and not np.isnan(value)
    ]
    parts += [
        f"Those of two seeds of {name} are {value:.3f} alike."
        for name, value in zip(ends.names, np.diag(ends.values), strict=True)
        if not np.isnan(value)
    ]
    return parts


def numbers(found: Similarity) -> dict:
    """All that was found, as JSON; null for nan."""
    moved = {
        name: {
            "seeds": one.each,
            "mean": one.mean,
            "half_of_interval": one.half if len(one.each) > 1 else None,
        }
        for name, one in found.moved.items()
    }
    return {
        "states": found.pool,
        "examples": found.n_examples,
        "before_against_after": plain(moved),
        "bias": plain(found.bias),
        "map": plain(found.map),
        "last_layers": plain(found.ends),
        "sentence": sentence(found),
    }


def collect(given: Asked, pool: str) -> tuple[ByName, ByName]:
    """The states of runs before and after adaptation; FEWEST to MOST_ROWS of each.

    Raises:
        ValueError: if a dump is missing, of few rows, or they are of different examples.
    """
    weights: tuple[Weights, ...] = ("trained", "pretrained")
    before: ByName = {}
    after: ByName = {}
    known = None
    for name, places in together(given.results).items():
        for run in (given.runs[place] for place in places):
            ids, states = read_states(run, "hidden", given.split, weights, pool)
            known = ids if known is None else known
            if not np.array_equal(ids, known):
                raise ValueError(
                    f"{run.path} and {given.runs[0].path} have dumps of other examples; give runs "
                    "on one data set, dumped with one --limit"
                )
            n = len(states["trained"])
            if n < FEWEST:
                raise ValueError(
                    f"{run.path}: {n} rows are too few to say what moved; dump {FEWEST} or more"
                )
            rows = np.random.default_rng(SEED).permutation(n)[:MOST_ROWS]
            before.setdefault(name, []).append(states["pretrained"][rows])
            after.setdefault(name, []).append(states["trained"][rows])
    return before, after


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument(
        "--states", choices=POOLS, default="mean", help="which are compared (default mean)"
    )


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    found = compute(POOLS[arguments.states], *collect(given, arguments.states))
    title = f"{given.results[0]['data_name']}, {given.split}"
    save(figure(found, title), given.out / "similarity.png")
    write_json(given.out / "similarity.json", numbers(found))
    print(f"{sentence(found)}\nwrote {given.out / 'similarity.png'} and similarity.json")
