"""Columns of words and tags (CoNLL), and every common tag scheme as IOB2."""

from collections.abc import Iterator
from pathlib import Path

from tl.data.files import read_text
from tl.data.records import Record

# What a letter says about the entity: B, S, U and W begin one; E, S, L, U and W end it.
BEGINS = frozenset("BSUW")
ENDS = frozenset("ESLUW")
SCHEMES = {
    "IOB": frozenset("BI"),
    "BIOES": frozenset("BIES"),
    "BILOU": frozenset("BILU"),
    "BMEWO": frozenset("BMEW"),
    "BMESO": frozenset("BMES"),
}
LETTERS = frozenset().union(*SCHEMES.values())
ALLOWED = "'O' or a letter, a hyphen and a type, such as 'B-PER'"


def read_conll(path: Path, encoding: str) -> list[Record]:
    """Sentences of a file with a word per line: the word in the first column, its tag in the last.

    Columns are separated by tabs where the line has one, otherwise by spaces. A line of nothing but
    spaces and tabs ends a sentence; `-DOCSTART-` lines are skipped. Only these two characters
    separate: a no-break space (U+00A0) belongs to its word.

    Raises:
        ValueError: a line with one column, with another number of columns than the lines before
            it, without a word, or with a tag of no known form.
    """
    records: list[Record] = []
    tokens: list[str] = []
    tags: list[str] = []
    for word, tag in _rows(read_text(path, encoding), path):
        if word:
            tokens.append(word)
            tags.append(tag)
        elif tokens:
            records.append({"tokens": tokens, "ner_tags": tags})
            tokens, tags = [], []
    return records


def _rows(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Word and tag of each line; ("", "") where a sentence ends."""
    n_columns = None
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip(" \t")
        if not line or line.startswith("-DOCSTART-"):
            yield "", ""
            continue
        separator = "\t" if "\t" in line else " "
        columns = [column.strip(" ") for column in line.split(separator)]
        if separator == " ":
            columns = [column for column in columns if column]
        n_columns = n_columns or len(columns)
        if len(columns) < 2 or len(columns) != n_columns:
            expected = "two or more" if n_columns < 2 else f"{n_columns} as in the lines before it"
            raise ValueError(
                f"{path}, line {number}: {len(columns)} column(s), expected {expected}; a line "
                "is a word and its tag, separated by a tab or spaces"
            )
        if not columns[0]:
            raise ValueError(f"{path}, line {number}: the word before the first tab is empty")
        if not is_tag(columns[-1]):
            raise ValueError(
                f"{path}, line {number}: unknown tag {columns[-1]!r} in the last column; "
                f"expected {ALLOWED}"
            )
        yield columns[0], columns[-1]
    yield "", ""


def is_tag(tag: object) -> bool:
    """Whether a tag is `O` or has a known letter and a type."""
    if not isinstance(tag, str):
        return False
    letter, _, entity_type = tag.partition("-")
    return tag == "O" or (letter in LETTERS and entity_type != "")


def to_iob2(tags: list[str]) -> list[str]:
    """One sentence's tags in IOB2: each entity begins with B- and goes on with I-.

    One rule reads all the schemes: a tag continues the entity before it if that one has the same
    type and has not ended, and if its own letter does not begin a new one.
    """
    converted = []
    open_type = None  # the type of the entity that the next tag may continue
    for tag in tags:
        letter, _, entity_type = tag.partition("-")
        if tag == "O":
            converted.append("O")
            open_type = None
        else:
            continues = letter not in BEGINS and entity_type == open_type
            converted.append(f"{'I' if continues else 'B'}-{entity_type}")
            open_type = None if letter in ENDS else entity_type
    return converted


def unify_tags(splits: dict[str, list[Record]]) -> tuple[dict[str, list[Record]], list[str]]:
    """The splits with `ner_tags` in IOB2, and a warning if that changed anything.

    The scheme is judged over the whole data set, since a short split may not show it. Records
    without both `tokens` and `ner_tags` stay as they are.

    Raises:
        ValueError: a tag of no known form, or letters that no one scheme has.
    """
    tagged = {
        split: [i for i, record in enumerate(records) if {"tokens", "ner_tags"} <= record.keys()]
        for split, records in splits.items()
    }
    sentences = [
        _checked_tags(splits[split][i], split, i) for split, where in tagged.items() for i in where
    ]
    scheme = _scheme(sentences)
    unified = {split: list(records) for split, records in splits.items()}
    n_changed = 0
    for split, where in tagged.items():
        for i in where:
            before = splits[split][i]["ner_tags"]
            after = to_iob2(before)
            n_changed += sum(a != b for a, b in zip(before, after, strict=True))
            unified[split][i] = splits[split][i] | {"ner_tags": after}
    if not n_changed:
        return unified, []
    return unified, [f"tags converted from {scheme} to IOB2: {n_changed} changed"]


def _checked_tags(record: Record, split: str, index: int) -> list[str]:
    tags = record["ner_tags"]
    unknown = [tag for tag in tags if not is_tag(tag)] if isinstance(tags, list) else [tags]
    if unknown:
        raise ValueError(
            f"record {index} of {split}: `ner_tags` holds {unknown[0]!r}; expected a list of tags, "
            f"each {ALLOWED}"
        )
    return tags


def _scheme(sentences: list[list[str]]) -> str:
    """The name of the scheme; among those with the letters B and I, IOB1 or "faulty IOB2".

    IOB1 writes B- only between two adjoining entities of one type. Where B- also stands elsewhere,
    and yet an entity begins with I-, the tags were meant as IOB2.
    """
    letters = {tag[0] for tags in sentences for tag in tags} - {"O"}
    fitting = [name for name, allowed in SCHEMES.items() if letters <= allowed]
    if not fitting:
        known = "; ".join(f"{name}: {' '.join(sorted(use))}" for name, use in SCHEMES.items())
        raise ValueError(
            f"the tags mix the letters {' '.join(sorted(letters))}, which no scheme does "
            f"({known}); rewrite them in one scheme"
        )
    if fitting[0] != "IOB":
        return fitting[0]
    begins_elsewhere = any(
        tag[0] == "B" and before[1:] != tag[1:]
        for tags in sentences
        for before, tag in zip(["O", *tags], tags, strict=False)
    )
    return "faulty IOB2" if begins_elsewhere else "IOB1"
