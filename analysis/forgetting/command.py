"""What adaptation taught and what it cost: knowledge of a run's own texts and of others."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from analysis import dumped
from analysis.dumped import Arrays
from analysis.finished import Asked, add_runs, asked
from analysis.forgetting.figure import figure
from analysis.forgetting.gains import (
    ROLES,
    Change,
    Forgetting,
    Page,
    compute,
    judge,
    other_texts,
)
from analysis.others import ABOUT, other_data
from analysis.plain import plain
from analysis.plotting import save
from analysis.seeds import choose, named, together
from analysis.statistics import Difference, correction
from analysis.text import aligned, by_chance, interval
from tl.runs import Run, write_json

NEEDS = {"forgetting": ("trained", "pretrained")}  # dumps of eval.py
WHAT = {
    "probe": "macro-F1 of a linear probe",
    "pairs": "Spearman's ρ of similarity and paraphrase",
    "language": "loss of the language model, nats per word piece",
}
SAID = {
    "learned": "it knows more",
    "kept": "it knows as much",
    "lost": "it knows less",
    "unclear": "it is open whether it knows more or less",
    "absent": "it knows nothing, before and after",
    "this run only": "this run only, without a verdict",
}
GAPS = {
    "higher": "gains more, or loses less, than {}",
    "lower": "gains less, or loses more, than {}",
    "not shown": "is not shown to differ from {}",
    "this run only": "and {}, this run only, without a verdict",
}


def table(found: Forgetting) -> str:
    """A row for each group and ability."""
    head = ["group", "role", "ability", "texts", "before", "after", "gain", "95% at once"]
    rows = [[*head, "by chance", "verdict"]]
    for c in found.changes:
        numbers = [str(c.n_texts), f"{c.before:.3f}", f"{c.after:.3f}", f"{c.gain:+.3f}"]
        rows.append([*c.key, *numbers, *judged(c.found), c.verdict])
    return aligned(rows)


def judged(one: Difference) -> list[str]:
    """The interval and p; nothing where there are none."""
    return [interval(one.low, one.high), by_chance(one.p)]


def gap_table(page: Page) -> str:
    """A row for each gain that is compared with that of one configuration."""
    head = [f"gain less that of {page.against}", "group", "role", "ability", "mean"]
    rows = [[*head, "95% at once", "by chance", "verdict"]]
    for gap in page.gaps:
        mean = f"{gap.found.mean:+.3f}"
        rows.append([gap.label, *gap.change.key, mean, *judged(gap.found), gap.found.verdict])
    return aligned(rows)


def words(found: Forgetting) -> str:
    """What was learned and what was lost, in a paragraph."""
    parts = []
    for role, whose in ROLES.items():
        for verdict, said in SAID.items():
            some = [c for c in found.changes if c.role == role and c.verdict == verdict]
            listed = ", ".join(
                f"{c.group} ({c.measure} {c.before:.2f} → {c.after:.2f})" for c in some
            )
            if some:
                parts.append(f"{whose[0].upper()}{whose[1:]}, {said}: {listed}.")
    missing = f" No language model was asked: {found.missing}." if found.missing else ""
    meaning = "; ".join(f"{name}: {what}" for name, what in WHAT.items())
    said = correction([c.found for c in found.changes])
    return f"{named(found.label, len(found.seeds))}. {' '.join(parts)}{missing} ({meaning}.) {said}"


def gap_words(page: Page) -> str:
    """Say which gain more, or less, than the one that they are compared with."""
    parts = []
    for label in dict.fromkeys(gap.label for gap in page.gaps):
        own = [gap for gap in page.gaps if gap.label == label]
        for verdict, said in GAPS.items():
            some = [gap for gap in own if gap.found.verdict == verdict]
            listed = ", ".join(
                f"{gap.change.group} ({gap.change.measure} {gap.found.mean:+.2f})" for gap in some
            )
            if some:
                parts.append(f"{label} {said.format(page.against)}: {listed}.")
    return f"{' '.join(parts)} {correction([gap.found for gap in page.gaps])}"


def overview(results: list[Forgetting]) -> list[list[str]]:
    """The change and its verdict: a row for each group and ability, a column for each label."""
    columns = [{c.key: c for c in found.changes} for found in results]
    rows = dict.fromkeys(key for column in columns for key in column)
    head = ["group", "role", "ability", *(found.label for found in results)]
    return [head, *([*key, *(cell(column.get(key)) for column in columns)] for key in rows)]


def cell(change: Change | None) -> str:
    """`−.12 lost`; nothing where nobody was asked."""
    if change is None:
        return ""
    gain = f"{round(change.gain, 2) + 0.0:+.2f}".replace("-", "−")
    if abs(change.gain) < 0.995:
        gain = gain.replace("0.", ".")
    return f"{gain} {change.verdict}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument(
        "--against",
        metavar="LABEL",
        help="of several configurations, whose gains the others' are compared with, by the name "
        'that is printed, such as "lora (r 4)" (default: gains are not compared)',
    )


def load(run: Run, split: str) -> tuple[Arrays, Arrays]:
    """All that was dumped of a run before and after, other data with it."""
    both = ("pretrained", "trained")
    before, after = dumped.read(run, "forgetting", split, both, "own", "domain")
    check_rows(run.arrays("forgetting", split), before, after)
    for other in other_data(run, "source"):
        old, new = dumped.read(run, "source", other.stem, both, options=other.options)
        check_rows(run.arrays("source", other.stem), old, new)
        before, after = before | old, after | new
    return tuple({key: some[key] for key in some if key not in ABOUT} for some in (before, after))


def check_rows(path: Path, *both: Arrays) -> None:
    """Raise ValueError unless the arrays of each group fit each other, and none is missing."""
    beside = {"states": ("labels", "items"), "cosines": ("grades",), "losses": ()}
    for arrays in both:
        for kind, _, group in [key.partition("/") for key in arrays if "/" in key]:
            needed = [f"{name}/{group}" for name in (kind, *beside.get(kind, ()))]
            if missing := [name for name in needed if name not in arrays]:
                raise ValueError(f"{path} has no {missing[0]}; {dumped.AGAIN}")
            dumped.same_length(path, arrays, *needed)
        for key in arrays:
            if key.startswith("texts/"):
                dumped.same_length(path, arrays, key, key.replace("texts/", "losses/", 1))


def configurations(given: Asked) -> Iterator[tuple[str, dict[int, tuple[Arrays, Arrays]]]]:
    """What was dumped of each seed of each configuration.

    Raises:
        ValueError: if a dump is missing, or a group that several configurations have is not of the
            same texts in all of them.
    """
    known: Arrays = {}
    whose: dict[str, str] = {}  # by the names of arrays: who had it first
    for name, places in together(given.results).items():
        dumps = {given.results[i]["seed"]: load(given.runs[i], given.split) for i in places}
        _, after = next(iter(dumps.values()))
        # Each group has labels, grades or losses beside its states, whose width is the model's.
        own = {key: x for key, x in after.items() if "/" in key and not key.startswith("states/")}
        both = [{key: some[key] for key in known.keys() & own.keys()} for some in (known, own)]
        if odd := other_texts(*both):
            raise ValueError(
                f"{odd} is not that of the same texts in the runs of {whose[odd]} and {name}; dump "
                "both with the same options of eval.py"
            )
        known, whose = own | known, dict.fromkeys(own, name) | whose
        yield name, dumps


def as_numbers(page: Page) -> dict:
    """Return what the page holds, for JSON."""
    runs = [
        {"run": r.label, "seeds": r.seeds, "missing": r.missing, "words": words(r),
         "changes": [
             {"group": c.group, "measure": c.measure, "role": c.role, "n_texts": c.n_texts,
              "before": c.before, "after": c.after, "known": c.known,
              "gains": plain(c.gains.values), "gain": c.gain, "low": c.found.low,
              "high": c.found.high, "p": c.found.p, "n_claims": c.found.n_claims,
              "verdict": c.verdict}
             for c in r.changes]}
        for r in page.results
    ]  # fmt: skip
    gaps = [
        {"run": gap.label, "group": gap.change.group, "measure": gap.change.measure,
         "difference": plain(gap.found), "verdict": gap.found.verdict}
        for gap in page.gaps
    ]  # fmt: skip
    return {"runs": runs, "overview": overview(page.results), "against": page.against, "gaps": gaps}


def run(arguments: argparse.Namespace) -> None:
    given = asked(arguments)
    against = arguments.against
    if against is not None:
        choose(list(together(given.results)), against)
    page = judge([compute(name, dumps) for name, dumps in configurations(given)], against)
    if against is not None and not page.gaps:
        raise ValueError(f"--against {against}: no other run has a group of its texts")
    save(figure(page.results, given.about), given.out / "forgetting.png")
    write_json(given.out / "forgetting.json", as_numbers(page))
    for result in page.results:
        print(f"{named(result.label, len(result.seeds))}\n\n{table(result)}\n\n{words(result)}\n")
    if len(page.results) > 1:
        print(f"{aligned(overview(page.results))}\n")
    if page.gaps:
        print(f"{gap_table(page)}\n\n{gap_words(page)}\n")
    print(f"wrote {given.out / 'forgetting.png'} and forgetting.json")
