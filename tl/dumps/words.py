"""Hidden states of words, with what is known of each word: its part of speech, depth, entity type.

The data are no data of the run's task: sentences with a dependency tree (CoNLL-U), or with entity
tags, in any form that `--task ner` reads.
"""

import numpy as np
import torch

from tl.build import Setup
from tl.data import sources
from tl.data.batch import Batch, Example, chunks, input_keys, pad_inputs
from tl.data.conllu import is_conllu, load_conllu
from tl.data.encode import encode_words, filler_id
from tl.data.records import Dataset, Record
from tl.dumps.hidden import real_states
from tl.dumps.outputs import BATCH_SIZE, answers, half
from tl.tasks.ner import unread_words

LIMIT = 600  # sentences


def load(data: str, encoding: str) -> Dataset:
    """Sentences with labels of words.

    Raises:
        ValueError: if the data are malformed, or have no labels of words.
    """
    if is_conllu(data):
        return load_conllu(data, encoding)
    dataset = sources.load(data, "ner", (), encoding)
    sources.require_tagged(dataset)
    return dataset


@torch.no_grad()
def collect(setup: Setup, dataset: Dataset, split: str, limit: int) -> dict[str, np.ndarray]:
    """States of every layer for the first piece of each word, as in `tl.dumps.hidden`.

    Args:
        setup: the model.
        dataset: as `load` gives it.
        split: whose sentences are read.
        limit: how many of them.

    Returns:
        `word_states` [rows, L + 1, d], and for each row `ids` and `text_keys` (of its sentence),
        `words` (its place there), `forms` and, as strings, `upos` and `depth`, or `entity` ("O"
        outside of entities).
    """
    records = dataset.splits[split][:limit]
    examples = _encode(setup, records)
    states = []
    batches = [_batch(setup, some) for some in chunks(examples, BATCH_SIZE)]
    for batch, output in answers(setup, batches, "output_hidden_states"):
        layers = torch.stack(real_states(output, batch.inputs["attention_mask"]), dim=2)
        states += [half(layers[i, e.positions]) for i, e in enumerate(batch.examples)]
    kept = [(example.id, record, word) for example, record in zip(examples, records, strict=True)
            for word in example.target]  # fmt: skip
    unread = [len(r["tokens"]) - len(e.target) for r, e in zip(records, examples, strict=True)]
    return {
        "ids": np.array([id for id, _, _ in kept]),
        "text_keys": np.repeat(input_keys(examples), [len(e.target) for e in examples]),
        "words": np.array([word for _, _, word in kept]),
        "word_states": np.concatenate(states),
        "notes": np.array(unread_words(split, unread, "have no states")),
        **_known(list(records[0]), [(record, word) for _, record, word in kept]),
    }


def _known(names: list[str], rows: list[tuple[Record, int]]) -> dict[str, np.ndarray]:
    """Return what the data, which have columns of these names, say of words: (sentence, place)."""
    columns = {"forms": "tokens", "upos": "upos", "depth": "depth"}
    arrays = {
        name: np.array([str(record[column][word]) for record, word in rows])
        for name, column in columns.items()
        if column in names
    }
    if "ner_tags" in names:
        tags = [record["ner_tags"][word] for record, word in rows]
        arrays["entity"] = np.array([tag.partition("-")[2] or "O" for tag in tags])
    return arrays


def _encode(setup: Setup, records: list[Record]) -> list[Example]:
    """The sentences; the target of each is which of its words the input holds."""
    sentences = [record["tokens"] for record in records]
    encoded = encode_words(setup.task.tokenizer, sentences, setup.config.task_options.max_length)
    return [
        Example(str(record.get("id", i)), one.inputs, list(one.first), list(one.first.values()))
        for i, (record, one) in enumerate(zip(records, encoded, strict=True))
    ]


def _batch(setup: Setup, examples: list[Example]) -> Batch:
    inputs = pad_inputs(examples, filler_id(setup.task.tokenizer))
    return Batch("words", inputs, torch.zeros(len(examples)), 0, examples)
