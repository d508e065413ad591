"""Any data set by its name: embedded, a local file or directory, or a Hub id."""

import difflib
import re
from collections.abc import Callable
from pathlib import Path

from tl import offline
from tl.data.conll import is_tag, read_conll, unify_tags
from tl.data.files import read_csv, read_json
from tl.data.records import SPLITS, Dataset, Record
from tl.data.splits import ALIASES, Splits, complete_splits, look_alikes

EMBEDDED = {"newsroom": "en", "newsroom-ru": "ru"}  # name -> language

READERS: dict[str, Callable[[Path, str], list[Record]]] = {
    **dict.fromkeys((".jsonl", ".json", ".jsonlines", ".ndjson"), read_json),
    **dict.fromkeys((".csv", ".tsv"), read_csv),
    **dict.fromkeys((".conll", ".txt", ".bio", ".iob", ".iob2", ".bioes"), read_conll),
}
FORMATS = "JSON lines (.jsonl .json), CSV (.csv .tsv), columns of words and tags (.conll .txt .bio)"
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(:[\w.-]+)?")


def load(name: str, subset: str, stratify: tuple[str, ...], encoding: str = "utf-8") -> Dataset:
    """The data set called `name`, whatever it is; an embedded name goes before a file of that name.

    A directory needs a file each for train and validation, and may have one for test: whoever made
    it can add what is missing. One file is cut 70/15/15, in a way that depends on its texts alone;
    so is a Hub data set without a validation split, which no user can change.

    Args:
        name: an embedded name, a local file or directory, or a Hub id (`owner/name:configuration`).
        subset: the task: "classification", "ner" or "summarization". An embedded data set has a
            subset for each; tags are read for "ner" only.
        stratify: columns whose values keep their shares when splits are cut; the first of them that
            the data have counts, if any.
        encoding: of local files.

    Raises:
        ValueError: there is no such data set, or something in it cannot be read.
        OSError: a file cannot be opened.
    """
    if name in EMBEDDED:
        from tl.data.newsroom import newsroom  # generates its texts: only for those who use it

        return newsroom(EMBEDDED[name], subset)
    path = offline.local_path(name)
    if name.strip() and path.exists():
        splits = _local_splits(path, encoding)
        warnings: list[str] = []
        name = path.resolve().name
    else:
        splits, warnings = _from_hub(name)
    empty = [split for split, records in splits.items() if not records]
    if empty:
        raise ValueError(f"data {name!r} has no records in {', '.join(empty)}")
    try:
        splits, notes = _prepared(splits, stratify, tagged=subset == "ner")
    except ValueError as error:
        raise ValueError(f"data {name!r}: {error}") from None
    return Dataset(name, splits, (*warnings, *notes))


def _prepared(
    splits: Splits, stratify: tuple[str, ...], *, tagged: bool
) -> tuple[Splits, list[str]]:
    """Complete splits in their order, tags in IOB2, and what a reader should know of them."""
    columns = Dataset("", splits).columns("train") if "train" in splits else []
    label = next((column for column in stratify if column in columns), None)
    conversions = []
    if tagged:
        splits, conversions = unify_tags(splits)
    splits, cuts = complete_splits(splits, label)
    splits = {split: splits[split] for split in SPLITS if split in splits}
    classes = look_alikes(_classes(splits, label))
    return splits, [*conversions, *cuts, *classes]


def _classes(splits: Splits, label: str | None) -> set[str]:
    """The names of classes: of texts by their label, of words by the types of their tags."""
    every = [record for records in splits.values() for record in records]
    if label is not None:
        return {record[label] for record in every if isinstance(record.get(label), str)}
    tags = (record.get("ner_tags") for record in every)
    return {tag[2:] for some in tags if isinstance(some, list) for tag in some if is_tag(tag)}


def load_file(path: Path, subset: str, encoding: str = "utf-8") -> list[Record]:
    """All records of one local file, uncut; tags, for the subset "ner", in IOB2.

    Raises:
        ValueError: it cannot be read, or holds no records.
        OSError: it cannot be opened.
    """
    records = _read(path, encoding)
    if not records:
        raise ValueError(f"{path} has no records")
    return unify_tags({"all": records})[0]["all"] if subset == "ner" else records


def _local_splits(path: Path, encoding: str) -> Splits:
    """The records of each file of a directory, or of one file as train."""
    if path.is_dir():
        return {split: _read(file, encoding) for split, file in _split_files(path).items()}
    return {"train": _read(path, encoding)}


def _read(path: Path, encoding: str) -> list[Record]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: files ending in {path.suffix!r} are not read; use {FORMATS}")
    return reader(path, encoding)


def _split_files(directory: Path) -> dict[str, Path]:
    """The file of each split; other files of the directory are not looked at."""
    files: dict[str, Path] = {}
    for path in sorted(directory.iterdir()):
        split = ALIASES.get(path.stem.lower())
        if split is None or not path.is_file():
            continue
        if split in files:
            raise ValueError(
                f"{directory} has two files for {split}: {files[split].name} and {path.name}; "
                "move one of them away"
            )
        files[split] = path
    missing = [split for split in ("train", "validation") if split not in files]
    if missing:
        found = ", ".join(sorted(path.name for path in directory.iterdir())) or "nothing"
        raise ValueError(
            f"{directory} lacks a split: {' and '.join(missing)}. Found {found}; expected one file "
            f"per split, named {', '.join(ALIASES)} (test may be missing), as {FORMATS}. "
            "To have one file cut into splits, give that file instead of its directory"
        )
    return {split: files[split] for split in SPLITS if split in files}


def _from_hub(name: str) -> tuple[Splits, list[str]]:
    """What the Hub has under a name that is nothing local."""
    near = difflib.get_close_matches(name.lower(), EMBEDDED, n=1)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    local = f"embedded data sets ({', '.join(EMBEDDED)}) and local files work offline"
    if Path(name).suffix.lower() in READERS or not HUB_ID.fullmatch(name):  # meant as a path
        raise ValueError(
            f"data {name!r} does not exist; give a file or directory that does, an embedded name "
            f"({', '.join(EMBEDDED)}) or a Hub id such as 'dair-ai/emotion'{hint}"
        )
    from tl.data.hub import hub_splits

    try:
        return hub_splits(name)
    except ValueError as error:
        raise ValueError(
            f"data {name!r} is no embedded name, there is no such file or directory, and loading "
            f"it from the Hub failed ({error}); {local}{hint}"
        ) from error


def require_columns(dataset: Dataset, columns: list[str], what: str) -> None:
    """Check that every record of every split has a value in each of the columns.

    Args:
        dataset: the data set to check.
        columns: the columns that a task reads.
        what: what to do otherwise, such as "name the column of labels with --task.label-column".

    Raises:
        ValueError: a column is missing from some record, or its value is null.
    """
    for split, records in dataset.splits.items():
        present = dataset.columns(split)
        for column in columns:
            if column not in present:
                raise ValueError(
                    f"data {dataset.name!r} has no column {column!r} in every record of {split}; "
                    f"its columns: {', '.join(present) or 'none'}; {what}"
                )
            for i, record in enumerate(records):
                if record[column] is None:
                    raise ValueError(
                        f"data {dataset.name!r}: record {i} of {split} has no value in {column!r}; "
                        "fill it in or remove the record"
                    )


def require_tagged(dataset: Dataset) -> None:
    """Check that every record has words and as many tags.

    Raises:
        ValueError: a record lacks `tokens` or `ner_tags`, they are no lists of strings, or their
            lengths differ.
    """
    what = "sequence labelling needs lists `tokens` and `ner_tags`, or columns of words and tags"
    require_columns(dataset, ["tokens", "ner_tags"], what)
    for split, records in dataset.splits.items():
        for i, record in enumerate(records):
            tokens, tags = record["tokens"], record["ner_tags"]
            place = f"data {dataset.name!r}: record {i} of {split}"
            if not (isinstance(tokens, list) and all(isinstance(word, str) for word in tokens)):
                raise ValueError(f"{place}: `tokens` is not a list of words; {what}")
            if not (isinstance(tags, list) and all(map(is_tag, tags))):
                raise ValueError(
                    f"{place}: `ner_tags` is not a list of tags such as 'B-PER'; {what}"
                )
            if len(tokens) != len(tags):
                raise ValueError(
                    f"{place} has {len(tokens)} tokens but {len(tags)} tags; give each token one"
                )
