"""What a backbone knows of other data, such as those of a task that it had learned before.

The data are labelled texts, labelled words, or pairs of texts with the degree to which they say the
same, from a file, a directory or the Hub, and need no run of their own.
"""

import numpy as np

from tl.build import Setup
from tl.data import sources
from tl.data.records import Dataset, Record
from tl.dumps.knowledge import GRADES, PAIR, Losses, labelled_states, similarities, task_over
from tl.tasks.classification import LABELS

LIMIT = 2000


def load(data: str, encoding: str) -> Dataset:
    """The data set called `data`, with tags in IOB2 where its words are labelled."""
    found = sources.load(data, "classification", LABELS, encoding)
    columns = found.columns(next(iter(found.splits)))
    if "ner_tags" in columns and not set(LABELS) & set(columns):
        return sources.load(data, "ner", (), encoding)
    return found


def collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]:
    """The arrays of one group, named after the data and their split; see `tl.dumps.knowledge`.

    Args:
        setup: the model.
        dataset: other data than the run's.
        split: which is read; its name begins with that of the data.
        limit: how many of its texts.

    Raises:
        ValueError: if texts or labels are missing.
    """
    records, name = dataset.splits[split][:limit], dataset.name
    group = f"{name} {split.removeprefix(f'{name}-')}"
    columns = dataset.columns(split)
    if set(PAIR) <= set(columns) and _graded(records):
        return similarities(setup, records, group)
    labelled = set(LABELS) & set(columns)
    if not labelled and "ner_tags" not in columns:
        raise ValueError(
            f"data {name!r} have no labels that a probe could read; their columns: "
            f"{', '.join(columns) or 'none'}. Give text and label, text_1, text_2 and label, or "
            "tokens and ner_tags"
        )
    task = "classification" if labelled else "ner"
    made = task_over(setup, task, records, title=f"{group}, the first {len(records)}")
    examples = made.examples("train")
    return (
        Losses(setup).of(examples, group)
        | labelled_states(setup, made, examples, group)
        | {"notes": np.array(made.truncation(group, examples))}
    )


def _graded(records: list[Record]) -> bool:
    """Whether labels of pairs are numbers, or words that say how alike the texts are."""
    return all(
        isinstance(label := record.get("label"), int | float) or label in GRADES
        for record in records
    )
