"""Sentences with parts of speech and dependency trees: CoNLL-U, of Universal Dependencies.

A word is a line of ten columns, of which four are read here: its number in the sentence, its form,
its part of speech (UPOS) and its head, the number of the word that it depends on (0: none).
"""

import re
from pathlib import Path

from tl.data.files import read_text
from tl.data.records import Dataset, Record
from tl.data.splits import ALIASES

N_COLUMNS = 10
UPOS = frozenset(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)


def is_conllu(data: str) -> bool:
    """Whether a file is meant as CoNLL-U, or a directory holds such files."""
    path = Path(data)
    return path.suffix == ".conllu" or (path.is_dir() and any(path.glob("*.conllu")))


def load_conllu(data: str, encoding: str) -> Dataset:
    """The sentences of a directory with a file per split, or of one file, all as test.

    Raises:
        ValueError: if there is no such file, no split in the directory, or a malformed line.
    """
    path = Path(data)
    if path.is_file():
        return Dataset(path.stem, {"test": read_conllu(path, encoding)})
    if not path.is_dir():
        raise ValueError(
            f"data {data!r} does not exist; give a .conllu file or a directory of them"
        )
    splits: dict[str, list[Record]] = {}
    for file in sorted(path.glob("*.conllu")):
        split = ALIASES.get(file.stem.rpartition("-")[2].lower())  # en_ewt-ud-test, or test
        if split in splits:
            raise ValueError(f"{path} has two files for {split}, one is {file.name}; move one away")
        if split is not None:
            splits[split] = read_conllu(file, encoding)
    if not splits:
        found = ", ".join(file.name for file in sorted(path.glob("*.conllu"))) or "none"
        raise ValueError(
            f"{path} has no .conllu file whose name is, or ends in a hyphen and, one of "
            f"{', '.join(ALIASES)}; found {found}"
        )
    return Dataset(path.resolve().name, splits)


def read_conllu(path: Path, encoding: str) -> list[Record]:
    """The sentences of a file: `id`, and as lists `tokens`, `upos` and `depth` of its words.

    What is no word is left out: comments, ranges such as 3-4 for contractions that are cut into
    words, and words such as 8.1 that the text lacks.

    Raises:
        ValueError: another number of columns, words not numbered 1, 2, …, an unknown part of
            speech, a head that is no word of the sentence, heads that go round in a circle, or no
            sentence at all.
    """
    records, rows, name = [], [], None
    lines = [*read_text(path, encoding).split("\n"), ""]
    for number, line in enumerate(lines, 1):
        place = f"{path}, line {number}"
        if line.startswith("#"):
            key, _, value = line[1:].partition("=")
            name = value.strip() if key.strip() == "sent_id" else name
        elif line.strip():
            rows += _word(line, len(rows) + 1, place)
        elif rows:
            records.append(_sentence(rows, name or str(len(records)), place))
            rows, name = [], None
    if not records:
        raise ValueError(f"{path} has no sentences")
    return records


def _word(line: str, expected: int, place: str) -> list[tuple[str, str, int]]:
    """The form, part of speech and head of a line's word; nothing if it holds none."""
    columns = line.split("\t")
    if len(columns) != N_COLUMNS:
        raise ValueError(
            f"{place}: {len(columns)} column(s), but CoNLL-U has {N_COLUMNS}, separated by tabs; "
            "an empty one holds an underscore"
        )
    number, form, _, upos, _, _, head, *_ = columns
    if re.fullmatch(r"\d+[-.]\d+", number):
        return []
    if number != str(expected):
        raise ValueError(f"{place}: the word is numbered {number!r}, expected {expected}")
    if not form.strip():
        raise ValueError(f"{place}: the word has no form (second column)")
    if upos not in UPOS:
        raise ValueError(
            f"{place}: unknown part of speech {upos!r} in the fourth column; universal ones are "
            f"{', '.join(sorted(UPOS))}"
        )
    if not head.isdecimal():
        raise ValueError(f"{place}: the head (seventh column) is {head!r}, expected a number")
    return [(form, upos, int(head))]


def _sentence(rows: list[tuple[str, str, int]], name: str, place: str) -> Record:
    forms, upos, heads = (list(column) for column in zip(*rows, strict=True))
    if max(heads) > len(heads):
        raise ValueError(
            f"the sentence before {place}: a word has the head {max(heads)}, but there are "
            f"{len(heads)} words"
        )
    try:
        depth = depths(heads)
    except ValueError as error:
        raise ValueError(f"the sentence before {place}: {error}") from None
    return {"id": name, "tokens": forms, "upos": upos, "depth": depth}


def depths(heads: list[int]) -> list[int]:
    """How many steps each word is below the root of its tree; the root itself is 0.

    Args:
        heads: of each word, counted from 1; 0 for a root.

    Raises:
        ValueError: if heads go round in a circle.
    """
    found = []
    for word in range(1, len(heads) + 1):
        depth, at = 0, heads[word - 1]
        while at:
            depth, at = depth + 1, heads[at - 1]
            if depth > len(heads):
                raise ValueError(f"from word {word}, heads go round in a circle")
        found.append(depth)
    return found
