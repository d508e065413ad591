"""Named entity recognition: one IOB2 tag per word; scored by entity P, R, F1 (seqeval, strict)."""

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tl.data.batch import Batch, Example, input_keys
from tl.data.encode import encode_words
from tl.data.records import Record
from tl.data.sources import require_tagged
from tl.losses import IGNORED, cross_entropy_sum
from tl.metrics import Scores, entity_scores
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

    Other pieces are no targets. A word beyond the length limit is predicted `O`: the entities there
    count as missed.
    """

    name = "ner"
    metric = "f1"
    Options = Options

    @classmethod
    def stratify(cls, options: Options) -> tuple[str, ...]:
        return ()

    def check(self) -> None:
        require_tagged(self.dataset)

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
        for i, (record, (inputs, first)) in enumerate(zip(records, encoded, strict=True)):
            target = Target([index[tag] for tag in record["ner_tags"]], list(first))
            name = str(record.get("id", i))
            examples.append(Example(name, inputs, target, list(first.values())))
        return examples

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

    def _tags(self, example: Example, logits: np.ndarray) -> list[str]:
        tags = ["O"] * len(example.target.tags)
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
        return {"words": words_of(text), "tags": self._tags(example, logits)}


def words_of(text: str) -> list[str]:
    """Cut a text as tagged corpora are cut: runs of letters or digits, other signs one by one."""
    return re.findall(r"\w+|[^\w\s]", text)
