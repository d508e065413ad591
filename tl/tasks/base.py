"""The one interface that every task implements."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from tl.backbones.base import Backbone
from tl.data import sources
from tl.data.batch import Batch, Example, bucketed, by_tokens, pad_inputs
from tl.data.encode import filler_id
from tl.data.records import Dataset
from tl.data.splits import Splits, defects, keys_of_splits
from tl.metrics import Scores
from tl.options import flag_of

MakeHead = Callable[[int, str], nn.Module]  # (n_out, pool) -> head
Answers = list[np.ndarray]  # logits, or generated ids, of each example; the shape is the task's


class Task(ABC):
    """What is to be learned: which examples, which loss, which score.

    Args:
        options: an instance of the task's `Options`.
        dataset: where examples come from.
        tokenizer: of the model; None where examples are only counted.
        labels: the classes of a model that is trained already; None: those of the training split.

    Raises:
        ValueError: if the data do not fit the task.
    """

    name: ClassVar[str]
    generates: ClassVar[bool] = False  # whether the network keeps its language-modelling head
    metric: ClassVar[str]  # the score by which the best epoch is chosen, on validation
    # Options that are length limits -> what they truncate, and what becomes of the rest.
    limits: ClassVar[dict[str, tuple[str, str]]] = {"max_length": ("texts", "is not read")}
    Options: ClassVar[type]
    labels: list[str]
    label_column: str | None = None  # of `columns`, the one that is no text

    def __init__(
        self,
        options: object,
        dataset: Dataset,
        tokenizer: PreTrainedTokenizerFast | None,
        labels: list[str] | None = None,
    ) -> None:
        self.options, self.dataset, self.tokenizer = options, dataset, tokenizer
        self.check()
        self.labels = self.find_labels() if labels is None else labels
        self.check_labels()

    @classmethod
    @abstractmethod
    def stratify(cls, options: object) -> tuple[str, ...]:
        """Columns by which a file without splits is stratified: the first that it has."""

    @classmethod
    def load(cls, options: object, data: str, encoding: str) -> Dataset:
        """The data set called `data`, as the task reads it; see `tl.data.sources.load`."""
        return sources.load(data, cls.name, cls.stratify(options), encoding)

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError unless every record has what the task reads."""

    @abstractmethod
    def columns(self) -> list[str]:
        """The columns that the task reads, that of the label among them."""

    @abstractmethod
    def find_labels(self) -> list[str]:
        """The classes, as the training split has them; ValueError if they are too few."""

    @abstractmethod
    def used_labels(self, split: str) -> set[str]:
        """The classes that a split needs."""

    @abstractmethod
    def examples(self, split: str) -> list[Example]:
        """Encode a split, in its order."""

    @abstractmethod
    def encode_text(self, text: str, id: str) -> Example:
        """Encode a text that has no label."""

    @abstractmethod
    def blank(self, length: int) -> Example:
        """An example of this length without content: a dry run has no tokenizer."""

    @abstractmethod
    def tokenized_texts(self, split: str) -> list[str]:
        """The texts of a split that are tokenized: those that are read, and those to be written."""

    def class_counts(self, split: str) -> dict[str, int]:
        """Count the examples of each class in a split; of types of entities, the entities."""
        return {}

    def prepare(self, backbone: Backbone) -> None:
        """Note what encoding depends on; called once, before `heads`, `examples` and `collate`.

        Raises:
            ValueError: if the task cannot be done with this backbone.
        """

    @abstractmethod
    def heads(self, make_head: MakeHead) -> dict[str, nn.Module]:
        """The heads that the task needs, by name; none for one that generates."""

    @abstractmethod
    def batch_labels(self, examples: list[Example], length: int) -> tuple[Tensor, int]:
        """Labels of a padded batch as class indices or `IGNORED`, and the number of targets."""

    @abstractmethod
    def loss_sum(self, output: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """The loss as a sum over the batch's `n_targets`, with smoothed labels while training."""

    def answer(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Answers]:
        """What a model in eval mode says of a batch: the sum of its loss, and its answers.

        Args:
            model: a `tl.model.AdaptedModel`.
            batch: of this task.
        """
        output = model(batch)
        return self.loss_sum(output, batch), self.predict(output, batch)

    @abstractmethod
    def predict(self, output: Tensor, batch: Batch) -> Answers:
        """The logits of each example, float32, without padding."""

    @abstractmethod
    def score(self, examples: list[Example], answers: Answers) -> Scores:
        """All scores of a split, among them `metric`."""

    def baselines(self, split: str) -> dict[str, Scores]:
        """Scores of a split without a model: what a model must be compared with."""
        return {}

    @abstractmethod
    def arrays(self, examples: list[Example], answers: Answers) -> dict[str, np.ndarray]:
        """What `predictions/<split>.npz` holds: at least ids, and answers row by row."""

    @abstractmethod
    def readable(self, text: str, example: Example, answer: np.ndarray) -> dict[str, object]:
        """What the model says of a text, as JSON."""

    def steps(self, examples: list[Example], size: int, order: torch.Generator) -> list[list[int]]:
        """The examples of each optimizer step of an epoch, by index.

        Args:
            examples: the training split.
            size: of a step.
            order: where chance comes from.
        """
        return bucketed([len(example) for example in examples], size, order)

    def n_steps(self, size: int) -> int:
        """How many steps an epoch has."""
        return math.ceil(len(self.dataset.splits["train"]) / size)

    def batches(self, examples: list[Example], budget: int) -> list[list[int]]:
        """Batches for evaluation, by index, each of at most `budget` padded tokens."""
        return by_tokens([len(example) for example in examples], budget)

    def notes(self, split: str, examples: list[Example]) -> list[str]:
        """Say what a reader should know of an encoded split with its labels."""
        return self.truncation(split, examples)

    def truncation(self, what: str, examples: list[Example]) -> list[str]:
        """Say how many examples each of the length limits truncates, if any.

        Args:
            what: a word for the examples, such as the name of their split.
            examples: encoded by the task.
        """
        found = []
        for name, (parts, fate) in self.limits.items():
            n = sum(name in example.truncated for example in examples)
            if n:
                limit, flag = getattr(self.options, name), flag_of(name, "task")
                found.append(
                    f"{n:,} of {len(examples):,} {what} {parts} are longer than {limit} word "
                    f"pieces; the rest {fate} ({flag})"
                )
        return found

    def absent(self, split: str, used: set[str]) -> list[str]:
        """Name classes without an example in a split, if any: of use with macro averages.

        Args:
            split: its name.
            used: the classes that it has.
        """
        missing = [label for label in self.labels if label not in used]
        if not missing:
            return []
        shown = ", ".join(map(repr, missing[:5])) + (", …" if len(missing) > 5 else "")
        return [
            f"{split} has no example of {len(missing)} of {len(self.labels)} classes ({shown}); "
            "macro averages leave a class out unless it is predicted: then it counts as 0"
        ]

    def defects(self) -> list[str]:
        """Say what a reader should know of the data: empty values, texts in several splits."""
        return defects(self.dataset.splits, self.columns(), self.label_column)

    def keys(self, splits: Splits) -> dict[str, list[str]]:
        """For each record of each split the text by which it is recognised."""
        return keys_of_splits(splits, self.columns(), self.label_column)

    def piece_ids(self, text: str) -> list[int]:
        """The ids of a text's word pieces alone, without special tokens."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def collate(self, examples: list[Example]) -> Batch:
        """Pad examples into one batch."""
        inputs = pad_inputs(examples, filler_id(self.tokenizer))
        labels, n_targets = self.batch_labels(examples, inputs["input_ids"].shape[1])
        return Batch(self.name, inputs, labels, n_targets, examples)

    def check_labels(self) -> None:
        """Raise ValueError if a split has labels that are not among the known classes."""
        for split in self.dataset.splits:
            unseen = sorted(self.used_labels(split) - set(self.labels))
            if unseen:
                raise ValueError(
                    f"data {self.dataset.name!r}: {split} has labels that train has not: "
                    f"{', '.join(unseen[:5])}. A model cannot learn them; remove or rename "
                    f"them, or add examples to train, which has {', '.join(self.labels[:20])}"
                )
