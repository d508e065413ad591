"""A comparison in words, as tables and as a figure."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.calibration.compare import DECIDES, MENDED, Comparison, Group
from analysis.calibration.words import cell
from analysis.plotting import (
    GREY,
    INK,
    PALE,
    SILVER,
    colors_of,
    headline,
    in_lines,
    label_ends,
    styled,
)
from analysis.seeds import n_seeds
from analysis.statistics import Difference, correction
from analysis.text import aligned, by_chance, short

SHOWN = {
    "accuracy": "accuracy", "ece": "ECE", "debiased_l2": "L2", "classwise_ece": "class-wise",
    "brier": "Brier", "nll": "NLL", "ece_mended": "ECE, T", "l2_mended": "L2, T",
    "nll_mended": "NLL, T",
}  # fmt: skip
FEW = 20  # a bin of fewer answers says little
TITLE = 30  # letters in a line of a panel's title
ASIDE = 0.006  # by which groups are drawn beside each other, so that no bar covers another
# As trained a row has a full mark above, with a temperature a hollow one below; the colours of
# configurations would say something else here.
MARKS = (("o", 0.16, INK, "full"), ("D", -0.16, GREY, "none"))


def sentence(found: Comparison) -> str:
    """The verdict on each group, by the debiased L2 error, and what a temperature leaves of it."""
    verdicts = [_verdict(found, group) for group in found.groups if group.label != found.against]
    return (
        f"{found.title}, {found.split}; maps fitted on {found.calibrated_on}. "
        + " ".join(verdicts)
        + " Judged by the L2 error without what chance adds to it, over seeds: of other trainings, "
        f"on these test examples. {correction([one.difference for one in found.claims])}"
    )


def _verdict(found: Comparison, group: Group) -> str:
    raw, mended, nll = (found.difference(group.label, n) for n in (DECIDES, MENDED, "nll"))
    base = next(one for one in found.groups if one.label == found.against)
    if not raw.n_seeds:
        return (
            f"Whether {group.label} calibrates otherwise than {found.against} is unknown: no seed "
            "has two answers or more of both."
        )
    own, other = (
        np.mean([one.values[DECIDES][one.seeds.index(seed)] for seed in seeds])
        for one, seeds in ((group, raw.seeds[0]), (base, raw.seeds[-1]))
    )
    numbers = f"{short(own)} against {short(other)}, {_interval(raw)}, {raw.of_seeds}"
    if raw.p is None:
        return f"{group.label} and {found.against}: {numbers}: {raw.verdict}, no verdict."
    shown = ("higher", "lower")
    left = "a difference is left" if mended.verdict in shown else "no difference is shown"
    after = f"with a temperature for each run {left} ({_interval(mended)})"
    scored = f"the NLL, which counts accuracy too, differs by {_interval(nll)}"
    if raw.verdict not in shown:
        claim = f"That {group.label} calibrates otherwise than {found.against} is not shown"
    else:
        how = {"higher": "worse", "lower": "better"}[raw.verdict]
        claim = f"{group.label} calibrates {how} than {found.against}"
    return f"{claim} ({numbers}); {after}; {scored}."


def _interval(one: Difference) -> str:
    """`+.046 [.021, .071], p = .012`."""
    mean = f"{'+' if one.mean >= 0 else ''}{short(one.mean)}"
    if one.p is None:
        return mean
    return f"{mean} [{short(one.low)}, {short(one.high)}], {by_chance(one.p)}"


def tables(found: Comparison) -> str:
    """Means and deviations over seeds, then the differences."""
    rows = [["", "seeds", *SHOWN.values(), "calibrated ECE", "T"]]
    for group in found.groups:
        cells = [_spread(group.values[name]) for name in SHOWN]
        chance = f"≤ {short(float(group.chance.mean()))}"
        seeds = str(len(group.seeds))
        rows.append([group.label, seeds, *cells, chance, _spread(group.temperature)])
    parts = [[f"less {found.against}", "of", "measure", "mean", "95%", "by chance"]]
    for claim in found.claims:
        one = claim.difference
        judged = ["-", "-"]
        if one.p is not None:
            judged = [f"[{short(one.low)}, {short(one.high)}]", by_chance(one.p)]
        parts.append([claim.label, one.of_seeds, SHOWN[claim.measure], cell(one.mean), *judged])
    return f"{aligned(rows)}\n\n{aligned(parts)}"


def _spread(values: np.ndarray) -> str:
    """`.048 ± .003`; `-` where no seed has a number, and how many have one where not all do."""
    known = values[~np.isnan(values)]
    if not len(known):
        return "-"
    spread = len(known) > 1 and np.isfinite(known).all()
    deviation = f" ± {short(float(known.std(ddof=1)))}" if spread else ""
    of = "" if len(known) == len(values) else f" ({n_seeds(len(known))})"
    return f"{short(float(known.mean()))}{deviation}{of}"


@styled
def figure(found: Comparison) -> Figure:
    """Reliability of all seeds together; below, errors of each seed and the differences."""
    n_lines = sum(1 + in_lines(group.label).count("\n") for group in found.groups)
    below = 0.8 + 0.18 * max(n_lines, 2 * len(found.groups))  # inches
    result = Figure(figsize=(11.0, 4.2 + below))
    title = f"{found.title}, {found.split}   (● as trained, ◇ with a temperature)"
    headline(result, title)
    upper, lower = result.subfigures(2, 1, height_ratios=(4.2, below))
    gaps, area = upper.subplots(1, 2, width_ratios=(2.2, 1))
    plot_errors(area, found, "nll", "nll_mended", "NLL", 0)
    one, two, three = lower.subplots(1, 3, sharey=True)  # the names of rows stand once
    plot_errors(one, found, "ece", "ece_mended", "ECE (grey: chance)", 1)
    plot_errors(two, found, DECIDES, MENDED, "debiased L2", 0)
    plot_differences(three, found)
    plot_gaps(gaps, found)  # last: its labels are placed where the layout has come to rest
    return result


def plot_gaps(axes: Axes, found: Comparison) -> None:
    """How far accuracy lies from confidence, by confidence; below 0 a model is too sure."""
    axes.axhline(0, color=SILVER, linewidth=1)
    ends, colors = {}, colors_of(group.label for group in found.groups)
    for place, group in enumerate(found.groups):
        table, color = group.table, colors[group.label]
        shown = table.count >= FEW
        gap = table.gap[shown]
        x = table.confidence[shown] + ASIDE * (place - (len(found.groups) - 1) / 2)
        bars = np.abs([table.accuracy - table.low, table.high - table.accuracy])[:, shown]
        axes.errorbar(x, gap, bars, fmt="o-", color=color, capsize=2, elinewidth=0.7)
        if len(x):
            ends[group.label] = (float(gap[-1]), color)
    axes.set(
        title=f"accuracy − confidence, seeds together; bins of {FEW} answers or more",
        xlabel="confidence",
        xlim=(0, 1.02),
    )
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    axes.text(0.01, high, "too doubtful", color=GREY, fontsize=8, va="top")
    axes.text(0.01, low, "too sure", color=GREY, fontsize=8, va="bottom")
    label_ends(axes, 1.02, ends)


def plot_errors(
    axes: Axes, found: Comparison, before: str, after: str, title: str, chance: bool
) -> None:
    """A row for each group, a mark for each seed, as trained above and with a temperature below."""
    places = -np.arange(len(found.groups))
    for y, group in zip(places, found.groups, strict=True):
        if chance:
            axes.barh(y, group.chance.mean(), 0.8, color=PALE)
        for name, (mark, shift, color, fill) in zip((before, after), MARKS, strict=True):
            values = group.values[name][~np.isnan(group.values[name])]
            if not len(values):
                continue
            axes.plot(values, np.full(len(values), y + shift), mark, color=color, fillstyle=fill)
            axes.plot([values.mean()] * 2, [y + shift - 0.13, y + shift + 0.13], color=color)
    axes.set_yticks(places, [in_lines(group.label) for group in found.groups])
    axes.grid(visible=False, axis="y")
    axes.set(title=title, ylim=(places[-1] - 0.6, 0.6))
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if chance:  # bars start at 0
        axes.set_xlim(left=0)


def plot_differences(axes: Axes, found: Comparison) -> None:
    """The debiased L2 error of each group less that of the one it is compared with, in its row."""
    axes.axvline(0, color=SILVER, linewidth=1)
    for row, group in enumerate(found.groups):
        if group.label == found.against:
            continue
        for name, (mark, shift, color, fill) in zip((DECIDES, MENDED), MARKS, strict=True):
            one, y = found.difference(group.label, name), shift - row
            if one.low is not None:
                axes.plot([one.low, one.high], [y, y], color=color, linewidth=1)
            axes.plot(one.mean, y, mark, color=color, fillstyle=fill)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.1)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set(title=in_lines(f"L2 less that of {found.against}, 95% at once", TITLE))
