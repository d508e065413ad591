"""Spoiled files: valid ones that are cut, flipped, spliced and stuffed, or whose values change."""

import argparse
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PIECES = [
    *(b"", b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x85", b"\r", b"\n\n", b"\t"),
    *(b'"', b",", b"NaN", b"-Infinity", b"null", b"[]", b"{}", b"1e999", b"-1", b"\\ud800"),
    *(b"O", b"B-", b"I-X", b"=", b"--", "\u2028ж".encode(), b"a" * 200_000),
    *(b"9" * 5000, b"[" * 5000, b'{"a":' * 5000),  # more than Python's own limits
]


@dataclass(frozen=True)
class Loader:
    """A reader of one file: its name, a valid content, and how it is read in its folder."""

    name: str
    valid: bytes
    read: Callable[[Path], None]
    foreign: tuple[str, ...] = ()  # names that a JSON object may be given, and has not

    def values(self):
        """Contents that were valid once."""
        changed = st.just(self.valid)
        if self.name.endswith(".json"):
            changed = st.one_of(changed, exchanged(json.loads(self.valid)))
        if self.name.endswith(".jsonl"):
            changed = st.one_of(changed, exchanged_line(self.valid))
        if self.foreign:
            changed = st.one_of(changed, extended(json.loads(self.valid), self.foreign))
        return st.builds(mutated, changed, st.lists(edits, max_size=4))


edits = st.tuples(
    st.sampled_from(["cut", "flip", "insert", "delete", "copy", "overwrite"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)),
)
# With halves of surrogate pairs, which JSON can spell: most of all texts have none.
texts = st.one_of(st.text(max_size=5), st.text(st.characters(), max_size=5),
                  st.sampled_from(["a\ud83d", "\ude00", "\0"]))  # fmt: skip
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts,
              st.sampled_from(["ner", "full", "", "--", "../x", -1, 10**400, 1e300])),
    lambda inner: st.one_of(st.lists(inner, max_size=3),
                            st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip


def mutated(content, changes):
    for how, place, length, piece in changes:
        i = int(place * len(content))
        j = i + int(length * length * (len(content) - i))
        if how == "cut":
            content = content[:i]
        elif how == "flip" and i < len(content):
            content = content[:i] + bytes([content[i] ^ (1 << int(length * 7))]) + content[i + 1 :]
        elif how == "insert":
            content = content[:i] + piece + content[i:]
        elif how == "delete":
            content = content[:i] + content[j:]
        elif how == "copy":
            content = content[:i] + content[i:j] + content[i:]
        elif how == "overwrite":
            content = content[:i] + piece + content[i + len(piece) :]
    return content[:1_000_000]


def places(value, at=()):
    """The way to every value inside a JSON value."""
    yield at
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places(value[key], (*at, key))


def exchanged(value):
    """The text of a JSON value in which one part is another, or missing, or doubled."""

    def put(at, new, how):
        if not at:
            return json.dumps(new).encode()
        whole = json.loads(json.dumps(value))
        inner = whole
        for key in at[:-1]:
            inner = inner[key]
        if how == "drop":
            del inner[at[-1]]
        else:
            inner[at[-1]] = new
        return json.dumps(whole).encode()

    return st.builds(
        put, st.sampled_from(list(places(value))), json_values, st.sampled_from(["put", "drop"])
    )


def exchanged_line(content):
    """JSON lines, one of which has another value in it."""
    lines = content.splitlines(keepends=True)
    numbers = st.integers(0, min(len(lines), 9) - 1)

    def put(number, line):
        return b"".join([*lines[:number], line, b"\n", *lines[number + 1 :]])

    return numbers.flatmap(
        lambda number: st.builds(put, st.just(number), exchanged(json.loads(lines[number])))
    )


def extended(value, names):
    """The text of a JSON object with one more key, in it or in one of the objects in it."""
    objects = [at for at in places(value) if isinstance(inside(value, at), dict)]

    def put(at, name, new):
        whole = json.loads(json.dumps(value))
        inside(whole, at)[name] = new
        return json.dumps(whole).encode()

    return st.builds(put, st.sampled_from(objects), st.sampled_from(names), json_values)


def inside(value, at):
    for key in at:
        value = value[key]
    return value


def clear(error, path):
    """Whether an error is one that a user can act on: of our own kinds, and with a place in it."""
    if isinstance(error, OSError):
        return True
    of_ours = type(error) in (ValueError, argparse.ArgumentError)
    # A file, a data set, an option, or a name that is not known.
    return of_ours and any(
        part in str(error) for part in (path.name, str(path.parent), "data '", "--", "Known: ")
    )


def fuzz(loader, folder, n):
    path = folder / loader.name
    path.parent.mkdir(exist_ok=True)

    def hangs(*_):
        raise AssertionError("it hangs")

    @settings(
        max_examples=n, deadline=None, database=None, derandomize=n < 100,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(loader.values())
    def check(content):
        path.write_bytes(content)
        signal.alarm(30)
        refused = None
        try:
            loader.read(path)
        except (ValueError, OSError, argparse.ArgumentError) as error:
            refused = error
        finally:
            signal.alarm(0)
        assert refused is None or clear(refused, path), repr(refused)

    before = signal.signal(signal.SIGALRM, hangs)
    try:
        check()
    finally:
        signal.signal(signal.SIGALRM, before)
