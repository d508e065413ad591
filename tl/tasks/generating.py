"""What tasks share whose answer is text: the network's own head, and a search for the answer."""

import math
from abc import abstractmethod

import numpy as np
from torch import Tensor, nn
from transformers import GenerationConfig

from tl.data.batch import Batch, Example
from tl.data.encode import filler_id
from tl.losses import cross_entropy_sum
from tl.tasks.base import Answers, MakeHead, Task

CEILING_OF = 200  # examples, of which the best possible score is measured
CEILING_OFF = 0.01  # what it lacks to 1 before that is said


class Generating(Task):
    """Learns token by token from the true answer; is scored on what the model writes by itself."""

    generates = True

    def heads(self, make_head: MakeHead) -> dict[str, nn.Module]:
        return {}

    def loss_sum(self, output: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        return cross_entropy_sum(output, batch.labels, smoothing)

    @abstractmethod
    def generation(self) -> GenerationConfig:
        """How an answer is searched for, all of it."""

    @abstractmethod
    def true_ids(self, example: Example) -> list[int]:
        """The word pieces of the true answer, all of them, without its end."""

    def notes(self, split: str, examples: list[Example]) -> list[str]:
        """Add the best possible score, where the tokenizer cannot write all that answers hold.

        An uncased tokenizer, for one, cannot write й or ё. It is a property of the language rather
        than of a split, so it is said once: of validation, or of a file that is scored.
        """
        found = super().notes(split, examples)
        sample = examples[:: max(1, math.ceil(len(examples) / CEILING_OF))]
        if split in ("train", "test") or not sample:
            return found
        true = [np.array(self.true_ids(example), dtype=int) for example in sample]
        best = self.score(sample, true)[self.metric]
        if not 0 < best <= 1 - CEILING_OFF:  # 0: the sample has nothing to find, as names
            return found
        return [
            *found,
            f"the tokenizer cannot write what the answers of {split} hold: the best possible "
            f"{self.metric} is {best:.3f}, that of {len(sample):,} true answers, read back from "
            "their word pieces",
        ]

    @abstractmethod
    def template_of_prompt(self) -> str:
        """Return what is read of a text, for `str.format`: with {text} and, of pairs, {pair}."""

    @property
    def end_id(self) -> int:
        """The token that ends an answer."""
        ids = (self.tokenizer.eos_token_id, self.tokenizer.sep_token_id)
        return next(id for id in ids if id is not None)

    def search(self, max_new_tokens: int, **options: object) -> GenerationConfig:
        """How an answer is searched for; greedily unless `options` say otherwise."""
        return GenerationConfig(
            max_new_tokens=max_new_tokens,
            eos_token_id=self.end_id,
            pad_token_id=filler_id(self.tokenizer),
            **options,
        )

    def predict(self, output: Tensor, batch: Batch) -> Answers:
        """Written ids, [n] each, up to their end."""
        rows = output.cpu().numpy()
        ends = [np.flatnonzero(row == self.end_id) for row in rows]
        return [row[: end[0]] if len(end) else row for row, end in zip(rows, ends, strict=True)]

    def texts(self, answers: Answers) -> list[str]:
        """Written answers as text."""
        ids = [answer.tolist() for answer in answers]
        return [t.strip() for t in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]
