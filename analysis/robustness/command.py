"""Robustness: does a model hold to its answers when a text is put in other words?"""

import argparse
from dataclasses import asdict

from analysis.finished import OtherTaskError, add_runs, asked
from analysis.plotting import save
from analysis.robustness.counts import Estimate
from analysis.robustness.dump import Failure, read
from analysis.robustness.figure import figure
from analysis.robustness.results import (
    Difference,
    Robustness,
    check_same_rewrites,
    compare,
    compute,
)
from analysis.seeds import add_against, choose, n_seeds, named, together
from tl.runs import Run, write_json

NEEDS = {"rewrites": ("trained",)}  # dumps of eval.py
TASKS = ("classification", "ner")
N_SHOWN = 3  # failures in the text


def share(estimate: Estimate) -> str:
    return "unknown" if estimate.value is None else f"{estimate.value:.1%}"


def points(estimate: Estimate) -> str:
    """A difference of two shares in percentage points, with its interval."""
    if estimate.value is None:
        return "unknown"
    value, low, high = (
        round(100 * x, 1) + 0.0 for x in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value:+.1f} points (95% interval {low:+.1f} to {high:+.1f})"


def words(found: Robustness) -> str:
    """One paragraph on a configuration."""
    return " ".join([of_scores(found), of_answers(found), *of_kinds(found), of_filters(found)])


def of_scores(found: Robustness) -> str:
    """How much the score falls, and what of every text holds in all of its forms."""
    name, n = named(found.label, len(found.seeds)), found.n_texts - found.n_without
    verb = "right" if found.item == "texts" else "found"
    uneven = found.n_rewrites < n * found.k
    weights = " (a text counts once, however many rewrites it has)" if uneven else ""
    return (
        f"{name}: {found.metric} is {share(found.before)} on {n:,} texts and "
        f"{share(found.after)} on their {found.n_rewrites:,} rewrites by {found.by}, a change of "
        f"{points(negative(found.drop))}{weights}. {share(found.worst)} of the {found.item} are "
        f"{verb} in every form; of those {verb} in the source, some rewrite breaks "
        f"{share(found.success)}."
    )


def of_answers(found: Robustness) -> str:
    """How often, and by how much, the model changes its mind, right or wrong."""
    moved = "unknown" if found.shift.value is None else f"{found.shift.value:.3f} on average"
    if found.item == "texts":
        return (
            f"The answer to a rewrite is that to its source in {share(found.same)} of cases; the "
            f"probability of the first answer moves by {moved}."
        )
    return (
        f"The entities it names in a rewrite and in its source agree by an F1 of "
        f"{share(found.same)}; the probability of a gold entity moves by {moved}."
    )


def negative(drop: Estimate) -> Estimate:
    """The change that a drop is."""
    if drop.value is None:
        return drop
    return Estimate(-drop.value, -drop.high, -drop.low, tuple(-x for x in drop.seeds))


def of_kinds(found: Robustness) -> list[str]:
    """Which kinds of rewrite do harm, the worst first, and which the model cannot see."""
    harmful = {name: negative(kind.drop) for name, kind in found.kinds.items() if kind.harmful}
    judged = sum(kind.harmful is not None for kind in found.kinds.values())
    few = [f"{name} ({kind.n})" for name, kind in found.kinds.items() if kind.harmful is None]
    listed = "; ".join(f"{name}, {points(change)}" for name, change in harmful.items())
    others = "no other kind" if harmful else "no kind"
    parts = []
    if judged:
        parts.append(
            f"Of {judged} kinds judged at once, harm beyond chance is done by "
            f"{f'{listed}; by ' if harmful else ''}{others}."
        )
    if few:
        parts.append(f"Too few texts to judge: {', '.join(few)}.")
    unseen = {name: kind.unseen for name, kind in found.kinds.items() if kind.unseen >= 0.005}
    if unseen:
        listed = ", ".join(f"{name} {part:.0%}" for name, part in unseen.items())
        parts.append(
            f"Some rewrites are the same tokens as their source, so nothing could change: {listed}."
        )
    return parts


def of_filters(found: Robustness) -> str:
    """What the filters refused, and what is missing for it."""
    counted = ", ".join(f"{reason} {n:,}" for reason, n in found.rejected.items())
    return (
        f"The filters refused {sum(found.rejected.values()):,} proposals"
        f"{f' ({counted})' if counted else ''}; {found.n_missing:,} of "
        f"{found.n_texts * found.k:,} rewrites are missing, and {found.n_without:,} texts have "
        "none."
    )


def example(failure: Failure) -> str:
    return (
        f"  {failure.kind}: {failure.right!r} became {failure.answer!r}\n"
        f"    {failure.text}\n    {failure.rewrite}"
    )


def difference(found: Difference) -> str:
    """How much more, or less, the rewrites cost one configuration than another."""
    drop, n = found.drop, len(found.pairs)
    if drop.value is None:
        return f"What rewrites cost {found.label} and {found.against} cannot be compared."
    way, amount = ("less", negative(drop)) if drop.value < 0 else ("more", drop)
    of = n_seeds(n) if n > 1 else "these two trainings, which says nothing of other seeds"
    verdict = "a difference beyond chance" if found.clear else "no clear difference"
    return (
        f"Rewrites cost {found.label} {points(amount)} {way} than {found.against}: {verdict} "
        f"(of {of})."
    )


def chance(found: list[Robustness]) -> str:
    """What the intervals are over, and what "beyond chance" counts."""
    over = "texts and other seeds" if any(len(one.seeds) > 1 for one in found) else "texts"
    return (
        f"Intervals are for other {over}; what is called beyond chance holds for all kinds, and "
        "for all comparisons, at once (Bonferroni)."
    )


def check(run: Run) -> None:
    """Raise ValueError for a run of a task whose texts are not rewritten."""
    task = run.read_result()["task"]
    if task not in TASKS:
        raise OtherTaskError(
            f"{run.path}: robustness is measured for {', '.join(TASKS)}, not {task}"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)
    add_against(parser)


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    for one in given.runs:
        check(one)
    dumps = [read(one, given.split) for one in given.runs]
    check_same_rewrites(dict(zip(given.labels, dumps, strict=True)))
    configurations = {
        name: {given.results[i]["seed"]: dumps[i] for i in places}
        for name, places in together(given.results).items()
    }
    differences = []
    if len(configurations) > 1 or arguments.against:
        against = choose(list(configurations), arguments.against)
        differences = compare(configurations, against)
    found = [compute(name, by_seed) for name, by_seed in configurations.items()]
    text = "\n".join([*map(words, found), *map(difference, differences), chance(found)])
    result = given.results[0]
    title = f"{result['task']}, {result['data_name']}: texts and their rewrites by {found[0].by}"
    save(figure(found, title), given.out / "robustness.png")
    numbers = {
        "runs": [asdict(one) for one in found],
        "differences": [asdict(d) for d in differences],
    }
    write_json(given.out / "robustness.json", numbers | {"split": given.split, "words": text})
    print(text)
    for one in found:
        seed = f", seed {one.seeds[0]}" if len(one.seeds) > 1 else ""
        print(f"\nthe worst failures of {one.label}{seed}:")
        print("\n".join(map(example, one.failures[:N_SHOWN])) or "  none")
    print(f"\nwrote {given.out / 'robustness.png'} and robustness.json")
