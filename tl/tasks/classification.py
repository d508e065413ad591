"""Text classification, of one text or a pair; scored by accuracy and macro-averaged P, R, F1."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from tl.backbones.base import Backbone
from tl.data.batch import Batch, Example, input_keys
from tl.data.encode import Encoded, encode_texts
from tl.data.sources import require_columns
from tl.losses import cross_entropy_sum
from tl.metrics import Scores, classification_scores
from tl.options import option
from tl.tasks.base import Answers, MakeHead, Task

TEXTS = ("text", "sentence")  # looked for in this order where the column is not named
PAIRS = (("premise", "hypothesis"), ("text_1", "text_2"), ("sentence1", "sentence2"))
LABELS = ("label", "sentiment")


@dataclass(frozen=True)
class Options:
    """One label for a text or a pair of texts."""

    text: str | None = option(
        None, "column of the text (default: text, sentence, or a pair such as premise, hypothesis)"
    )
    pair: str | None = option(None, "column of the second text of a pair")
    label: str | None = option(None, "column of the label (default: label or sentiment)")
    max_length: int = option(
        128, "longest input in word pieces; the rest is cut", interval="[4, inf)"
    )
    pool: Literal["auto", "mean", "cls", "last"] = option(
        "auto", "state that is classified; auto: mean for encoders, last token for decoders"
    )


class Classification(Task):
    """The label of each record is a string or a number; classes are the labels of train, sorted."""

    name = "classification"
    metric = "f1_macro"
    Options = Options

    @classmethod
    def stratify(cls, options: Options) -> tuple[str, ...]:
        return (options.label,) if options.label else LABELS

    def check(self) -> None:
        splits = self.dataset.splits
        columns = list(self.dataset.read_before)
        if splits:
            columns = self.dataset.columns(next(iter(splits)))
        self.text_columns = self._text_columns(columns)
        found = [column for column in self.stratify(self.options) if column in columns]
        self.label_column = (found or self.stratify(self.options))[0]
        require_columns(
            self.dataset,
            [*self.text_columns, self.label_column],
            "name the columns with --task.text, --task.pair and --task.label",
        )
        for split, records in splits.items():
            empty = [i for i, r in enumerate(records) if not str(r[self.label_column]).strip()]
            if empty:
                raise ValueError(
                    f"data {self.dataset.name!r}: {len(empty)} records of {split} have an empty "
                    f"{self.label_column!r}, the first is record {empty[0]}; fill it in or remove "
                    "the record"
                )

    def columns(self) -> list[str]:
        return [*self.text_columns, self.label_column]

    def find_labels(self) -> list[str]:
        labels = sorted(self.used_labels("train"), key=_number_first)
        if len(labels) < 2:
            raise ValueError(
                f"data {self.dataset.name!r}: train has one label only, {labels[0]!r} in column "
                f"{self.label_column!r}; classification needs two. Name a column with --task.label"
            )
        return labels

    def used_labels(self, split: str) -> set[str]:
        return {str(record[self.label_column]) for record in self.dataset.splits[split]}

    def _text_columns(self, columns: list[str]) -> list[str]:
        found = [name for name in TEXTS if name in columns] or list(TEXTS)
        if self.options.text or self.options.pair:
            pair = [self.options.pair] if self.options.pair else []
            return [self.options.text or found[0], *pair]
        # One side of a pair is enough to mean it: the other is then asked for by its name.
        pairs = [list(pair) for pair in PAIRS if set(pair) & set(columns)]
        return pairs[0] if pairs and found[0] not in columns else found[:1]

    def examples(self, split: str) -> list[Example]:
        records = self.dataset.splits[split]
        encoded = encode_texts(self.tokenizer, *self.texts(split), self.options.max_length)
        ids = [str(record.get("id", i)) for i, record in enumerate(records)]
        rows = zip(ids, encoded, self.gold(split).tolist(), strict=True)
        return [_example(id, one, label) for id, one, label in rows]

    def gold(self, split: str) -> np.ndarray:
        """The classes of a split as indices, [n]."""
        index = {label: i for i, label in enumerate(self.labels)}
        records = self.dataset.splits[split]
        return np.array([index[str(record[self.label_column])] for record in records])

    def texts(self, split: str) -> tuple[list[str], list[str] | None]:
        """The texts of a split and, of pairs, the second ones."""
        records = self.dataset.splits[split]
        texts = [[str(record[column]) for record in records] for column in self.text_columns]
        return texts[0], texts[1] if len(texts) == 2 else None

    def tokenized_texts(self, split: str) -> list[str]:
        texts, pairs = self.texts(split)
        return [*texts, *(pairs or [])]

    def class_counts(self, split: str) -> dict[str, int]:
        counts = np.bincount(self.gold(split), minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    def encode_text(self, text: str, id: str) -> Example:
        """A tab separates the two texts of a pair."""
        first, tab, second = text.partition("\t")
        pairs = [second] if tab else None
        (encoded,) = encode_texts(self.tokenizer, [first], pairs, self.options.max_length)
        return _example(id, encoded, 0)

    def blank(self, length: int) -> Example:
        return Example("", {"input_ids": [0] * length}, 0)

    def prepare(self, backbone: Backbone) -> None:
        own = "mean" if backbone.kind == "encoder" else "last"
        self.pool = own if self.options.pool == "auto" else self.options.pool

    def heads(self, make_head: MakeHead) -> dict[str, nn.Module]:
        return {self.name: make_head(len(self.labels), self.pool)}

    def batch_labels(self, examples: list[Example], length: int) -> tuple[Tensor, int]:
        return torch.tensor([example.target for example in examples]), len(examples)

    def loss_sum(self, output: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        return cross_entropy_sum(output, batch.labels, smoothing)

    def predict(self, output: Tensor, batch: Batch) -> Answers:
        return list(output.float().cpu().numpy())

    def score(self, examples: list[Example], logits: Answers) -> Scores:
        gold = np.array([example.target for example in examples])
        return classification_scores(gold, np.stack(logits).argmax(1))

    def baselines(self, split: str) -> dict[str, Scores]:
        """Always the label that is most frequent in train, the first of equals."""
        if "train" not in self.dataset.splits:
            return {}
        gold = self.gold(split)
        majority = np.bincount(self.gold("train")).argmax()
        predicted = np.full_like(gold, majority)
        return {"majority": classification_scores(gold, predicted)}

    def notes(self, split: str, examples: list[Example]) -> list[str]:
        absent = self.absent(split, self.used_labels(split))
        return [*super().notes(split, examples), *absent]

    def arrays(self, examples: list[Example], logits: Answers) -> dict[str, np.ndarray]:
        return {
            "ids": np.array([example.id for example in examples]),
            "labels": np.array([example.target for example in examples]),
            "logits": np.stack(logits),  # [n, c]
            "label_names": np.array(self.labels),
            "text_keys": input_keys(examples),
        }

    def readable(self, text: str, example: Example, logits: np.ndarray) -> dict[str, object]:
        odds = np.exp(logits - logits.max())
        share = {n: round(float(p), 4) for n, p in zip(self.labels, odds / odds.sum(), strict=True)}
        return {"label": self.labels[int(logits.argmax())], "probabilities": share}


def _example(id: str, encoded: Encoded, label: int) -> Example:
    truncated = ("max_length",) if encoded.truncated else ()
    return Example(id, encoded.inputs, label, truncated=truncated)


def _number_first(label: str) -> tuple[bool, float, str]:
    """Numbers in their order, then words in theirs: "2" comes before "10"."""
    number = re.fullmatch(r"-?\d+(\.\d+)?", label) is not None
    return (not number, float(label) if number else 0.0, label)
