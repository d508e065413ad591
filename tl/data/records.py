"""The one in-memory form of a data set, wherever it came from: plain records, by split."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

SPLITS = ("train", "validation", "test")

Record = dict[str, object]  # column -> JSON value, e.g. {"text": "Rain again .", "label": "bad"}


@dataclass(frozen=True)
class Dataset:
    """Records by split.

    A record of sequence labelling has `tokens` (a list of words) and `ner_tags` (a list of IOB2
    tags of the same length). Any other record keeps the columns of its source.
    """

    name: str
    splits: dict[str, list[Record]]
    warnings: tuple[str, ...] = ()  # what a reader should know of reading: conversions, made splits
    read_before: tuple[str, ...] = ()  # the columns that a trained model read, where no records are

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any value of any record, its split or its position."""
        digest = hashlib.sha256()
        for split in sorted(self.splits):
            for record in self.splits[split]:
                line = json.dumps([split, record], sort_keys=True, ensure_ascii=False)
                digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
        return digest.hexdigest()[:16]

    def columns(self, split: str) -> list[str]:
        """The columns that every record of a split has, in the order of the first record."""
        records = self.splits[split]
        seen = Counter(column for record in records for column in record)
        return [
            column for column in (records[0] if records else ()) if seen[column] == len(records)
        ]

    def choose_split(self, split: str | None) -> str:
        """The split that is meant by --split: by default test, or validation where there is none.

        Raises:
            ValueError: if the data have no such split.
        """
        chosen = split or ("test" if "test" in self.splits else "validation")
        if chosen not in self.splits:
            raise ValueError(f"--split {chosen}: {self.name!r} has {', '.join(self.splits)}")
        return chosen
