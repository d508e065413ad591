"""A page in words and in tables for a terminal."""

import math

from analysis.calibration.judge import Confidences
from analysis.calibration.page import AS_TRAINED, Calibration, Way
from analysis.text import aligned, by_chance, short


def cell(number: float) -> str:
    """As `short`, for tables: `-` where there is no number."""
    return "-" if math.isnan(number) else short(number)


def sentence(page: Calibration) -> str:
    """The paragraph of a page."""
    first = page.ways[0]
    parts = [page.title + ",", _honesty(page), _mended(page)]
    if first.entities is not None:
        parts.append(_types(page))
    parts.append(
        f"Of the surest 80% of the {_what(page)} {short(page.selective.at(0.8))} are right, of the "
        f"surest half {short(page.selective.at(0.5))}."
    )
    return " ".join(parts)


def _what(page: Calibration) -> str:
    return "entities that are named" if page.kinds else "answers"


def _honesty(page: Calibration) -> str:
    found = page.answers(page.ways[0])
    excess = found.confidence - found.accuracy
    verdict = "which chance alone explains" if found.ece.is_chance else "which is no chance"
    few = (
        f" {found.n} for {page.n_bins} bins are few: only a gross error could be told from chance."
        if found.n < 10 * page.n_bins else ""
    )  # fmt: skip
    ece = found.ece
    return (
        f"{page.split}: {found.n:,} {_what(page)}, {short(found.accuracy)} of them right at a mean "
        f"confidence of {short(found.confidence)}, {'too sure' if excess > 0 else 'too doubtful'} "
        f"by {short(abs(excess))} in the mean. The ECE is {short(ece.value)}, {verdict}: a "
        f"calibrated model with these confidences shows {short(ece.expected)} on average, and more "
        f"than {short(ece.upper)} once in twenty times ({by_chance(ece.p_value)}). Without what "
        f"chance adds, the L2 error is {_debiased(found)}.{few}"
    )


def _debiased(found: Confidences) -> str:
    """The debiased L2 error with its interval."""
    if math.isnan(found.debiased_l2):
        return "unknown: of one answer alone nobody can say what chance adds"
    low, high = found.debiased_interval
    return f"{short(found.debiased_l2)} [{short(low)}, {short(high)}]"


def _mended(page: Calibration) -> str:
    mended = page.way("temperature")
    ece = page.answers(mended).ece
    left = "now within chance" if ece.is_chance else "still beyond chance"
    before = page.ways[0].judged.nll
    best = min(page.ways, key=lambda way: way.judged.nll)
    where = "" if page.calibrated_on != "validation" else " (where the best epoch was chosen, too)"
    bound = "; it is at the end of its range, so it is no estimate" if mended.at_bound else ""
    endless = [way.method for way in page.ways if math.isinf(way.judged.nll)]
    warning = (
        f" The NLL of {' and '.join(endless)} is infinite: something happened that was given 0."
        if endless else ""
    )  # fmt: skip
    others = {AS_TRAINED: "as trained it is lowest", "temperature": "no other map has a lower one"}
    lowest = others.get(best.method, f"{best.method} has the lowest, {short(best.judged.nll)}")
    return (
        f"A temperature of {page.temperature:.2f}, fitted on {page.calibrated_on}{where}{bound}, "
        f"takes the ECE to {short(ece.value)} ({left}: up to {short(ece.upper)}) and the NLL "
        f"from {short(before)} to {short(mended.judged.nll)}; {lowest}.{warning}"
    )


def _types(page: Calibration) -> str:
    furthest = max(page.kinds, key=lambda kind: abs(kind.confidence - kind.precision))
    mapped = min(page.mapped_entities.items(), key=lambda item: item[1].debiased_l2)
    product, least = page.answers(page.ways[0]), page.least
    unknown = f" {page.n_unknown} were cut off and are left out." if page.n_unknown else ""
    return (
        f"An entity's confidence is the product of its words'; by the least of them the ECE would "
        f"be {short(least.ece.value)} instead of {short(product.ece.value)}; {mapped[0]} takes it "
        f"to {short(mapped[1].ece.value)}. Of the types, {furthest.name} is furthest off: "
        f"{short(furthest.confidence)} sure, {short(furthest.precision)} right "
        f"({furthest.n_named} named).{unknown}"
    )


ERRORS = [
    "n", "right", "confidence", "ECE", "calibrated", "p", "equal mass", "calibrated", "MCE", "L2"
]  # fmt: skip


def errors(found: Confidences) -> list[str]:
    """The cells of a row; `calibrated` is what chance stays below 19 times of 20."""
    numbers = [
        found.accuracy, found.confidence, found.ece.value, found.ece.upper, found.ece.p_value,
        found.ece_mass.value, found.ece_mass.upper, found.mce, found.debiased_l2,
    ]  # fmt: skip
    return [str(found.n), *map(cell, numbers)]


def tables(page: Calibration) -> str:
    """What is printed above the paragraph."""
    unit = "words" if page.kinds else "answers"
    blocks = [[[unit, *ERRORS], *([way.method, *errors(way.judged.top)] for way in page.ways)]]
    blocks.append([PROBABILITIES, *map(_probabilities, page.ways)])
    if page.kinds:
        rows = page.rows() | {"as trained, least word": page.least}
        blocks.append([["entities", *ERRORS], *([k, *errors(v)] for k, v in rows.items())])
        head = ["type", "true", "named", "precision", "95%", "confidence", "recall"]
        kinds = [
            [k.name, str(k.n_true), str(k.n_named), short(k.precision),
             f"{short(k.low)}-{short(k.high)}", short(k.confidence), cell(k.recall)]
            for k in page.kinds
        ]  # fmt: skip
        blocks.append([head, *kinds])
    return "\n\n".join(map(aligned, blocks))


PROBABILITIES = [
    "probabilities", "class-wise", "calibrated", "equal mass", "calibrated", "NLL", "Brier =",
    "reliability", "- resolution", "+ uncertainty", "+ within", "changed",
]  # fmt: skip


def _probabilities(way: Way) -> list[str]:
    found, parts = way.judged, way.judged.parts
    numbers = [
        found.classwise.value, found.classwise.upper, found.classwise_mass.value,
        found.classwise_mass.upper, found.nll, found.brier, parts.reliability, parts.resolution,
        parts.uncertainty, parts.within,
    ]  # fmt: skip
    return [way.method, *(f"{x:.4f}".removeprefix("0") for x in numbers), str(way.n_changed)]
