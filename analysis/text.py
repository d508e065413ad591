"""Tables as text: for a terminal, and in Markdown."""


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
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" + "|---:" * (len(rows[0]) - 1) + "|", *body])
