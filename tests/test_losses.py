"""The loss is a sum over targets; ignored positions and half precision do not disturb it."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from tl.losses import IGNORED, cross_entropy_sum


def slow(logits, labels):
    total = torch.zeros(())
    for row, label in zip(logits.flatten(0, -2), labels.flatten().tolist(), strict=True):
        if label != IGNORED:
            total += row.exp().sum().log() - row[label]
    return total


@pytest.mark.parametrize("shape", [(5,), (3, 4)])
def test_it_is_the_sum_of_negative_log_probabilities(shape):
    torch.manual_seed(0)
    logits, labels = torch.randn(*shape, 6), torch.randint(0, 6, shape)
    assert_close(cross_entropy_sum(logits, labels), slow(logits, labels))


def test_ignored_positions_add_nothing_and_get_no_gradient():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, requires_grad=True)
    labels = torch.tensor([[1, IGNORED, 3], [IGNORED, IGNORED, 0]])
    loss = cross_entropy_sum(logits, labels)
    assert_close(loss, slow(logits, labels))
    loss.backward()
    assert torch.equal(logits.grad.abs().sum(-1) == 0, labels == IGNORED)


def test_without_targets_it_is_zero_and_not_nan():
    assert cross_entropy_sum(torch.randn(2, 3, 4), torch.full((2, 3), IGNORED)).item() == 0.0


def test_it_is_computed_in_float32():
    torch.manual_seed(0)
    logits, labels = torch.randn(256, 2).bfloat16(), torch.zeros(256, dtype=torch.long)
    loss = cross_entropy_sum(logits, labels)
    assert loss.dtype == torch.float32
    assert_close(loss, slow(logits.float(), labels))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("shape", [(5,), (3, 4)])
def test_as_a_mean_it_is_the_cross_entropy_of_torch_smoothed_or_not(shape, smoothing):
    """In value and in gradient, also where positions are ignored."""
    torch.manual_seed(0)
    logits = torch.randn(*shape, 6, dtype=torch.float64)
    labels = torch.randint(0, 6, shape)
    labels.view(-1)[1] = IGNORED
    n_targets = int((labels != IGNORED).sum())
    one, other = (logits.clone().requires_grad_(True) for _ in range(2))
    ours = cross_entropy_sum(one, labels, smoothing) / n_targets
    expected = F.cross_entropy(
        other.flatten(0, -2), labels.flatten(), ignore_index=IGNORED, label_smoothing=smoothing
    )
    assert_close(ours.double(), expected, rtol=1e-6, atol=1e-6)  # ours is computed in float32
    ours.backward()
    expected.backward()
    assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-7)
