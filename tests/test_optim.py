"""Parameter groups and the learning rate as a function of the step."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tl.optim import ParamGroup, adamw, by_decay, check_partition, lr_scale, pull_back


@pytest.fixture
def model():
    return nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Linear(4, 3))


def test_matrices_decay_and_vectors_do_not(model):
    matrices, vectors = by_decay("block00", list(model.parameters()), 1e-3, 0.1)
    assert (matrices.name, vectors.name) == ("block00", "block00/no_decay")
    assert (matrices.weight_decay, vectors.weight_decay) == (0.1, 0.0)
    assert {p.ndim for p in matrices.params} == {2}
    assert {p.ndim for p in vectors.params} == {1}
    assert len(matrices.params) + len(vectors.params) == len(list(model.parameters()))


def test_frozen_parameters_and_empty_groups_are_left_out(model):
    model[0].requires_grad_(False)
    model[2].weight.requires_grad_(False)
    (group,) = by_decay("top", list(model.parameters()), 1e-3, 0.1)
    assert group.name == "top/no_decay"
    assert len(group.params) == 3
    assert by_decay("stem", list(model[0].parameters()), 1e-3, 0.1) == []


def groups_of(*params):
    return [ParamGroup(str(i), list(ps), 1e-3, 0.0) for i, ps in enumerate(params)]


def test_a_partition_holds_what_learns_and_nothing_else(model):
    model[0].requires_grad_(False)
    check_partition(groups_of(model[1].parameters(), model[2].parameters()), model)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([0, 1, 2, 2], "two groups"),
        ([0, 1], "differ"),
        ([], "differ"),
    ],
    ids=["one twice", "one missing", "all missing"],
)
def test_groups_that_are_no_partition_are_refused(places, message, model):
    with pytest.raises(AssertionError, match=message):
        check_partition(groups_of(*(model[i].parameters() for i in places)), model)


def test_a_parameter_twice_in_one_group_is_refused(model):
    params = list(model.parameters())
    with pytest.raises(AssertionError, match="two groups"):
        check_partition(groups_of([*params, params[0]]), model)


def test_a_frozen_parameter_in_a_group_is_refused(model):
    model[0].requires_grad_(False)
    with pytest.raises(AssertionError, match="differ"):
        check_partition(groups_of(model.parameters()), model)


def test_a_tied_parameter_belongs_to_a_group_once():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5, bias=False))
    model[1].weight = model[0].weight
    check_partition(groups_of(model.parameters()), model)


def test_every_group_of_the_optimizer_keeps_its_name_and_peak_rate(model):
    optimizer = adamw(by_decay("head", list(model.parameters()), 3e-4, 0.2))
    facts = [(g["name"], g["lr"], g["base_lr"], g["weight_decay"]) for g in optimizer.param_groups]
    assert facts == [("head", 3e-4, 3e-4, 0.2), ("head/no_decay", 3e-4, 3e-4, 0.0)]


def test_its_first_step_is_that_of_adamw():
    """Algorithm 2 of arXiv 1711.05101, with both moments at their first values."""
    w = nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
    optimizer = adamw([ParamGroup("w", [w], 0.1, 0.5)])
    w.grad = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
    optimizer.step()
    expected = [[1.0 - 0.1 * (1 + 0.5 * 1.0), -2.0 + 0.1 * (1 + 0.5 * 2.0)]]
    assert_close(w.detach(), torch.tensor(expected, dtype=torch.float64))


def test_the_decay_pulls_back_to_the_start():
    """w − η·λ·(w − w₀) where there is a start, w − η·λ·w where there is none; both before Adam."""
    made = [nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64)) for _ in range(3)]
    pulled, other, held_back = made
    starts = {w: torch.full((1, 2), 0.5, dtype=torch.float64) for w in (pulled, held_back)}
    optimizer = adamw([ParamGroup("w", made, 0.1, 0.5)])
    pulled.grad, other.grad = torch.zeros_like(pulled), torch.zeros_like(other)
    optimizer.step()
    pull_back(optimizer, starts)
    expected = [[1.0 - 0.05 * (1.0 - 0.5), -2.0 - 0.05 * (-2.0 - 0.5)]]
    assert_close(pulled.detach(), torch.tensor(expected, dtype=torch.float64))
    assert_close(other.detach(), torch.tensor([[0.95, -1.9]], dtype=torch.float64))
    assert torch.equal(held_back.detach(), torch.tensor([[1.0, -2.0]], dtype=torch.float64))


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 97])
@pytest.mark.parametrize("warmup", [0.0, 0.06, 0.1, 0.5, 0.99, 1.0])
def test_the_rate_rises_to_its_peak_once_then_falls_towards_zero(n_steps, warmup):
    scales = [lr_scale(step, n_steps, warmup) for step in range(n_steps)]
    assert max(scales) == 1.0
    assert min(scales) > 0.0
    peak = max(i for i, scale in enumerate(scales) if scale == 1.0)
    assert all(a < b for a, b in pairwise(scales[:peak]))
    assert all(a > b for a, b in pairwise(scales[peak:]))


def test_the_rate_by_hand():
    assert [lr_scale(step, 10, 0.4) for step in range(11)] == pytest.approx(
        [1 / 4, 2 / 4, 3 / 4, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]
    )


def test_without_warmup_the_first_step_has_the_full_rate():
    assert [lr_scale(step, 4, 0.0) for step in range(4)] == [1, 3 / 4, 2 / 4, 1 / 4]


def test_with_nothing_but_warmup_the_last_step_has_the_full_rate():
    assert [lr_scale(step, 4, 1.0) for step in range(4)] == [1 / 4, 2 / 4, 3 / 4, 1]


@pytest.mark.parametrize("warmup", [0.0, 0.06, 0.5, 1.0])
def test_a_single_step_has_the_full_rate(warmup):
    assert lr_scale(0, 1, warmup) == 1.0
