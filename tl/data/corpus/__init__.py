"""A corpus for three tasks from raw articles: clean, without duplicates, split, with a proof.

Articles are read one by one. What is remembered of each is a few numbers; its text lies on disk.
"""

import html
import json
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tl.bars import bar
from tl.data.corpus.near_duplicates import Index, digest
from tl.data.corpus.raw import articles
from tl.data.records import SPLITS, Record
from tl.data.splits import spread

SUBSETS = ("sentiment", "ner", "summarization")
MINIMUM_WORDS = 5
INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff\u00ad]")
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Labels:
    """What people said of documents, by the ids of these."""

    sentiment: dict[str, str] = field(default_factory=dict)
    ner: dict[str, Record] = field(default_factory=dict)  # with tokens and ner_tags

    def __contains__(self, id: str) -> bool:
        return id in self.sentiment or id in self.ner

    def __len__(self) -> int:
        return len(self.sentiment.keys() | self.ner.keys())


@dataclass(frozen=True)
class Options:
    """How a corpus is built.

    Attributes:
        text: column of an article's text.
        summary: the first of these columns that is not empty is its summary.
        encoding: of the raw files.
        near: least Jaccard similarity, of runs of three words, of near-duplicates.
        subsets: those that are made. A document goes into one: to `sentiment` or `ner` if it has
            such a label, or else to `summarization`.
    """

    text: str = "text"
    summary: tuple[str, ...] = ("summary", "title")
    encoding: str = "utf-8"
    near: float = 0.8
    subsets: tuple[str, ...] = SUBSETS


@dataclass
class Report:
    """What became of every document."""

    n_read: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    counts: dict[str, Counter[str]] = field(default_factory=dict)  # "ner/train" -> documents, …
    n_unused_labels: int = 0  # of documents that were dropped, or are not there
    n_proved: int = 0  # documents that were compared once more: none met another

    def total(self, subset: str, what: str) -> int:
        return sum(self.counts[f"{subset}/{split}"][what] for split in SPLITS)


def normalise(text: str) -> str:
    """NFC, entities resolved, invisible characters dropped, every run of white space one space."""
    text = unicodedata.normalize("NFC", html.unescape(text))
    return " ".join(INVISIBLE.sub("", text).split())


def documents(raw: list[Path], options: Options) -> Iterator[Record]:
    """Normalised articles with their ids, file by file.

    Raises:
        ValueError: an article lacks the column of the text; the message names file and line.
    """
    for path in raw:
        for place, record in articles(path, options.encoding):
            if options.text not in record:
                raise ValueError(
                    f"{place}: no column {options.text!r}; it has {', '.join(map(str, record))}. "
                    "Name the column of the text with --text"
                )
            text = normalise(str(record[options.text] or ""))
            columns = (normalise(str(record.get(name) or "")) for name in options.summary)
            yield {
                "id": str(record.get("id") or record.get("url") or f"{digest(text):016x}"),
                "source": str(record.get("source") or path.stem),
                "date": str(record.get("date") or ""),
                "text": text,
                "summary": next((column for column in columns if column), None),
            }


class Store:
    """Records in a file, by their number."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb+")
        self.offsets = array("q")

    def __len__(self) -> int:
        return len(self.offsets)

    def add(self, record: Record) -> None:
        self.offsets.append(self.file.seek(0, 2))
        self.file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")

    def __getitem__(self, number: int) -> Record:
        self.file.seek(self.offsets[number])
        return json.loads(self.file.readline())

    def text(self, number: int) -> str:
        return self[number]["text"]


class Builder:
    """Collects documents, then deals them out.

    Args:
        folder: where work files and the corpus are written.
        options: how.
        labels: of documents that become training material for labels.
    """

    def __init__(self, folder: Path, options: Options, labels: Labels) -> None:
        self.folder, self.options, self.labels = folder, options, labels
        self.report = Report()
        self.kept = Store(folder / "kept.work")
        self.index = Index(folder / "index.work", self.kept.text, options.near)
        self.subsets = array("b")  # of each kept document; so are the next two
        self.keys = array("q")
        self.strata = array("l")
        self.names: dict[str, int] = {}  # of the strata

    def collect(self, raw: list[Path]) -> None:
        """Read everything; keep what is new and has a use.

        Documents with labels come first, so that of two near-duplicates theirs is kept.
        """
        for labelled in (True, False) if len(self.labels) else (False,):
            title = "articles with labels" if labelled else "articles"
            for document in bar(documents(raw, self.options), title):
                if (document["id"] in self.labels) == labelled:
                    self._take(document)
        used = {document["id"] for document in self._labelled()}
        self.report.n_unused_labels = len(self.labels) - len(used)
        self.index.close()

    def _labelled(self) -> Iterator[Record]:
        for number, subset in enumerate(self.subsets):
            if SUBSETS[subset] != "summarization":
                yield self.kept[number]

    def _take(self, document: Record) -> None:
        report = self.report
        report.n_read += 1
        report.sources[document["source"]] += 1
        subset = self._subset(document)
        reason = self._reason(document, subset)
        if reason is not None:
            report.dropped[reason] += 1
            return
        self.index.add(len(self.kept), document["text"])
        self.kept.add(document)
        self.subsets.append(SUBSETS.index(subset))
        self.keys.append(digest(document["text"]))
        label = self.labels.sentiment[document["id"]] if subset == "sentiment" else ""
        stratum = f"{subset}/{label or document['source']}"
        self.strata.append(self.names.setdefault(stratum, len(self.names)))

    def _subset(self, document: Record) -> str | None:
        id = document["id"]
        has = {
            "sentiment": id in self.labels.sentiment,
            "ner": id in self.labels.ner,
            "summarization": bool(document["summary"]),
        }
        return next((name for name in self.options.subsets if has[name]), None)

    def _reason(self, document: Record, subset: str | None) -> str | None:
        """Why a document is dropped; None if it is kept."""
        n_words = len(WORD.findall(document["text"]))
        if n_words < MINIMUM_WORDS:
            return "empty text" if n_words == 0 else f"fewer than {MINIMUM_WORDS} words"
        if subset is None:
            return "no label and no summary"
        found = self.index.find(document["text"])
        if found is not None:
            return "exact duplicate" if found[0] == "exact" else "near-duplicate"
        return None if self.index.is_new(document["id"]) else "another text with the same id"

    def deal(self) -> None:
        """Write every kept document into its subset and split, 70/15/15, stratified.

        Raises:
            ValueError: a subset has too few documents to cut.
        """
        splits = self._splits()
        files = {}
        for subset in self.options.subsets:
            (self.folder / subset).mkdir()
            for split in SPLITS:
                self.report.counts[f"{subset}/{split}"] = Counter()
                files[subset, split] = (self.folder / subset / f"{split}.jsonl").open("wb")
        for number in range(len(self.kept)):
            place = SUBSETS[self.subsets[number]], splits.get(number, "train")
            record = self._record(self.kept[number], place[0])
            files[place].write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            self._count(self.report.counts["/".join(place)], record)
        for file in files.values():
            file.close()

    def _splits(self) -> dict[int, str]:
        """The split of each document that leaves train."""
        moved: dict[int, str] = {}
        # By name: the order in which files were read must not matter.
        rank = {self.names[name]: i for i, name in enumerate(sorted(self.names))}
        for subset in self.options.subsets:
            own = [i for i, s in enumerate(self.subsets) if s == SUBSETS.index(subset)]
            own.sort(key=lambda i: (rank[self.strata[i]], self.keys[i]))
            movable = [
                i for before, i in zip([None, *own], own, strict=False)
                if before is not None and self.strata[before] == self.strata[i]
            ]  # fmt: skip
            found = spread(movable, ["validation", "test"], len(own))
            if found is None:
                raise ValueError(
                    f"{len(own)} documents are too few to split the subset {subset!r}; add "
                    "articles or labels, or leave it out with --subsets"
                )
            moved |= found
        return moved

    def _record(self, document: Record, subset: str) -> Record:
        """A document in the form that all subsets share; what it has no label of is null."""
        tagged = self.labels.ner[document["id"]] if subset == "ner" else {}
        return {
            **{name: document[name] for name in ("id", "source", "date", "text")},
            "tokens": tagged.get("tokens"),
            "ner_tags": tagged.get("ner_tags"),
            "sentiment": self.labels.sentiment[document["id"]] if subset == "sentiment" else None,
            "summary": document["summary"] if subset == "summarization" else None,
        }

    def _count(self, counts: Counter[str], record: Record) -> None:
        counts["documents"] += 1
        counts["tokens"] += len(record["tokens"] or WORD.findall(record["text"]))
        counts["summary tokens"] += len(WORD.findall(record["summary"] or ""))
        if record["sentiment"] is not None:
            counts[f"sentiment {record['sentiment']}"] += 1
        for tag in record["ner_tags"] or ():
            if tag.startswith("B-"):
                counts[f"entities {tag[2:]}"] += 1

    def prove(self) -> None:
        """Read what was written, and compare all of it once more, with other permutations.

        Raises:
            AssertionError: a document, or a near-duplicate of it, stands in two places.
        """
        written = Store(self.folder / "proof.work")
        index = Index(self.folder / "proof-index.work", written.text, self.options.near, seed=2)
        for place in bar(self.report.counts, "proof"):
            with (self.folder / f"{place}.jsonl").open("rb") as file:
                for line in file:
                    record = json.loads(line)
                    assert index.find(record["text"]) is None, f"{record['id']} is there twice"
                    assert index.is_new(record["id"]), f"{record['id']} is there twice"
                    index.add(len(written), record["text"])
                    written.add({"text": record["text"]})
        self.report.n_proved = len(written)
        assert self.report.n_read == len(written) + self.report.dropped.total()
        index.close()
