"""What moved: how alike the layers of two models are, by debiased linear CKA (arXiv 1905.00414)."""

import argparse

import numpy as np

from analysis.copies import first_copies, read_keys
from analysis.finished import Asked, add_runs, asked
from analysis.layers import in_words, names_of
from analysis.plain import plain
from analysis.plotting import save
from analysis.seeds import named, together
from analysis.similarity.figure import figure
from analysis.similarity.moved import Bias, ByName, Ends, Moved, Similarity, compute
from analysis.states import SEED, Property, check_same, read_arrays, read_states
from tl.runs import Run, Weights, write_json

POOLS = {"mean": "mean of the tokens", "first": "first token", "word_states": "words"}
FEWEST, MOST_ROWS = 30, 5000  # of fewer, shuffled states are as alike as any
NEEDS = {"hidden": ("trained", "pretrained")}  # dumps of eval.py


def sentence(found: Similarity) -> str:
    """What moved, in words."""
    parts = [f"Before against after adaptation ({found.pool}, {found.n_examples:,} examples):"]
    for name, moved in found.moved.items():
        parts += [moved_in_words(named(name, len(moved.each)), moved), *gone_in_words(moved)]
    parts += bias_in_words(found.bias)
    return " ".join(parts + (ends_in_words(found.ends) if found.ends is not None else []))


def moved_in_words(who: str, moved: Moved) -> str:
    """Which layers a configuration moved, of those that can be compared."""
    values = moved.mean
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return f"of {who} no layer can be compared."
    low = int(known[values[known].argmin()])
    if values[low] > 1 - 1e-9:
        if len(known) == len(values):
            return f"{who} moved nothing, every layer is as it was."
        return f"{who} left every layer that can be compared as it was."
    last = "" if np.isnan(values[-1]) else f", the last to {values[-1]:.3f}{since(values)}"
    return f"{who} moved {in_words(low)} most (CKA {values[low]:.3f}){last}."


def gone_in_words(moved: Moved) -> list[str]:
    """The layers that have no similarity, and why; nothing where all have one."""
    parts = []
    for state in map(int, np.flatnonzero(np.isnan(moved.mean))):
        collapsed, n = int(moved.collapsed[:, state].sum()), len(moved.each)
        seeds = f" in {collapsed} of {n} seeds" if n > 1 else ""
        where = in_words(state)
        parts.append(
            f"It has collapsed in {where}{seeds}: all states there are equal."
            if collapsed
            else f"It cannot be compared in {where}: states are equal before adaptation, or differ "
            "by no more than chance."
        )
    return parts


def bias_in_words(bias: Bias) -> list[str]:
    """What the biased form says of examples that are shuffled, in the last layer that has any."""
    known = np.flatnonzero(~np.isnan(bias.shuffled_biased + bias.shuffled_debiased))
    if not len(known):
        return []
    state, last = int(known[-1]), len(bias.biased) - 1
    where = "the last layer" if state == last else in_words(state)
    return [
        f"With the examples of {bias.run} shuffled, so that nothing is shared, the biased form "
        f"still says {bias.shuffled_biased[state]:.3f} of {where}, the debiased one "
        f"{bias.shuffled_debiased[state]:.3f}."
    ]


def since(values: np.ndarray, limit: float = 0.95) -> str:
    """The lowest layer from which on all are below a limit, in words."""
    kept = np.flatnonzero(~(values < limit))
    first = int(kept[-1]) + 1 if len(kept) else 0
    return f"; from {in_words(first)} on it is below {limit}" if first < len(values) else ""


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
            "collapsed": one.collapsed,
            "mean": one.mean,
            "half_of_interval": one.half if len(one.each) > 1 else None,
        }
        for name, one in found.moved.items()
    }
    return {
        "states": found.pool,
        "examples": found.n_examples,
        "layers": names_of(len(found.bias.biased)),  # of all lists of numbers
        "before_against_after": plain(moved),
        "bias": plain(found.bias),
        "map": plain(found.map),
        "last_layers": plain(found.ends),
        "sentence": sentence(found),
    }


def collect(given: Asked, pool: str) -> tuple[ByName, ByName]:
    """The states of runs before and after adaptation; FEWEST to MOST_ROWS of each.

    Raises:
        ValueError: if a dump is missing, of few rows, or they are of different examples or began
            with different models.
    """
    weights: tuple[Weights, ...] = ("trained", "pretrained")
    before: ByName = {}
    after: ByName = {}
    known = None
    for name, places in together(given.results).items():
        for run in (given.runs[place] for place in places):
            ids, states = read_states(run, "hidden", given.split, weights, pool)
            own = Property("hidden states", (), np.empty(0), ids, None, states)
            if known is None:
                known, once = (own, run), rows_of_first_copies(run, given.split, states, pool)
            check_same(known[0], own, known[1], run)
            if len(once) < FEWEST:
                raise ValueError(
                    f"{run.path}: {len(once)} rows are too few to say what moved (copies of texts "
                    f"left out); dump {FEWEST} or more"
                )
            rows = np.random.default_rng(SEED).permutation(once)[:MOST_ROWS]
            before.setdefault(name, []).append(states["pretrained"][rows])
            after.setdefault(name, []).append(states["trained"][rows])
    return before, after


def rows_of_first_copies(
    run: Run, split: str, states: dict[Weights, np.ndarray], pool: str
) -> np.ndarray:
    """The places of rows of texts that do not repeat others: what copies share is no evidence."""
    path, before = run.arrays("hidden", split, "pretrained"), states["pretrained"]
    keys, examples = read_keys(path, pool), np.arange(len(before))
    if pool == "word_states":
        if keys is None:
            return examples
        (examples,) = read_arrays(path, "word_examples")
    return np.flatnonzero(first_copies(examples, keys, before) == examples)


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
