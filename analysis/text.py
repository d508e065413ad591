"""Numbers and tables as text: for a terminal, and in Markdown."""

import math
import re

# An underscore within a word is one; elsewhere it begins or ends emphasis, as other marks do.
MARKS = re.compile(r"[\\`*~<|$\[\]]|(?<!\w)_|_(?!\w)")


def short(number: float) -> str:
    """`.048`, `1.204`, `-.016`, `infinite`, `unknown`."""
    if math.isnan(number):
        return "unknown"
    if math.isinf(number):
        return "infinite"
    return f"{number:.3f}".replace("0.", ".", 1) if abs(number) < 1 else f"{number:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """`[-0.033, -0.019]`; nothing where there is none."""
    return "" if low is None else f"[{low:+.3f}, {high:+.3f}]"


def by_chance(p_value: float | None) -> str:
    """`p = .012`, never 0, which no sample can show; nothing where there is none."""
    if p_value is None:
        return ""
    return "p < .001" if p_value < 0.001 else f"p = {short(p_value)}"


def aligned(rows: list[list[str]]) -> str:
    """Columns as wide as their widest cell; all but the first are right-aligned."""
    first, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *others in rows:
        right = [cell.rjust(width) for cell, width in zip(others, widths, strict=True)]
        lines.append("  ".join([name.ljust(first), *right]))
    return "\n".join(lines)


def markdown_table(rows: list[list[str]]) -> str:
    """The same in Markdown; the first row is the head."""
    head, *body = ["| " + " | ".join(map(in_markdown, row)) + " |" for row in rows]
    return "\n".join([head, "|---" + "|---:" * (len(rows[0]) - 1) + "|", *body])


def in_markdown(cell: str) -> str:
    """A name of data as it is: it ends no column and no row, and holds no markup of its own."""
    return MARKS.sub(lambda mark: "\\" + mark[0], " ".join(cell.splitlines()))


def as_code(text: str) -> str:
    """Text as code in Markdown: between more backticks than it has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{' '.join(text.splitlines())}{pad}{fence}"
