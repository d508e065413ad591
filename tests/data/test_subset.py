"""Subsets for learning curves: nested, stratified, the same for every strategy."""

from collections import Counter
from itertools import pairwise

import pytest
import torch

from tl.data.subset import nested_subset


def records(n=200, labels=("a", "a", "a", "b")):
    return [{"id": i, "label": labels[i % len(labels)]} for i in range(n)]


def ids(size, seed=0, label="label", n=200):
    return [record["id"] for record in nested_subset(records(n), label, size, seed)]


@pytest.mark.parametrize("label", ["label", None])
def test_a_smaller_subset_lies_inside_every_larger_one(label):
    subsets = [set(ids(size, label=label)) for size in range(1, 201)]
    assert [len(subset) for subset in subsets] == list(range(1, 201))
    assert all(small < large for small, large in pairwise(subsets))


@pytest.mark.parametrize("size", [4, 8, 10, 33, 100, 199])
def test_labels_keep_their_shares_up_to_one_record(size):
    chosen = nested_subset(records(), "label", size, 0)
    counts = Counter(record["label"] for record in chosen)
    assert abs(counts["b"] - size / 4) <= 1


def test_a_rare_label_is_not_lost_in_half_of_the_data():
    labelled = [*records(60), *({"id": -i, "label": "rare"} for i in range(1, 5))]
    chosen = nested_subset(labelled, "label", 32, 0)
    assert Counter(record["label"] for record in chosen)["rare"] == 2


def test_what_is_chosen_stands_in_the_order_of_the_file():
    assert ids(50) == sorted(ids(50))


def test_the_whole_is_the_whole():
    assert ids(200) == list(range(200))


def test_the_choice_is_a_function_of_the_seed_alone():
    torch.manual_seed(1)
    one = ids(50, seed=3)
    torch.manual_seed(2)
    torch.rand(10)
    assert ids(50, seed=3) == one
    assert ids(50, seed=4) != one


def test_choosing_does_not_shift_other_random_numbers():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    ids(50)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_may_be_numbers_or_truth_values():
    mixed = [{"label": value} for value in (1, True, 2.0, "x", None) * 4]
    assert len(nested_subset(mixed, "label", 7, 0)) == 7
