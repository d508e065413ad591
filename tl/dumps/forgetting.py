"""What a backbone knows of its own texts and of others: to be compared before and after training.

Its own are those of the split; the others are embedded, English and Russian. `tl.dumps.source` asks
the same of data from elsewhere.
"""

import random
from itertools import groupby

import numpy as np

from tl.build import Setup
from tl.data.batch import Example
from tl.data.newsroom import EDITION, SENTIMENTS, item
from tl.data.newsroom_pairs import pairs
from tl.data.records import Dataset, Record
from tl.dumps.knowledge import Arrays, Losses, labelled_states, similarities, task_over

LIMIT = 300  # texts of each group
EMBEDDED = {"en": "newsroom", "ru": "newsroom-ru"}


def collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]:
    """States with labels, similarities of pairs and losses of the language model, by group.

    Args:
        setup: the model.
        dataset: that of the setup's task.
        split: whose examples are its own group.
        limit: texts of each group; pairs are as many.

    Returns:
        see `tl.dumps.knowledge`; `own` has the names of the groups that the run learned from, and
        `domain` the name of its data, with which groups of the same kind of texts begin.
    """
    losses = Losses(setup)
    arrays: Arrays = {"own": np.array([], dtype=str), "domain": np.array(dataset.name)}
    for task, examples in groupby(setup.task.examples(split), key=lambda example: example.task):
        group = " ".join([dataset.name, split, *([f"({task})"] if task else [])])
        arrays |= own_group(setup, losses, list(examples)[:limit], group)
        arrays["own"] = np.append(arrays["own"], group)
    for language, corpus in EMBEDDED.items():
        arrays |= embedded(setup, losses, language, corpus, limit)
    return arrays


def own_group(setup: Setup, losses: Losses, examples: list[Example], group: str) -> Arrays:
    """The run's own texts, of one task; a text that is answered by a text has no label."""
    labelled = not setup.task.generates
    states = labelled_states(setup, setup.task, examples, group) if labelled else {}
    return losses.of(examples, group) | states


def embedded(setup: Setup, losses: Losses, language: str, corpus: str, limit: int) -> Arrays:
    """News of one language: their sentiment, their names and their headlines."""
    records = fresh(language, limit)
    sentiments = task_over(setup, "classification", records, label="sentiment")
    names = task_over(setup, "ner", records)
    texts, sentences = sentiments.examples("train"), names.examples("train")
    notes = [*sentiments.truncation(corpus, texts), *names.truncation(corpus, sentences)]
    return (
        losses.of(texts, corpus)
        | labelled_states(setup, sentiments, texts, f"{corpus} sentiment")
        | labelled_states(setup, names, sentences, f"{corpus} names")
        | {f"notes/{corpus}": np.array(notes)}
        | similarities(setup, pairs(language, limit), f"{corpus} headlines")
    )


def fresh(language: str, n: int) -> list[Record]:
    """News that are in no split of the embedded corpora, so that no run has learned from them."""
    rng = random.Random(f"forgetting/{language}/{EDITION}")
    sentiments = [SENTIMENTS[i % len(SENTIMENTS)] for i in range(n)]
    return [{"id": str(i), **item(language, s, rng)} for i, s in enumerate(sentiments)]
