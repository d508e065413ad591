"""Tables as text for a terminal."""


def aligned(rows: list[list[str]]) -> str:
    """Columns as wide as their widest cell; all but the first are right-aligned."""
    first, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *others in rows:
        right = [cell.rjust(width) for cell, width in zip(others, widths, strict=True)]
        lines.append("  ".join([name.ljust(first), *right]))
    return "\n".join(lines)
