"""(IA)³: three vectors a layer, which can be multiplied into the weights."""

import pytest
import torch
from tiny import CONFIGS, tiny_backbone
from torch import nn

from tl.strategies.ia3 import IA3, Options, ScaledLinear

X = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).double()


def made(*, of_output, bias=True):
    torch.manual_seed(0)
    layer = ScaledLinear(nn.Linear(5, 3, bias=bias).double(), of_output=of_output).double()
    nn.init.normal_(layer.scale)
    return layer


@pytest.mark.parametrize("bias", [True, False])
def test_the_scale_works_on_the_whole_output_or_on_the_input(bias):
    layer = made(of_output=True, bias=bias)
    torch.testing.assert_close(layer(X), layer.frozen(X) * layer.scale)
    layer = made(of_output=False, bias=bias)
    torch.testing.assert_close(layer(X), layer.frozen(X * layer.scale))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("of_output", [True, False])
def test_a_merged_layer_computes_the_same(of_output, bias):
    layer = made(of_output=of_output, bias=bias)
    merged = layer.merged()
    assert type(merged) is nn.Linear
    assert (merged.bias is None) == (not bias)
    torch.testing.assert_close(merged(X), layer(X), rtol=1e-12, atol=1e-12)


def test_in_single_precision_it_does_so_to_a_millionth():
    layer = made(of_output=True).float()
    torch.testing.assert_close(layer.merged()(X.float()), layer(X.float()), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", CONFIGS)
def test_keys_values_and_inner_states_are_scaled_and_nothing_else(family):
    backbone = tiny_backbone(family)
    IA3(Options()).attach(backbone)
    for block in backbone.blocks:
        for name, slot in block.projections().items():
            short = name.removeprefix("cross.")
            assert isinstance(slot.module, ScaledLinear) == (short in ("key", "value", "ffn_out"))
            if isinstance(slot.module, ScaledLinear):
                assert slot.module.of_output == (short != "ffn_out")
    learns = sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    blocks = tiny_backbone(family).blocks
    attentions = [a for block in blocks for a in block.attentions().values()]
    expected = sum(2 * a.n_kv_heads * a.head_width for a in attentions)
    assert learns == expected + sum(block.ffn_out.module.in_features for block in blocks)


@pytest.mark.parametrize("of_output", [True, False])
def test_in_bfloat16_the_layer_answers_in_bfloat16(of_output):
    """Else a query and a key of two types would meet in attention."""
    layer = ScaledLinear(nn.Linear(5, 3).to(torch.bfloat16), of_output=of_output)
    assert layer.scale.dtype == torch.float32
    assert layer(X.to(torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("of_output", [True, False])
def test_the_scale_is_not_rounded_to_half_precision(of_output):
    torch.manual_seed(0)
    layer = ScaledLinear(nn.Linear(5, 3, bias=False), of_output=of_output)
    layer.frozen.to(torch.bfloat16)
    x = torch.randn(64, 5).bfloat16()
    scale = 1 + 3 * 2**-9  # bfloat16 has 1 and 1 + 4·2⁻⁹ beside it
    with torch.no_grad():
        layer.scale.fill_(scale)
        if of_output:
            expected = (scale * layer.frozen(x).float()).bfloat16()
        else:
            expected = layer.frozen((scale * x.float()).bfloat16())
        assert torch.equal(layer(x), expected)
