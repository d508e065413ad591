"""Dataclass fields that are command-line options: declared once, typed, bounded, explained."""

import argparse
import math
import types
import typing
from dataclasses import MISSING, Field, field, fields

from tl.surrogates import SURROGATE

LARGEST = 2**63 - 1  # of whole numbers: what sizes and counts are held in


def option(default: object, help: str, *, interval: str = "", group: str = "") -> typing.Any:
    """Declare a dataclass field that is also a command-line option.

    Args:
        default: its value when it is not given; `MISSING` for none.
        help: what it is, with the paper's symbol where there is one.
        interval: the numbers allowed, as in mathematics: "[1, inf)", "[0, 1)", "(0, inf)".
        group: the heading under which `--help` lists it.
    """
    metadata = {"help": help, "interval": interval, "group": group}
    return field(default=default, metadata=metadata)


def option_fields(cls: object) -> list[Field]:
    """The fields of a dataclass, or of an instance of one, that were declared by `option`."""
    return [f for f in fields(cls) if "interval" in f.metadata]


def inside(value: float, interval: str) -> bool:
    """Whether a number lies in an interval such as "[0, 1)". NaN lies in none."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    return above and below


def flag_of(name: str, prefix: str = "") -> str:
    """`weight_decay` -> `--weight-decay`; with the prefix "strategy": `--strategy.weight-decay`."""
    dotted = f"{prefix}." if prefix else ""
    return f"--{dotted}{name.replace('_', '-')}"


def _plain(hint: object) -> object:
    """`int | None` -> `int`."""
    if isinstance(hint, types.UnionType):
        return next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return hint


def _one(text: str, kind: type, interval: str) -> object:
    try:
        value = kind(text)
    except ValueError:
        what = {int: "a whole number", float: "a number"}[kind]
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
    if kind is str:
        if SURROGATE.search(value) or "\0" in value:
            raise argparse.ArgumentTypeError(
                f"{value!a} holds a null byte or half a surrogate pair, which are no text"
            )
        return value
    if isinstance(value, int) and abs(value) > LARGEST:
        raise argparse.ArgumentTypeError(f"must be {LARGEST} at most, got {text[:50]}")
    if not math.isfinite(value) or (interval and not inside(value, interval)):
        raise argparse.ArgumentTypeError(f"must lie in {interval or '(-inf, inf)'}, got {text}")
    return value


def _reader(hint: object, interval: str) -> typing.Callable[[str], object]:
    """The function that turns the text of an option into its value."""
    if typing.get_origin(hint) is tuple:
        kind = typing.get_args(hint)[0]
        return lambda text: tuple(_one(part.strip(), kind, interval) for part in text.split(","))
    return lambda text: _one(text, hint, interval)


def described(hint: object) -> str:
    """Describe in words what JSON must hold for an option of this type."""
    if isinstance(hint, types.UnionType):
        return f"{described(_plain(hint))}, or null"
    if typing.get_origin(hint) is tuple:
        return f"a list; each of it {described(typing.get_args(hint)[0])}"
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(repr, typing.get_args(hint)))}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[hint]


def fits(value: object, hint: object) -> bool:
    """Whether a value of JSON is of an option's type."""
    if isinstance(hint, types.UnionType):
        return value is None or fits(value, _plain(hint))
    if typing.get_origin(hint) is tuple:
        part = typing.get_args(hint)[0]
        # Lists are typed with commas between their values, so a comma within one would split it.
        return isinstance(value, list) and all(fits(v, part) and "," not in str(v) for v in value)
    if typing.get_origin(hint) is typing.Literal:
        return isinstance(value, str) and value in typing.get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint


def _describe(f: Field) -> str:
    notes = []
    if f.metadata["interval"]:
        notes.append(f"in {f.metadata['interval']}")
    if f.default not in (None, MISSING, (), "") and not isinstance(f.default, bool):
        default = ",".join(map(str, f.default)) if isinstance(f.default, tuple) else f.default
        notes.append(f"default {default}")
    if isinstance(f.default, bool):
        notes.append(f"default {'on' if f.default else 'off'}")
    text = f.metadata["help"] + (f" ({'; '.join(notes)})" if notes else "")
    return text.replace("%", "%%")


def add_options(
    parser: argparse.ArgumentParser, cls: type, prefix: str = "", title: str = ""
) -> None:
    """Add one option for every field of a dataclass; nothing typed leaves nothing in the namespace.

    Tuples are typed with commas (`--strategy.layers 0,6,12`), `Literal`s become choices, a `bool`
    gets a `--no-` form.
    """
    groups = {}
    hints = typing.get_type_hints(cls)
    for f in option_fields(cls):
        heading = f.metadata["group"] or title
        if heading not in groups:
            groups[heading] = parser.add_argument_group(heading)
        hint, flag = _plain(hints[f.name]), flag_of(f.name, prefix)
        dest = f"{prefix}.{f.name}" if prefix else f.name
        common = {"dest": dest, "default": argparse.SUPPRESS, "help": _describe(f)}
        if hint is bool:
            groups[heading].add_argument(flag, action=argparse.BooleanOptionalAction, **common)
        elif typing.get_origin(hint) is typing.Literal:
            groups[heading].add_argument(flag, choices=typing.get_args(hint), **common)
        else:
            shown = getattr(hint, "__name__", "value").upper()
            metavar = "A,B,…" if typing.get_origin(hint) is tuple else shown
            reader = _reader(hint, f.metadata["interval"])
            groups[heading].add_argument(flag, type=reader, metavar=metavar, **common)


def collect(args: argparse.Namespace, cls: type, prefix: str = "") -> typing.Any:
    """Build a `cls` from what was typed; what was not typed takes its default."""
    dotted = f"{prefix}." if prefix else ""
    typed = vars(args)
    names = [f.name for f in option_fields(cls)]
    return cls(**{name: typed[dotted + name] for name in names if dotted + name in typed})


def arguments_of(options: object, prefix: str = "") -> list[str]:
    """The words that give these options on a command line: `collect` backwards, less defaults."""
    words = []
    for f in option_fields(options):
        value, flag = getattr(options, f.name), flag_of(f.name, prefix)
        if value == f.default:
            continue
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return words
