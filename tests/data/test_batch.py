"""Padding, and orders that waste little of it."""

import pytest
import torch

from tl.data.batch import Batch, Example, bucketed, by_tokens, chunks, pad, pad_inputs


def lengths(n=500):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 60, (n,), generator=generator).tolist()


def order(seed=0):
    return torch.Generator().manual_seed(seed)


def padded_tokens(batches, sizes):
    return sum(len(batch) * max(sizes[i] for i in batch) for batch in batches)


def test_rows_are_filled_on_the_right():
    assert pad([[1], [2, 3, 4], [5, 6]], 9).tolist() == [[1, 9, 9], [2, 3, 4], [5, 6, 9]]


def test_every_input_is_padded_and_the_mask_tells_real_tokens():
    examples = [
        Example("a", {"input_ids": [1, 2, 3], "token_type_ids": [0, 1, 1]}, 0),
        Example("b", {"input_ids": [4], "token_type_ids": [1]}, 1),
    ]
    inputs = {name: tensor.tolist() for name, tensor in pad_inputs(examples, 7).items()}
    assert inputs == {
        "input_ids": [[1, 2, 3], [4, 7, 7]],
        "token_type_ids": [[0, 1, 1], [1, 0, 0]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
    }


def test_a_padding_id_inside_a_text_is_not_masked():
    inputs = pad_inputs([Example("a", {"input_ids": [7, 1, 7]}, 0)], 7)
    assert inputs["attention_mask"].tolist() == [[1, 1, 1]]


def test_a_batch_moves_with_all_its_tensors():
    inputs = pad_inputs([Example("a", {"input_ids": [1, 2]}, 0)], 0)
    batch = Batch("task", inputs, torch.tensor([1]), 1, []).to(torch.device("meta"))
    tensors = [*batch.inputs.values(), batch.labels]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 500])
@pytest.mark.parametrize("window", [1, 2, 50])
def test_every_index_is_in_one_batch(n, window):
    batches = bucketed(lengths(n), 16, order(), window)
    assert sorted(i for batch in batches for i in batch) == list(range(n))


@pytest.mark.parametrize("n", [1, 15, 16, 17, 500])
@pytest.mark.parametrize("window", [1, 2, 50])
def test_all_batches_but_one_are_full(n, window):
    sizes = sorted(map(len, bucketed(lengths(n), 16, order(), window)))
    assert sizes[1:] == [16] * (len(sizes) - 1)
    assert len(sizes) == -(-n // 16)


def test_the_order_is_a_function_of_the_generator():
    assert bucketed(lengths(), 16, order(1)) == bucketed(lengths(), 16, order(1))
    assert bucketed(lengths(), 16, order(1)) != bucketed(lengths(), 16, order(2))


def test_long_and_short_examples_meet_in_other_company_each_time():
    one, two = ({frozenset(b) for b in bucketed(lengths(), 16, order(s), 5)} for s in (1, 2))
    assert not one & two


SMALL = [(33, 32), (100, 16), (300, 16), (1000, 32)]  # examples, and of a batch


def batch_mates(batches, n):
    """How many others each index has met, on average."""
    mates = [set() for _ in range(n)]
    for batch in batches:
        for i in batch:
            mates[i].update(batch)
    return sum(map(len, mates)) / n - 1


def in_random_order(n, size, generator):
    return list(chunks(torch.randperm(n, generator=generator).tolist(), size))


@pytest.mark.parametrize(("n", "size"), SMALL)
def test_examples_of_small_data_meet_many_others(n, size):
    """In ten epochs, six tenths of those that a random order would bring together, at least."""
    ours, random = [], []
    for epoch in range(10):
        ours += bucketed(lengths(n), size, order(epoch))
        random += in_random_order(n, size, order(epoch))
    assert batch_mates(ours, n) > 0.6 * batch_mates(random, n)


@pytest.mark.parametrize(("n", "size"), [*SMALL, (3000, 32)])
def test_a_text_weighs_the_same_whatever_its_length(n, size):
    """The short batch is a step like others: each text of it counts more."""
    weights = torch.zeros(n, dtype=torch.double)
    n_epochs = 60
    for epoch in range(n_epochs):
        for batch in bucketed(lengths(n), size, order(epoch)):
            weights[batch] += size / len(batch)
    of_length = torch.tensor(lengths(n), dtype=torch.double)
    correlation = torch.corrcoef(torch.stack([weights, of_length]))[0, 1].item()
    assert abs(correlation) < 4 / n**0.5  # 4 standard errors of one that is 0
    rest, whole = n % size, n - n % size
    expected = whole / n + (rest / n) * (size / rest)
    assert weights.mean().item() / n_epochs == pytest.approx(expected)
    # Binomial: how often one text was in the short batch; no text is there much too often.
    often = n_epochs * rest / n
    limit = n_epochs + (often + 6 * max(1, often) ** 0.5) * (size / rest - 1)
    assert weights.max().item() < limit


def test_the_short_batch_has_other_texts_each_time():
    short = [min(bucketed(lengths(100), 16, order(s)), key=len) for s in range(20)]
    assert {len(batch) for batch in short} == {4}
    assert len({i for batch in short for i in batch}) > 40


def test_batches_do_not_come_in_order_of_length():
    longest = [max(lengths()[i] for i in batch) for batch in bucketed(lengths(), 16, order())]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


def test_neighbours_in_length_need_less_padding_than_random_company():
    sizes = lengths()
    shuffled = torch.randperm(len(sizes), generator=order()).tolist()
    random_batches = list(chunks(shuffled, 16))
    real = sum(sizes)
    wasted = padded_tokens(bucketed(sizes, 16, order()), sizes) - real
    assert wasted < 0.25 * (padded_tokens(random_batches, sizes) - real)


@pytest.mark.parametrize("budget", [1, 64, 1000, 10**9])
def test_an_evaluation_batch_stays_within_its_budget_of_padded_tokens(budget):
    sizes = lengths()
    batches = by_tokens(sizes, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) == 1 or padded_tokens([batch], sizes) <= budget


def test_evaluation_batches_take_what_the_budget_holds():
    assert by_tokens([4, 2, 2, 4, 4], 8) == [[1, 2], [0, 3], [4]]
    assert by_tokens([], 8) == []


def test_an_example_longer_than_the_budget_gets_a_batch_of_its_own():
    assert by_tokens([3, 100, 3], 8) == [[0, 2], [1]]


def test_chunks_cut_what_comes_into_lists():
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []
