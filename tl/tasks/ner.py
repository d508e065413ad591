"""Named entity recognition: one IOB2 tag per word; scored by entity P, R, F1 (seqeval, strict)."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tl.data.batch import Batch, Example, input_keys
from tl.data.encode import encode_words
from tl.data.records import Record
from tl.data.sources import require_tagged
from tl.losses import IGNORED, cross_entropy_sum
from tl.metrics import Scores, entity_scores, signs_of
from tl.options import option
from tl.tasks.base import Answers, MakeHead, Task


@dataclass(frozen=True)
class Options:
    """One tag for each word."""

    max_length: int = option(
        128, "longest input in word pieces; the rest is cut", interval="[4, inf)"
    )


@dataclass(frozen=True)
class Target:
    """Gold tags of a sentence, as class indices, and which of its words the input still holds."""

    tags: list[int]
    kept: list[int]


class NER(Task):
    """The first piece of a word carries its tag (arXiv 1810.04805, §5.3).

    Other pieces are no targets. A word that the model never reads, beyond the length limit or
    dropped by the tokenizer, is scored as `O`: the entities there count as missed.
    """

    name = "ner"
    metric = "f1"
    limits: ClassVar = {"max_length": ("sentences", "is not read")}
    label_column = "ner_tags"
    Options = Options

    @classmethod
    def stratify(cls, options: Options) -> tuple[str, ...]:
        return ()

    def check(self) -> None:
        require_tagged(self.dataset)

    def columns(self) -> list[str]:
        return ["tokens", self.label_column]

    def find_labels(self) -> list[str]:
        types = sorted({label[2:] for label in self.used_labels("train")} - {""})
        if not types:
            raise ValueError(f"data {self.dataset.name!r}: no word of train is in an entity")
        return ["O", *(f"{letter}-{name}" for name in types for letter in "BI")]

    def used_labels(self, split: str) -> set[str]:
        return {tag for record in self.dataset.splits[split] for tag in record["ner_tags"]}

    def examples(self, split: str) -> list[Example]:
        return self._encode(self.dataset.splits[split])

    def _encode(self, records: list[Record]) -> list[Example]:
        index = {label: i for i, label in enumerate(self.labels)}
        sentences = [record["tokens"] for record in records]
        encoded = encode_words(self.tokenizer, sentences, self.options.max_length)
        examples = []
        for i, (record, (inputs, truncated, first)) in enumerate(
            zip(records, encoded, strict=True)
        ):
            target = Target([index[tag] for tag in record["ner_tags"]], list(first))
            name, positions = str(record.get("id", i)), list(first.values())
            limits = ("max_length",) if truncated else ()
            examples.append(Example(name, inputs, target, positions, truncated=limits))
        return examples

    def truncation(self, what: str, examples: list[Example]) -> list[str]:
        """Sentences that are truncated, and words without a tag: nothing was read of them."""
        unread = [len(e.target.tags) - len(e.target.kept) for e in examples]
        return [
            *super().truncation(what, examples),
            *unread_words(what, unread, "get no tag, and are scored as O"),
        ]

    def tokenized_texts(self, split: str) -> list[str]:
        return [" ".join(record["tokens"]) for record in self.dataset.splits[split]]

    def class_counts(self, split: str) -> dict[str, int]:
        records = self.dataset.splits[split]
        starts = Counter(tag for record in records for tag in record["ner_tags"])
        return {label[2:]: starts[label] for label in self.labels if label.startswith("B-")}

    def encode_text(self, text: str, id: str) -> Example:
        words = words_of(text)
        return self._encode([{"id": id, "tokens": words, "ner_tags": ["O"] * len(words)}])[0]

    def blank(self, length: int) -> Example:
        every = list(range(length))
        return Example("", {"input_ids": [0] * length}, Target([0] * length, every), every)

    def heads(self, make_head: MakeHead) -> dict[str, nn.Module]:
        return {self.name: make_head(len(self.labels), "each")}

    def batch_labels(self, examples: list[Example], length: int) -> tuple[Tensor, int]:
        rows, n_targets = [], 0
        for example in examples:
            row = [IGNORED] * length
            for word, position in zip(example.target.kept, example.positions, strict=True):
                row[position] = example.target.tags[word]
            rows.append(row)
            n_targets += len(example.positions)
        return torch.tensor(rows), n_targets

    def loss_sum(self, output: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        return cross_entropy_sum(output, batch.labels, smoothing)

    def predict(self, output: Tensor, batch: Batch) -> Answers:
        """Logits of each example's kept words, [words, c]."""
        logits = output.float().cpu().numpy()
        return [row[example.positions] for row, example in zip(logits, batch.examples, strict=True)]

    def _tags(
        self, example: Example, logits: np.ndarray, unread: str | None = "O"
    ) -> list[str | None]:
        """A tag for each word; `unread` for those that the model did not read."""
        tags = [unread] * len(example.target.tags)
        for word, best in zip(example.target.kept, logits.argmax(-1), strict=True):
            tags[word] = self.labels[best]
        return tags

    def score(self, examples: list[Example], logits: Answers) -> Scores:
        gold = [[self.labels[tag] for tag in example.target.tags] for example in examples]
        predicted = [self._tags(e, rows) for e, rows in zip(examples, logits, strict=True)]
        return entity_scores(gold, predicted)

    def arrays(self, examples: list[Example], logits: Answers) -> dict[str, np.ndarray]:
        """A row per kept word; `words` is its place in the sentence, `n_words` has all of them."""
        kept = [len(example.target.kept) for example in examples]
        labels = [e.target.tags[word] for e in examples for word in e.target.kept]
        return {
            "ids": np.repeat(np.array([example.id for example in examples]), kept),
            "words": np.array([word for example in examples for word in example.target.kept]),
            "labels": np.array(labels),
            "logits": np.concatenate(logits),  # [rows, c]
            "label_names": np.array(self.labels),
            "example_ids": np.array([example.id for example in examples]),
            "n_words": np.array([len(example.target.tags) for example in examples]),
            "text_keys": input_keys(examples),  # of the sentences
        }

    def readable(self, text: str, example: Example, logits: np.ndarray) -> dict[str, object]:
        """Words and their tags; null for a word that the model did not read."""
        return {"words": words_of(text), "tags": self._tags(example, logits, unread=None)}


def unread_words(what: str, counts: list[int], fate: str) -> list[str]:
    """Say how many words of how many sentences have no piece that a model reads, if any.

    Args:
        what: a word for the sentences.
        counts: of such words, for each sentence.
        fate: what becomes of them.
    """
    n_sentences = sum(n > 0 for n in counts)
    if not n_sentences:
        return []
    return [
        f"{sum(counts):,} words of {n_sentences:,} {what} sentences are not read (beyond the "
        f"limit, or dropped by the tokenizer): they {fate}"
    ]


def words_of(text: str) -> list[str]:
    """Cut a text as tagged corpora are cut: runs of letters or digits, other signs one by one.

    Combining marks stay with what they are on.
    """
    words = re.finditer("[lu][lum]*|[om]m*", signs_of(text.replace("_", "a")))
    return [text[slice(*word.span())] for word in words]
