"""Text files as records: decoding, JSON lines, CSV.

Lines end at a line feed only. `str.splitlines` would also cut at U+0085 and U+2028, which real
texts hold, and so make two records of one.
"""

import codecs
import csv
import io
import json
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tl.data.records import Record
from tl.surrogates import HALF, SURROGATE, refuse_surrogates


def read_text(path: Path, encoding: str) -> str:
    """The text of a file with every CRLF as LF and without a byte order mark.

    Raises:
        ValueError: the encoding is unknown, or a byte does not belong to it. It is never guessed: a
            wrong guess reads without an error and trains on garbage.
    """
    check_encoding(encoding)
    raw = path.read_bytes()
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    try:
        text = raw.decode("utf-8-sig" if is_utf8 else encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: byte 0x{raw[error.start]:02x} is not valid {encoding}; name the "
            "file's encoding, for example --encoding cp1252 (cp1251 for Russian)"
        ) from None
    except UnicodeError as error:  # of codecs that are not for whole texts, such as idna
        raise ValueError(f"{path} is not valid {encoding}: {error}") from None
    if not is_utf8 and (half := SURROGATE.search(text)):  # as `unicode_escape` makes them
        line = text.count("\n", 0, half.start()) + 1
        refuse_surrogates(text, f"{path}, line {line}")
    return text.replace("\r\n", "\n")


def check_encoding(encoding: str) -> None:
    """Raise ValueError unless Python knows an encoding of text by this name."""
    try:
        with suppress(UnicodeError):
            b"a".decode(encoding)
    except (LookupError, ValueError):  # no such name; a codec of something else; a null byte
        raise ValueError(
            f"unknown encoding {encoding!r}; use a name Python knows: utf-8, utf-16, cp1252, cp1251"
        ) from None


def read_json(path: Path, encoding: str) -> list[Record]:
    """Records of a file with one JSON object per line, or with one list of objects.

    Raises:
        ValueError: bad JSON or not an object, with the line (in a list: the element).
    """
    text = read_text(path, encoding)
    if text.lstrip().startswith("["):
        values = _parse_json(text, path, 1)
        places = [f"{path}, element {i}" for i in range(1, len(values) + 1)]
    else:
        lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
        places = [f"{path}, line {i}" for i, _ in lines]
        values = [_parse_json(line, path, i) for i, line in lines]
    for place, value in zip(places, values, strict=True):
        if not isinstance(value, dict):
            raise ValueError(
                f"{place}: expected a JSON object such as "
                f'{{"text": "...", "label": "..."}}, got a {type(value).__name__}'
            )
    if HALF.search(text):
        for place, value in zip(places, values, strict=True):
            refuse_surrogates(value, place)
    return values


def _parse_json(text: str, path: Path, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {first_line + error.lineno - 1}: bad JSON ({error.msg} at column "
            f"{error.colno}); expected one JSON object per line, or one list of objects"
        ) from None
    except (RecursionError, ValueError):  # limits of Python's own
        raise ValueError(
            f"{path}, line {first_line}: JSON nested too deeply, or too long a number"
        ) from None


def read_csv(path: Path, encoding: str) -> list[Record]:
    """Records of a CSV or TSV file whose first row names the columns; every value is a string.

    Fields are quoted as in RFC 4180: a quoted field may hold delimiters, line ends and doubled
    quotes. A stray quote is an error, since it could silently swallow the rows that follow.

    Raises:
        ValueError: a row with too few or too many fields, a stray quote, a repeated column.
    """
    text = read_text(path, encoding)
    # The default limit of 131,072 characters per field is shorter than some articles.
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    records = []
    start = 1
    try:
        for row in reader:
            line, start = start, reader.line_num + 1
            if len(row) <= 1 and not "".join(row).strip():
                continue  # an empty line
            if header is None:
                header = _header(row, path)
            elif len(row) != len(header):
                raise ValueError(
                    f"{path}, line {line}: {len(row)} fields where the header has {len(header)} "
                    f"({', '.join(header)}); put a field that holds {delimiter!r} in double quotes"
                )
            else:
                records.append(dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {start}: bad quoting ({error}); a field that begins with a double quote "
            "must end with one, and double the quotes inside it"
        ) from None
    return records


def _header(row: list[str], path: Path) -> list[str]:
    names = [name.strip() for name in row]
    repeated = sorted(name for name, n in Counter(names).items() if n > 1)
    if repeated:
        raise ValueError(
            f"{path}, line 1: the header repeats {', '.join(map(repr, repeated))}; the first row "
            "must name every column once"
        )
    return names


def _delimiter(text: str) -> str:
    """The one of `,` `;` and tab that cuts the first row into the most columns."""
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]

    def n_columns(delimiter: str) -> int:
        return len(next(csv.reader([first], delimiter=delimiter), []))

    return max(",;\t", key=n_columns)
