"""JSON that was written by us, read again: what is not as we write it is refused."""

import json
from pathlib import Path

from tl.surrogates import refuse_surrogates


def is_number(value: object) -> bool:
    """Whether a value of JSON is a number that fits a float; nan is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def parsed(text: str, place: str) -> dict:
    """The JSON object that a text is; ValueError, with its place, if it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # bad JSON; too long a number; too deep
        raise ValueError(f"{place} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{place} must hold one JSON object, got a {type(value).__name__}")
    refuse_surrogates(value, place)
    return value


def read_object(path: Path) -> dict:
    """Read a file that holds one JSON object.

    Raises:
        ValueError: if it holds something else.
        OSError: if it is not there.
    """
    try:
        return parsed(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None


def read_known(path: Path, kinds: dict[str, type]) -> dict:
    """Read a JSON object, some of whose values, where they are there, are of known kinds.

    Raises:
        ValueError: if one of them is of another kind; numbers must be 0 or more.
    """
    found = read_object(path)
    for name in kinds.keys() & found.keys():
        value, kind = found[name], kinds[name]
        if kind in (int, float):
            known = is_number(value) and value >= 0 and (kind is float or isinstance(value, int))
        else:
            known = isinstance(value, kind)
        if not known:
            raise ValueError(f"{path}: {name} must be a {kind.__name__}, got {repr(value)[:50]}")
    return found


def read_objects(path: Path) -> list[dict]:
    """Read a file that holds one JSON object per line.

    Raises:
        ValueError: if a line holds something else.
        OSError: if the file is not there.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None
    return [parsed(line, f"{path}, line {i}") for i, line in enumerate(lines, 1)]
