"""Progress bars of long loops: on stderr, in a terminal, and gone when the loop has ended."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

# Set for a process whose stderr is passed on to a terminal: the number of columns there.
PASSED_ON = "TL_BARS"
COLUMNS, ROWS = 80, 24  # of a terminal that does not know them: pseudo-terminals often say 0
T = TypeVar("T")


def in_terminal() -> bool:
    """Return whether what is written to stderr is seen while it is written."""
    return sys.stderr.isatty() or os.environ.get(PASSED_ON, "").isdecimal()


def shape() -> dict[str, int]:
    """Return the size of a bar's terminal, as tqdm wants it; empty where there is none."""
    if not in_terminal():
        return {}
    columns = os.environ.get(PASSED_ON, "")
    if columns.isdecimal():
        return {"ncols": int(columns), "nrows": ROWS}
    size = os.get_terminal_size(sys.stderr.fileno())
    return {"ncols": (size.columns or COLUMNS) - 1, "nrows": size.lines or ROWS}


def passed_on() -> dict[str, str]:
    """Return the environment of a process whose stderr is passed on to ours."""
    return os.environ | ({PASSED_ON: str(shape()["ncols"])} if in_terminal() else {})


def bar(steps: Iterable[T], title: str, total: int | None = None) -> Iterable[T]:
    """Go through `steps` below a bar.

    Args:
        steps: of the loop.
        title: says what the loop does.
        total: how many steps there are, where `steps` has no length.
    """
    return tqdm(steps, f"  {title}", total, leave=False, disable=not in_terminal(), **shape())
