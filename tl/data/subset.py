"""Parts of a training split, for learning curves and few-shot runs."""

from collections import Counter, defaultdict

import torch

from tl import seed
from tl.data.records import Record


def nested_subset(
    records: list[Record], label: str | None, size: int, run_seed: int
) -> list[Record]:
    """`size` records, stratified by a column, as a prefix of one seeded order.

    The subset of 100 lies inside that of 300: each record takes, within its label, a random rank
    (i + ½)/n; any prefix by rank holds the labels in nearly their shares. What is chosen stands in
    the order of the file.

    Args:
        records: the training split.
        label: the column to stratify by, or None.
        size: how many to take, at most `len(records)`.
        run_seed: of the run; the same for every strategy.
    """
    order = torch.randperm(len(records), generator=seed.generator(run_seed, "data/subset")).tolist()
    labels = [str(record[label]) if label else "" for record in records]
    of_label, seen, rank = Counter(labels), defaultdict(int), {}
    for index in order:
        rank[index] = (seen[labels[index]] + 0.5) / of_label[labels[index]]
        seen[labels[index]] += 1
    chosen = sorted(order, key=rank.__getitem__)[:size]  # stable: ties stay in random order
    return [records[index] for index in sorted(chosen)]
