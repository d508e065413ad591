"""Multi-task learning: one backbone, a head for each task, batches of one task at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from tl.backbones.base import Backbone
from tl.data import sources
from tl.data.batch import Batch, Example
from tl.data.records import SPLITS, Dataset
from tl.metrics import Scores
from tl.options import option
from tl.registry import TASKS, resolve
from tl.tasks.base import Answers, MakeHead, Task

MEMBER = "member"  # the column that says whose a record is


@dataclass(frozen=True)
class Options:
    """Several tasks that label, learned together."""

    members: tuple[str, ...] = option(("classification", "ner"), "tasks that are learned together")
    data: tuple[str, ...] = option((), "data of each member (default: --data for all)")
    mixing: Literal["proportional", "temperature", "round-robin"] = option(
        "proportional",
        "how often a member's batches come: as often as its share of the batches; as that share to "
        "the power 1/T; in turn",
    )
    temperature: float = option(
        2.0, "T of temperature mixing (1907.05019, §4.2): 1 is proportional, large is even",
        interval="[1, inf)",
    )  # fmt: skip
    max_length: int = option(
        128, "longest input in word pieces; the rest is cut", interval="[4, inf)"
    )


class Multitask(Task):
    """Every step is of one member; all members share the backbone, and what a strategy adds to it.

    An epoch has as many steps as its members' epochs have together. The best epoch is that with the
    best mean of the members' own metrics.
    """

    name = "multitask"
    metric = "mean"
    Options = Options

    def __init__(
        self,
        options: Options,
        dataset: Dataset,
        tokenizer: PreTrainedTokenizerFast | None,
        labels: list[str] | None = None,
    ) -> None:
        self.members: dict[str, Task] = {}
        if any(MEMBER not in record for rows in dataset.splits.values() for record in rows):
            raise ValueError(
                f"data {dataset.name!r} do not say whose they are; several tasks are scored on the "
                "data that they learned from, with --split"
            )
        for name in options.members:
            task = resolve(TASKS, name, "task")
            records = {
                split: [record for record in rows if record[MEMBER] == name]
                for split, rows in dataset.splits.items()
            }
            own = {split: rows for split, rows in records.items() if rows}
            marked = [label.partition("/") for label in labels or ()]
            known = [label for whose, _, label in marked if whose == name]
            self.members[name] = task(
                task.Options(max_length=options.max_length),
                Dataset(f"{dataset.name} ({name})", own),
                tokenizer,
                known or None,
            )
        super().__init__(options, dataset, tokenizer, labels)

    @classmethod
    def load(cls, options: Options, data: str, encoding: str) -> Dataset:
        """The members' data sets as one; each record says whose it is.

        Raises:
            ValueError: a member is unknown, has no data, or cannot be learned together with others.
        """
        if len(options.members) < 2 or len(set(options.members)) < len(options.members):
            raise ValueError("--task.members takes two tasks or more, each once")
        if options.data and len(options.data) != len(options.members):
            raise ValueError(
                f"--task.data names {len(options.data)} data sets for {len(options.members)} "
                "members; give one for each, or none: then all take --data"
            )
        splits: dict[str, list] = {split: [] for split in SPLITS}
        warnings, names = [], []
        for name, own in zip(options.members, options.data or [data] * 9, strict=False):
            task = resolve(TASKS, name, "task")
            if task is cls or task.generates:
                raise ValueError(f"--task.members {name}: only tasks that label learn together")
            found = sources.load(own, name, task.stratify(task.Options()), encoding)
            warnings += [f"{name}: {warning}" for warning in found.warnings]
            names.append(found.name)
            for split, records in found.splits.items():
                splits[split] += [record | {MEMBER: name} for record in records]
        made = {split: records for split, records in splits.items() if records}
        return Dataset("+".join(dict.fromkeys(names)), made, tuple(warnings))

    @classmethod
    def stratify(cls, options: Options) -> tuple[str, ...]:
        return (MEMBER,)

    def check(self) -> None:
        """Each member has checked its own."""

    def columns(self) -> list[str]:
        return [column for task in self.members.values() for column in task.columns()]

    def defects(self) -> list[str]:
        """Those of each member's own data."""
        return [f"{name}: {found}" for name, t in self.members.items() for found in t.defects()]

    def find_labels(self) -> list[str]:
        return [f"{name}/{label}" for name, task in self.members.items() for label in task.labels]

    def used_labels(self, split: str) -> set[str]:
        return set()  # each member has compared its own

    def prepare(self, backbone: Backbone) -> None:
        for task in self.members.values():
            task.prepare(backbone)

    def heads(self, make_head: MakeHead) -> dict[str, nn.Module]:
        every = [task.heads(make_head) for task in self.members.values()]
        return {name: head for heads in every for name, head in heads.items()}

    def examples(self, split: str) -> list[Example]:
        return [
            replace(example, id=f"{name}/{example.id}", task=name)
            for name, task in self.members.items()
            if split in task.dataset.splits
            for example in task.examples(split)
        ]

    def tokenized_texts(self, split: str) -> list[str]:
        return [text for task in self.members.values() for text in task.tokenized_texts(split)]

    def class_counts(self, split: str) -> dict[str, int]:
        return {
            f"{name}/{label}": n
            for name, task in self.members.items()
            for label, n in task.class_counts(split).items()
        }

    def encode_text(self, text: str, id: str) -> Example:
        raise ValueError("a text is labelled by one task; take a run of one")

    def blank(self, length: int) -> Example:
        """Of the first member."""
        name, task = next(iter(self.members.items()))
        return replace(task.blank(length), task=name)

    def _indices(self, examples: list[Example]) -> dict[str, list[int]]:
        """Which examples are whose."""
        found: dict[str, list[int]] = {name: [] for name in self.members}
        for i, example in enumerate(examples):
            found[example.task].append(i)
        return {name: indices for name, indices in found.items() if indices}

    def steps(self, examples: list[Example], size: int, order: torch.Generator) -> list[list[int]]:
        own = self._indices(examples)
        n_steps = {name: math.ceil(len(indices) / size) for name, indices in own.items()}
        passes = {
            name: self._passes(name, examples, indices, size, order)
            for name, indices in own.items()
        }
        return [next(passes[name]) for name in self.turns(n_steps, order)]

    def _passes(
        self,
        name: str,
        examples: list[Example],
        indices: list[int],
        size: int,
        order: torch.Generator,
    ) -> Iterator[list[int]]:
        """The steps of a member, without end: each pass over its examples has its own order."""
        own = [examples[i] for i in indices]
        while True:
            for step in self.members[name].steps(own, size, order):
                yield [indices[i] for i in step]

    def turns(self, n_steps: dict[str, int], order: torch.Generator) -> list[str]:
        """Whose step comes when, for as many steps as all have together.

        Args:
            n_steps: of an epoch of each member alone.
            order: where chance comes from.
        """
        names, counts = list(n_steps), torch.tensor(list(n_steps.values()), dtype=torch.double)
        total = int(counts.sum())
        if self.options.mixing == "round-robin":
            return [names[i % len(names)] for i in range(total)]
        power = 1.0 if self.options.mixing == "proportional" else 1 / self.options.temperature
        shares = counts**power / (counts**power).sum()
        exact = shares * total
        whole = exact.floor()
        # The largest remainders get what rounding down left over.
        for i in (exact - whole).argsort(descending=True)[: total - int(whole.sum())].tolist():
            whole[i] += 1
        turns = [name for name, n in zip(names, whole.tolist(), strict=True) for _ in range(int(n))]
        return [turns[i] for i in torch.randperm(total, generator=order).tolist()]

    def n_steps(self, size: int) -> int:
        return sum(task.n_steps(size) for task in self.members.values())

    def batches(self, examples: list[Example], budget: int) -> list[list[int]]:
        return [
            [indices[i] for i in batch]
            for name, indices in self._indices(examples).items()
            for batch in self.members[name].batches([examples[i] for i in indices], budget)
        ]

    def collate(self, examples: list[Example]) -> Batch:
        return self.members[examples[0].task].collate(examples)

    def batch_labels(self, examples: list[Example], length: int) -> tuple[Tensor, int]:
        return self.members[examples[0].task].batch_labels(examples, length)

    def loss_sum(self, output: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        return self.members[batch.task].loss_sum(output, batch, smoothing)

    def predict(self, output: Tensor, batch: Batch) -> Answers:
        return self.members[batch.task].predict(output, batch)

    def notes(self, split: str, examples: list[Example]) -> list[str]:
        """Those of each member on its own examples."""
        return [
            f"{name}: {note}"
            for name, own in self._indices(examples).items()
            for note in self.members[name].notes(split, [examples[i] for i in own])
        ]

    def _own(self, examples: list[Example], answers: Answers) -> dict[str, tuple]:
        return {
            name: ([examples[i] for i in indices], [answers[i] for i in indices])
            for name, indices in self._indices(examples).items()
        }

    def score(self, examples: list[Example], answers: Answers) -> Scores:
        scores: Scores = {}
        for name, own in self._own(examples, answers).items():
            found = self.members[name].score(*own)
            scores |= {f"{name}/{key}": value for key, value in found.items()}
        metrics = [f"{name}/{task.metric}" for name, task in self.members.items()]
        return {"mean": math.fsum(scores[key] for key in metrics) / len(metrics)} | scores

    def arrays(self, examples: list[Example], answers: Answers) -> dict[str, np.ndarray]:
        return {
            f"{name}/{key}": array
            for name, own in self._own(examples, answers).items()
            for key, array in self.members[name].arrays(*own).items()
        }

    def readable(self, text: str, example: Example, answer: np.ndarray) -> dict[str, object]:
        return self.members[example.task].readable(text, example, answer)
