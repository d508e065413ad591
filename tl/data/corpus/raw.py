"""Raw article files, one article at a time: JSON lines and CSV of any size."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tl.data.files import check_encoding
from tl.data.records import Record
from tl.surrogates import refuse_surrogates

FORMATS = (".jsonl", ".ndjson", ".csv", ".tsv")


def articles(path: Path, encoding: str) -> Iterator[tuple[str, Record]]:
    """The records of a file, with the place of each for messages; the file is never held whole.

    Raises:
        ValueError: it is not of a known format, a line is malformed, or a byte does not belong to
            the encoding; the message names file and line.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: raw articles are read from {', '.join(FORMATS)}")
    check_encoding(encoding)
    read = _csv if path.suffix.lower() in (".csv", ".tsv") else _json
    return read(path, encoding)


def _lines(path: Path, encoding: str) -> Iterator[str]:
    with path.open("rb") as file:
        for i, raw in enumerate(file, 1):
            try:
                line = raw.decode(encoding)
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}, line {i}: byte 0x{raw[error.start]:02x} is not valid {encoding}; "
                    "name the file's encoding, for example --encoding cp1251 for Russian"
                ) from None
            except UnicodeError as error:
                raise ValueError(f"{path}, line {i}: not valid {encoding}: {error}") from None
            refuse_surrogates(line, f"{path}, line {i}")
            yield line.removeprefix("\ufeff") if i == 1 else line


def _json(path: Path, encoding: str) -> Iterator[tuple[str, Record]]:
    for i, line in enumerate(_lines(path, encoding), 1):
        if not line.strip():
            continue
        place = f"{path}, line {i}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{place}: bad JSON ({error.msg}); one object per line") from None
        except (RecursionError, ValueError):  # limits of Python's own
            raise ValueError(f"{place}: JSON nested too deeply, or too long a number") from None
        if not isinstance(record, dict):
            raise ValueError(f"{place}: expected a JSON object, got a {type(record).__name__}")
        refuse_surrogates(record, place)
        yield place, record


def _csv(path: Path, encoding: str) -> Iterator[tuple[str, Record]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(_lines(path, encoding), delimiter=delimiter, strict=True)
    start = 2
    try:
        for record in reader:
            place, start = f"{path}, line {start}", reader.line_num + 1
            if None in record or None in record.values():
                raise ValueError(f"{place}: as many fields as the header has are needed")
            yield place, record
    except csv.Error as error:
        raise ValueError(f"{path}, line {start}: bad quoting ({error})") from None
