"""Texts in other words, and what the model says of both: does it hold to its answer?"""

import json
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from tl.bars import bar
from tl.build import Setup
from tl.data.batch import Example
from tl.data.records import Dataset, Record
from tl.evaluate import infer
from tl.options import option
from tl.rewriting.base import form_of
from tl.rewriting.choice import rewriter_of
from tl.rewriting.records import Rewritten, Wanted, rewrite_tagged, rewrite_texts, texts_in
from tl.tasks.base import Answers, Task
from tl.tasks.classification import Classification
from tl.tasks.ner import NER

LIMIT = 2000


@dataclass(frozen=True)
class Options:
    """How texts are rewritten."""

    by: str = option(
        "rules",
        "who rewrites: rules; seq2seq:MODEL, a paraphraser; back:MODEL,MODEL, two translators "
        "(models are directories or Hub ids)",
    )
    k: int = option(4, "rewrites of a text", interval="[1, 20]")
    seed: int = option(0, "seed of the rewriter's random choices")
    prefix: str | None = option(
        None,
        "what a model is asked by (default 'paraphrase: ' for seq2seq, nothing for back); of two "
        "translators THERE|BACK",
    )


def collect(
    setup: Setup, dataset: Dataset, split: str, limit: int, options: Options
) -> dict[str, np.ndarray]:
    """Answers to texts and to their rewrites.

    Args:
        setup: the model.
        dataset: that of the setup's task.
        split: whose texts are rewritten.
        limit: how many of them.
        options: the rewriter.

    Returns:
        what `predictions/<split>.npz` holds, and `texts_of`; both of the m rewrites too, as
        `rewritten_…`; of each its `source` (the row of its text), `kinds` and `unseen` (whether the
        tokens are the same); `reasons` of proposals that were `rejected`, with counts; `k`; `by`.

    Raises:
        ValueError: as `rewritten` does.
    """
    records = dataset.splits[split][:limit]
    found, rejected = rewritten(setup, records, options)
    source = np.array([row for row, _ in found])
    old, new = (task_of(setup, some, split) for some in (records, [o.record for _, o in found]))
    before, after = old.examples(split), new.examples(split)
    answers = answer_once(setup, [*before, *after])
    unseen = [one.inputs == before[row].inputs for row, one in zip(source, after, strict=True)]
    arrays = new.arrays(after, answers[len(before) :]) | texts_of(new, split)
    return {
        **old.arrays(before, answers[: len(before)]),
        **texts_of(old, split),
        **{f"rewritten_{name}": array for name, array in arrays.items()},
        "source": source,
        "kinds": np.array([one.kind for _, one in found]),
        "unseen": np.array(unseen),
        "reasons": np.array(list(rejected), dtype=str),
        "rejected": np.array(list(rejected.values()), dtype=int),
        "k": np.array(options.k),
        "by": np.array(options.by),
    }


def rewritten(
    setup: Setup, records: list[Record], options: Options
) -> tuple[list[tuple[int, Rewritten]], Counter[str]]:
    """The rewrites of records, each with the row of its record, and what was rejected.

    Raises:
        ValueError: if the task is none of those that can be rewritten, or no rewrite is left.
    """
    ways = {Classification: lambda task: (rewrite_texts(task.text_columns), task.text_columns)}
    ways |= {NER: lambda task: (rewrite_tagged, ["tokens"])}
    if type(setup.task) not in ways:
        allowed = ", ".join(kind.name for kind in ways)
        raise ValueError(f"rewrites are of runs of {allowed}; this one is of {setup.task.name}")
    rewrite, columns = ways[type(setup.task)](setup.task)
    rewriter = rewriter_of(options.by, options.prefix, setup.device)
    form = form_of(text for record in records for text in texts_in(record, columns))
    wanted = Wanted(rewriter, options.k, options.seed, form)
    found, rejected = [], Counter()
    for row, record in enumerate(bar(records, "rewrite")):
        some, refused = rewrite(record, wanted)
        name = str(record.get("id", row))
        for i, one in enumerate(some):
            found.append((row, replace(one, record=one.record | {"id": f"{name}#{i}"})))
        rejected += refused
    if not found:
        counted = ", ".join(f"{n} for {reason}" for reason, n in rejected.most_common())
        raise ValueError(
            f"--rewrites.by {options.by} left no rewrite of {len(records)} texts; rejected: "
            f"{counted or 'nothing, there was no proposal'}. Take another rewriter"
        )
    return found, rejected


def task_of(setup: Setup, records: list[Record], split: str) -> Task:
    """The run's task, with these records as a split."""
    old = setup.task
    task = type(old)(old.options, Dataset(split, {split: records}), old.tokenizer, old.labels)
    task.prepare(setup.model.backbone)
    return task


def answer_once(setup: Setup, examples: list[Example]) -> Answers:
    """Answers to examples; those that are the same to the model are read once."""
    keys = [repr((example.inputs, example.positions)) for example in examples]
    first = dict(zip(reversed(keys), reversed(examples), strict=True))
    answers, _ = infer(setup, list(first.values()), "rewrites")
    answer_to = dict(zip(first, answers, strict=True))
    return [answer_to[key] for key in keys]


def texts_of(task: Task, split: str) -> dict[str, np.ndarray]:
    """JSON lists of a split: its `texts`, and where words are labelled `gold`, their tags."""
    records = task.dataset.splits[split]
    if not isinstance(task, NER):
        both = filter(None, task.texts(split))
        return {"texts": listed(["\t".join(texts) for texts in zip(*both, strict=True)])}
    return {
        "texts": listed([" ".join(record["tokens"]) for record in records]),
        "gold": listed([record["ner_tags"] for record in records]),
    }


def listed(values: list) -> np.ndarray:
    """A list as JSON: an array of texts would take for each of them the room of the longest."""
    return np.array(json.dumps(values).encode())
