"""Arrays that say what a backbone knows of a group of texts, whatever it was adapted to.

For each group, under its name: the states from which a linear probe reads labels, the similarity of
the two texts of a pair, and the loss of the language model.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import ModelOutput

from tl import heads
from tl.build import Setup
from tl.data.batch import Batch, Example, input_keys
from tl.data.records import Dataset, Record
from tl.dumps.language import LanguageModel
from tl.dumps.outputs import half, of_encoder, outputs
from tl.losses import IGNORED
from tl.registry import TASKS, resolve
from tl.tasks.base import Task

Arrays = dict[str, np.ndarray]
PAIR = ("text_1", "text_2")
GRADES = {  # of pairs whose labels are words: how much the two texts have in common
    "paraphrase": 2.0,
    "near_paraphrase": 1.0,
    "non_paraphrase": 0.0,
    "entailment": 1.0,
    "neutral": 0.5,
    "contradiction": 0.0,
    "not_entailment": 0.0,
}
MOST_WORDS = 4000  # of a group whose words are labelled: a sentence has many


def task_over(
    setup: Setup, name: str, records: list[Record], title: str = "", **columns: str
) -> Task:
    """A task that encodes other records with the tokenizer, and the length limit, of a run.

    Args:
        setup: the run.
        name: of the task.
        records: all of them; they are its split "train".
        title: what messages call them, if not by the name of the task.
        columns: options of the task.
    """
    task = resolve(TASKS, name, "task")
    options = task.Options(max_length=setup.config.task_options.max_length, **columns)
    made = task(options, Dataset(title or name, {"train": records}), setup.task.tokenizer)
    made.prepare(setup.model.backbone)
    return made


@torch.no_grad()
def labelled_states(setup: Setup, task: Task, examples: list[Example], group: str) -> Arrays:
    """What a probe needs: a row per text, or per word where the task labels words.

    Args:
        setup: the model.
        task: gives the labels.
        examples: encoded by it.
        group: a name.

    Returns:
        `states/<group>` [rows, d], of the last layer, the mean over a text's real tokens or a
        word's first piece; `labels/<group>` [rows], as indices; `items/<group>` [rows], the text,
        of copies the first.
    """
    first = firsts(examples)
    states, labels, items, n_texts = [], [], [], 0
    for batch, output in outputs(replace(setup, task=task), examples, "output_hidden_states"):
        rows, own, texts = _rows(batch, output)
        states.append(half(rows))
        labels.append(own.cpu().numpy())
        items.append(first[texts.cpu().numpy() + n_texts])
        n_texts += len(batch.examples)
        if batch.labels.ndim > 1 and sum(map(len, states)) >= MOST_WORDS:
            break
    return {
        f"states/{group}": np.concatenate(states),
        f"labels/{group}": np.concatenate(labels),
        f"items/{group}": np.concatenate(items),
    }


def firsts(examples: list[Example]) -> np.ndarray:
    """The place of the first example with the text of each, [n]."""
    _, first, text = np.unique(input_keys(examples), return_index=True, return_inverse=True)
    return first[text]


def _rows(batch: Batch, output: ModelOutput) -> tuple[Tensor, Tensor, Tensor]:
    """The labelled states of a batch, their labels, and the rows of the batch they stand in."""
    mask = batch.inputs["attention_mask"]
    last = _last_states(output, mask)
    if batch.labels.ndim == 1:
        return heads.mean(last, mask), batch.labels, torch.arange(len(last))
    real = batch.labels != IGNORED
    return last[real], batch.labels[real], real.nonzero()[:, 0]


def _last_states(output: ModelOutput, mask: Tensor) -> Tensor:
    """[b, t, d] in float32, without virtual tokens."""
    return of_encoder(output, "hidden_states")[-1][:, -mask.shape[1] :].float()


@torch.no_grad()
def similarities(setup: Setup, records: list[Record], group: str) -> Arrays:
    """How alike a model finds the texts of each pair, and how alike they are.

    Args:
        setup: the model.
        records: with `text_1`, `text_2` and `label`, see `grades`.
        group: a name.

    Returns:
        `cosines/<group>` [n], between the means over the real tokens of each text, last layer, and
        `grades/<group>` [n].
    """
    texts = [str(record[column]) for column in PAIR for record in records]
    labelled = [{"text": text, "label": str(i % 2)} for i, text in enumerate(texts)]
    task = task_over(setup, "classification", labelled)
    examples = task.examples("train")
    sides = _embedded(replace(setup, task=task), examples).chunk(2)
    cosines = torch.nn.functional.cosine_similarity(*sides).numpy()
    return {
        f"cosines/{group}": cosines,
        f"grades/{group}": grades(records),
        f"notes/{group}": np.array(task.truncation(group, examples)),
    }


def _embedded(setup: Setup, examples: list[Example]) -> Tensor:
    """Mean states, [n, d]."""
    means = []
    for batch, output in outputs(setup, examples, "output_hidden_states"):
        mask = batch.inputs["attention_mask"]
        means.append(heads.mean(_last_states(output, mask), mask).cpu())
    return torch.cat(means)


def grades(records: list[Record]) -> np.ndarray:
    """How alike the texts of pairs are, [n]: numbers as they are, words by GRADES.

    Raises:
        ValueError: for a label that is neither.
    """
    found = []
    for record in records:
        label = str(record["label"]).strip()
        try:
            found.append(GRADES.get(label) if label in GRADES else float(label))
        except ValueError:
            raise ValueError(
                f"the label {label!r} does not say how alike two texts are; give numbers, or some "
                f"of {', '.join(GRADES)}"
            ) from None
    return np.array(found)


class Losses:
    """The language model of a run, if it has one; if not, the reason is written instead."""

    def __init__(self, setup: Setup) -> None:
        self.model, self.reason = None, ""
        try:
            self.model = LanguageModel(setup)
        except ValueError as error:
            self.reason = str(error)

    def of(self, examples: list[Example], group: str) -> Arrays:
        """`losses/<group>` [n], in nats per word piece, or why there are none; `texts/<group>` [n].

        The latter is the place of the first copy of each text.
        """
        if self.model is None:
            return {"no_language_model": np.array(self.reason)}
        return {
            f"losses/{group}": self.model.losses(examples),
            f"texts/{group}": firsts(examples),
        }
