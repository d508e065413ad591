"""Heads: pooling against slow loops, and padding that never matters."""

import pytest
import torch
from torch.testing import assert_close

from tl.heads import POOLS, Contextualize, Head, linear, mlp

D, C = 8, 3
LENGTHS = (5, 1, 3)
SIDES = ("right", "left")


def padded(side="right", extra=0):
    """States of three texts and their mask; padding holds noise, as in a real network."""
    torch.manual_seed(0)
    texts = [torch.randn(n, D) for n in LENGTHS]
    t = max(LENGTHS) + extra
    hidden, mask = torch.randn(len(texts), t, D), torch.zeros(len(texts), t, dtype=torch.long)
    for i, text in enumerate(texts):
        place = slice(0, len(text)) if side == "right" else slice(t - len(text), t)
        hidden[i, place], mask[i, place] = text, 1
    return texts, hidden, mask


SLOW = {
    "mean": lambda text: sum(text) / len(text),
    "cls": lambda text: text[0],
    "last": lambda text: text[-1],
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("extra", [0, 4])
@pytest.mark.parametrize("pool", SLOW)
def test_a_pool_sees_real_tokens_only(pool, extra, side):
    texts, hidden, mask = padded(side, extra)
    expected = torch.stack([SLOW[pool](text) for text in texts])
    assert_close(POOLS[pool](hidden, mask), expected)


def test_no_pool_gives_every_token():
    _, hidden, mask = padded()
    assert POOLS["each"](hidden, mask) is hidden


@pytest.mark.parametrize("pool", SLOW)
def test_pooling_keeps_half_precision(pool):
    _, hidden, mask = padded()
    assert POOLS[pool](hidden.bfloat16(), mask).dtype == torch.bfloat16


def heads():
    torch.manual_seed(0)
    return {
        "linear": Head("mean", linear(D, C)),
        "mlp": Head("cls", mlp(D, C)),
        "transformer": Head("mean", linear(D, C), Contextualize(D)),
        "transformer, last token": Head("last", linear(D, C), Contextualize(D)),
        "transformer, each token": Head("each", linear(D, C), Contextualize(D)),
    }


@pytest.mark.parametrize("name", heads())
@pytest.mark.parametrize("side", SIDES)
def test_padding_never_matters(name, side):
    head = heads()[name].eval()
    texts, hidden, mask = padded(side, extra=4)
    logits = head(hidden, mask)
    if "each" in name:
        logits = [row[real == 1] for row, real in zip(logits, mask, strict=True)]
    for text, row in zip(texts, logits, strict=True):
        alone = head(text[None], torch.ones(1, len(text), dtype=torch.long))[0]
        assert_close(row, alone)


@pytest.mark.parametrize("name", heads())
def test_a_head_gives_one_row_of_logits_for_a_text_or_for_a_token(name):
    _, hidden, mask = padded()
    shape = heads()[name](hidden, mask).shape
    assert shape == ((3, 5, C) if "each" in name else (3, C))


@pytest.mark.parametrize(
    ("project", "expected"), [(linear, D * C + C), (mlp, D * D + D + D * C + C)]
)
def test_projections_have_the_parameters_of_their_formula(project, expected):
    assert sum(p.numel() for p in project(D, C).parameters()) == expected


def test_the_transformer_head_lets_tokens_see_each_other():
    head = heads()["transformer, each token"].eval()
    _, hidden, _ = padded()
    mask = torch.ones(3, 5, dtype=torch.long)
    other = hidden.clone()
    other[:, 4] += 1.0
    assert not torch.allclose(head(hidden, mask)[:, 0], head(other, mask)[:, 0])


def test_dropout_acts_while_training_only():
    head = heads()["mlp"]
    _, hidden, mask = padded()
    head.train()
    assert not torch.equal(head(hidden, mask), head(hidden, mask))
    head.eval()
    assert torch.equal(head(hidden, mask), head(hidden, mask))
