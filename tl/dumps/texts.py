"""Hidden states of labelled texts of other data: what does a run know that it never learned?

So a tagger can be asked for the sentiment of a text, and any run for the topic of news.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from tl.build import Setup
from tl.data import sources
from tl.data.batch import input_keys
from tl.data.records import Dataset
from tl.dumps.hidden import text_states
from tl.dumps.knowledge import task_over
from tl.dumps.outputs import outputs
from tl.options import option
from tl.tasks.classification import LABELS, PAIRS, TEXTS

LIMIT = 1000
FEWEST = 2  # texts of a label, on average; where each has its own, nothing can be learned


@dataclass(frozen=True)
class Options:
    """What is known of each text."""

    label: str = option("label", "column of what is known of each text")


def part(options: Options) -> str:
    """The column, where it is another than the usual one: texts have one file for each."""
    return "" if options.label == "label" else options.label


def load(data: str, encoding: str) -> Dataset:
    """The data set called `data`: texts, or pairs of texts, with columns of labels."""
    return sources.load(data, "classification", LABELS, encoding)


@torch.no_grad()
def collect(
    setup: Setup, dataset: Dataset, split: str, limit: int, options: Options
) -> dict[str, np.ndarray]:
    """States of every layer, the embeddings first, as in `tl.dumps.hidden`.

    Args:
        setup: the model.
        dataset: other data than the run's.
        split: whose texts are read.
        limit: how many of them.
        options: which column is their label.

    Returns:
        `ids`, `text_keys` [n], `mean` and `first` [n, L + 1, d] as in `tl.dumps.hidden`, `labels`
        [n] as strings, and `column`, what they are called.

    Raises:
        ValueError: if there are no texts, no such labels, one label only, or hardly two texts of
            one label.
    """
    records = dataset.splits[split][:limit]
    chosen = Dataset(dataset.name, {split: records})
    require_labelled(chosen, split, options.label)
    made = task_over(setup, "classification", records, chosen.name, label=options.label)
    examples = made.examples("train")
    found = [
        text_states(output, batch.inputs["attention_mask"])
        for batch, output in outputs(replace(setup, task=made), examples, "output_hidden_states")
    ]
    return {
        "ids": np.array([example.id for example in examples]),
        "text_keys": input_keys(examples),
        **{name: np.concatenate([some[name] for some in found]) for name in found[0]},
        "labels": np.array([made.labels[example.target] for example in examples]),
        "column": np.array(options.label),
        "notes": np.array(made.truncation(split, examples)),
    }


def require_labelled(dataset: Dataset, split: str, label: str) -> None:
    """Raise ValueError unless every record of a split has a text and a label that others have."""
    columns = dataset.columns(split)
    if not {*TEXTS, *sum(PAIRS, ())} & set(columns):
        raise ValueError(
            f"data {dataset.name!r} have no texts; their columns: {', '.join(columns) or 'none'}; "
            f"call them {', '.join(TEXTS)}, or a pair {', '.join(PAIRS[0])}"
        )
    sources.require_columns(dataset, [label], "name the column of labels with --texts.label")
    labels, n = {str(record[label]) for record in dataset.splits[split]}, len(dataset.splits[split])
    if len(labels) < 2:
        found = f"one {label!r}, {labels.pop()!r}; a probe needs two"
    elif len(labels) > n / FEWEST:
        found = f"{len(labels)} different {label!r}; a probe needs {FEWEST} texts of each or more"
    else:
        return
    raise ValueError(
        f"data {dataset.name!r}: the first {n} texts of {split} have {found}. Read more of them "
        f"with --limit, or name another column with --texts.label; columns: {', '.join(columns)}"
    )
