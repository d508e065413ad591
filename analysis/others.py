"""Dumps of other data than a run's own: which there are, and what `eval.py` makes them from."""

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from analysis import dumped
from tl.runs import WEIGHTS, Run

ABOUT = ("data", "data_name")  # arrays that say what was read; earlier dumps lack both


@dataclass(frozen=True)
class Other:
    """A dump of other data, whatever weights it is of."""

    stem: str  # what its files are called
    data: str | None  # what `--data` was; None: an earlier version did not write it
    name: str  # what the data are called
    split: str
    column: str | None  # of the labels, for texts

    @property
    def options(self) -> str:
        """The options of `eval.py` that make it."""
        label = [] if self.column is None else ["--texts.label", self.column]
        data = self.data or named(self.stem)
        return shlex.join([*label, "--data", data, "--split", self.split])


def named(stem: str) -> str:
    """The data in the name of a dump: `news` of `news-test`."""
    return stem.rpartition("-")[0]


def read(path: Path, stem: str) -> Other:
    """What a file says of its data; what it leaves open, its name says.

    Args:
        path: of the file, of any weights.
        stem: its name without them.

    Raises:
        ValueError: if it cannot be read, or is a dump of texts that names no column.
    """
    needed = ("column",) if path.parent.name == "texts" else ()
    found = dumped.load(path, *needed, optional=ABOUT)
    data, name, column = (str(found[key]) if key in found else None for key in (*ABOUT, "column"))
    return Other(stem, data, name or named(stem), stem.rpartition("-")[2], column)


def other_data(run: Run, kind: str) -> Iterator[Other]:
    """The dumps of other data than the run's, each once.

    Where several splits of one data set were dumped, the data are called by the split too. A dump
    of texts whose column is not in the name of the file is of an earlier version, and nothing
    beside one of the same column that has it there.

    Raises:
        ValueError: see `read`.
    """
    paths = {stem_of(path): path for path in sorted((run.path / kind).glob("*.npz"))}
    found: dict[tuple, Other] = {}
    for stem, path in sorted(paths.items()):  # "news--topic-test" comes before "news-test"
        one = read(path, stem)
        found.setdefault((one.name, one.column, one.split), one)
    splits = Counter((one.name, one.column) for one in found.values())
    for one in found.values():
        alone = splits[one.name, one.column] == 1
        yield one if alone else replace(one, name=f"{one.name}-{one.split}")


def stem_of(path: Path) -> str:
    """The name of a dump without its weights: `news-test` of `news-test--pretrained.npz`."""
    data, mark, weights = path.stem.rpartition("--")
    return data if mark and weights in WEIGHTS else path.stem


def is_there(run: Run, kind: str, weights: tuple[str, ...], data: str, column: str | None) -> bool:
    """Whether there is a dump of these data by all these weights, of any split.

    Args:
        run: the run.
        kind: of dump.
        weights: all that are needed.
        data: as it would be typed behind `--data`.
        column: of the labels, for texts.

    Raises:
        ValueError: if a dump cannot be read.
    """
    return any(
        all(
            (path := run.arrays(kind, stem, one)).is_file() and is_of(path, stem, data, column)
            for one in weights
        )
        for stem in {stem_of(path) for path in (run.path / kind).glob("*.npz")}
    )


def is_of(path: Path, stem: str, data: str, column: str | None) -> bool:
    """Whether a file is of these data; one that does not say so, if it is called like them."""
    one = read(path, stem)
    if one.column != column:
        return False
    return named(stem) == Path(data).name if one.data is None else place(one.data) == place(data)


def place(data: str) -> Path:
    """Where local data lie, however that was typed; of others, another path for each name."""
    try:
        return Path(data).expanduser().resolve()
    except RuntimeError:  # `~name`, and there is no such user
        return Path(data).resolve()
