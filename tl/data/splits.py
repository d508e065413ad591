"""Which record is in which split, and what a reader should know about it."""

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from itertools import combinations, islice
from typing import TypeVar

from tl.data.records import SPLITS, Record

Splits = dict[str, list[Record]]
T = TypeVar("T")

ALIASES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
HELD_OUT = 0.15  # the share of the texts that validation and test get, each


def complete_splits(splits: Splits, stratify: str | None) -> tuple[Splits, list[str]]:
    """The splits with a validation split, cut from train where the source has none.

    Train alone is cut 70/15/15. Train and test give 15% of train to validation. Train and
    validation stay without a test split: what was published for choosing is no test.

    Raises:
        ValueError: there is no train split, or it has too few texts to cut.
    """
    if "train" not in splits:
        raise ValueError(f"lacks a split: found {', '.join(splits) or 'nothing'}, needs train")
    if "validation" in splits:
        lacks = [] if "test" in splits else ["no test split: nothing will be reported on test"]
        return splits, lacks
    made = [split for split in ("validation", "test") if split not in splits]
    cut = divide(splits["train"], made, stratify)
    complete = {split: (splits | cut)[split] for split in SPLITS}
    sizes = ", ".join(f"{len(cut[split])} {split}" for split in cut)
    return complete, [f"{' and '.join(made)} cut from train, the same for every seed: {sizes}"]


def divide(records: list[Record], made: list[str], stratify: str | None) -> Splits:
    """Train and the splits `made` from it, each of them with 15% of the distinct texts.

    No text lands in two splits, each label and each type of entity keeps at least one text in
    train, and the shares of the labels are equal up to rounding; a text that has several labels
    counts with the least of them. Texts are ordered by a hash of their own, so the cut depends
    neither on a seed nor on the order of the file: runs of different seeds share their test split.

    Raises:
        ValueError: too few distinct texts for the number of labels.
    """
    keys = text_keys(records, stratify)
    strata: dict[str, str] = {}
    labels: dict[str, set[str]] = {}  # of each text, all of them
    for key, record in zip(keys, records, strict=True):
        label = str(record.get(stratify))
        strata[key] = min(label, strata.get(key, label))
        labels.setdefault(key, set()).update({label, *_entity_types(record)})
    ordered = sorted(strata, key=lambda key: (strata[key], _digest(key)))
    # The first text of each label stays in train: a label never seen there cannot be learnt.
    movable = [key for i, key in enumerate(ordered) if i and strata[key] == strata[ordered[i - 1]]]
    moved = spread(movable, made, len(ordered)) or {}
    _take_back(moved, {key: labels[key] for key in ordered})
    if set(moved.values()) != set(made):
        raise ValueError(
            f"too few texts to cut off {' and '.join(made)}: {len(ordered)} distinct texts with "
            f"{len(set(strata.values()))} label(s), in records of {', '.join(records[0])}; give a "
            "directory with a file per split"
        )
    result: Splits = {split: [] for split in ("train", *made)}
    for key, record in zip(keys, records, strict=True):
        result[moved.get(key, "train")].append(record)
    return result


def _take_back(moved: dict[str, str], labels: dict[str, set[str]]) -> None:
    """Let no label leave train: of those that would, the first text comes back, in place.

    Args:
        moved: the split of each text that leaves train.
        labels: of every text, in their order.
    """
    known = {label for key, own in labels.items() if key not in moved for label in own}
    for key, own in labels.items():
        if not own <= known:
            del moved[key]
            known |= own


def _entity_types(record: Record) -> set[str]:
    """The types of entities in a record of sequence labelling; none of another."""
    tags = record.get("ner_tags")
    return {str(tag)[2:] for tag in tags} if isinstance(tags, list) else set()


def spread(movable: Sequence[T], made: list[str], n_texts: int) -> dict[T, str] | None:
    """The split of each text that leaves train, evenly spaced: every label gives its share.

    Args:
        movable: texts in the order of their labels, without the first of each label.
        made: the splits, each of which gets 15%.
        n_texts: of which that share is taken.

    Returns:
        None if too few can move.
    """
    n_moved = len(made) * max(1, round(HELD_OUT * n_texts))
    if len(movable) < n_moved:
        return None
    return {
        movable[int((i + 0.5) * len(movable) / n_moved)]: made[i % len(made)]
        for i in range(n_moved)
    }


def defects(splits: Splits, columns: list[str], label: str | None) -> list[str]:
    """Warnings about empty values and about texts in more than one split; all records are kept.

    Args:
        splits: the data that are used.
        columns: what is read of them; others are not looked at.
        label: the one of these that is no text, if any; a task sees to it itself.
    """
    warnings = []
    for split, records in splits.items():
        for column in (name for name in columns if name != label):
            n_empty = sum(_is_empty(record.get(column)) for record in records)
            if n_empty:
                warnings.append(
                    f"{n_empty} of {len(records)} values of `{column}` in {split} are empty"
                )
    keys = keys_of_splits(splits, columns, label)
    for first, second in combinations(splits, 2):
        known = set(keys[first])
        n_shared = sum(bool(key) and key in known for key in keys[second])
        if n_shared:
            warnings.append(
                f"{n_shared} of {len(keys[second])} texts of {second} also occur in {first}"
            )
    return warnings


def keys_of_splits(splits: Splits, columns: list[str], label: str | None) -> dict[str, list[str]]:
    """For each split `text_keys` of what is read of its records; see `defects`."""
    every = [
        {column: record.get(column) for column in columns}
        for records in splits.values()
        for record in records
    ]
    keys_of_all = iter(text_keys(every, label))  # at once: one column for all splits
    return {split: list(islice(keys_of_all, len(records))) for split, records in splits.items()}


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list) and not str(value or "").strip())


def look_alikes(names: set[str]) -> list[str]:
    """A warning for names of classes that a reader would take for one, or none."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(plain, []).append(name)
    alike = [", ".join(map(repr, group)) for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    more = f"; and {len(alike) - 3} more" if len(alike) > 3 else ""
    return [
        "classes that differ only by space, case or normal form count as different: "
        f"{'; '.join(alike[:3])}{more}. If they mean the same, write them one way"
    ]


def text_keys(records: list[Record], stratify: str | None) -> list[str]:
    """For each record the text by which it is recognised.

    That is `tokens` or `text`; otherwise the column of strings with the most characters, which is
    never an id or a label and for pairs of sentences the longer side.
    """
    if all(isinstance(record.get("tokens"), list) for record in records):
        return ["\x1f".join(map(str, record["tokens"])) for record in records]
    columns = [column for column in string_columns(records) if column != stratify]
    if not columns:
        return [json.dumps(record, sort_keys=True) for record in records]
    n_characters = {name: sum(len(record[name] or "") for record in records) for name in columns}
    column = "text" if "text" in columns else max(sorted(columns), key=n_characters.get)
    return [record[column] or "" for record in records]


def string_columns(records: list[Record]) -> list[str]:
    """The columns whose value is a string, or nothing, in every record."""
    return [
        column
        for column in (records[0] if records else ())
        if all(isinstance(record.get(column, 0), str | None) for record in records)
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
