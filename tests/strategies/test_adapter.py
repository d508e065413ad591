"""Adapters: the equation of each placement, and what learns beside them."""

import math

import pytest
import torch
from tiny import CONFIGS, tiny_backbone
from torch import nn

from tl.strategies.adapter import Adapter, Bottleneck, Options, Parallel, Serial

FAMILIES = list(CONFIGS)
IDS = torch.randint(4, 50, (2, 6), generator=torch.Generator().manual_seed(0))
INPUTS = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}


def attached(family, **options):
    backbone = tiny_backbone(family)
    strategy = Adapter(Options(**({"size": 4} | options)))
    strategy.check(backbone)
    strategy.attach(backbone)
    return backbone


def stir(module):
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if ".adapter." in name or name.startswith(("up.", "down.")):
                parameter.normal_()


def plain(adapter, x):
    """s·(W_up·gelu(W_down·x + b_down) + b_up), number by number."""
    rows = []
    for row in x.flatten(0, -2).tolist():
        inner = []
        for weights, bias in zip(adapter.down.weight.tolist(), adapter.down.bias, strict=True):
            a = sum(w * value for w, value in zip(weights, row, strict=True)) + bias.item()
            inner.append(a * 0.5 * (1 + math.erf(a / math.sqrt(2))))
        outer = []
        for weights, bias in zip(adapter.up.weight.tolist(), adapter.up.bias, strict=True):
            outer.append(sum(w * a for w, a in zip(weights, inner, strict=True)) + bias.item())
        rows.append([adapter.scale * value for value in outer])
    return torch.tensor(rows, dtype=x.dtype).view(x.shape)


@pytest.fixture
def adapter():
    made = Bottleneck(5, 3, init_std=1e-3, scale=4.0).double()
    stir(made)
    return made


X = torch.randn(2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_the_bottleneck_computes_its_equation(adapter):
    torch.testing.assert_close(adapter(X), plain(adapter, X), rtol=1e-12, atol=1e-12)


def test_a_serial_adapter_works_on_what_the_sublayer_returns(adapter):
    sublayer = nn.Linear(5, 5).double()
    h = sublayer(X)
    expected = h + plain(adapter, h)
    torch.testing.assert_close(Serial(sublayer, adapter)(X), expected, rtol=1e-12, atol=1e-12)


def test_a_parallel_adapter_works_on_what_the_sublayer_gets(adapter):
    sublayer = nn.Linear(5, 5).double()
    expected = sublayer(X) + plain(adapter, X)
    torch.testing.assert_close(Parallel(sublayer, adapter)(X), expected, rtol=1e-12, atol=1e-12)


def test_both_matrices_start_truncated_near_zero_and_biases_at_zero():
    torch.manual_seed(0)
    made = Bottleneck(200, 150, init_std=0.01, scale=1.0)
    for linear in (made.down, made.up):
        assert torch.equal(linear.bias, torch.zeros_like(linear.bias))
        # A normal cut at ±2σ keeps 0.8796 of its deviation.
        assert linear.weight.std().item() == pytest.approx(0.8796 * 0.01, rel=0.02)
        assert 0.0195 < linear.weight.abs().max().item() <= 0.02


def test_a_bottleneck_has_2dm_plus_d_plus_m_parameters():
    made = Bottleneck(d=11, size=3, init_std=1e-3, scale=1.0)
    assert sum(p.numel() for p in made.parameters()) == 2 * 11 * 3 + 11 + 3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("placement", "at_attention", "at_ffn"),
    [("houlsby", Serial, Serial), ("pfeiffer", None, Serial), ("parallel", None, Parallel)],
)
def test_each_placement_puts_its_adapters_where_its_paper_has_them(
    family, placement, at_attention, at_ffn
):
    backbone = attached(family, placement=placement)
    for block in backbone.blocks:
        wrappers = (Serial, Parallel)
        exit_type, ffn_type = type(block.attention.exit.module), type(block.ffn.module)
        assert ffn_type is at_ffn
        assert (exit_type if exit_type in wrappers else None) is at_attention
    n_adapters = sum(isinstance(module, Bottleneck) for module in backbone.modules())
    assert n_adapters == len(backbone.blocks) * (2 if placement == "houlsby" else 1)


def run_block(family, placement):
    """Run an adapted network; returns what the lowest FFN got, and what entered its adapter."""
    backbone = attached(family, placement=placement)
    stir(backbone)
    wrapper = backbone.blocks[0].ffn.module
    seen = {}

    def record(name):
        def hook(module, arguments, output):
            seen[name] = (arguments[0], output)

        return hook

    wrapper.sublayer.register_forward_hook(record("ffn"))
    wrapper.adapter.register_forward_hook(record("adapter"))
    wrapper.register_forward_hook(record("sum"))
    with torch.no_grad():
        backbone(backbone.complete(INPUTS))
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parallel_adapter_sees_the_input_of_the_ffn(family):
    seen = run_block(family, "parallel")
    assert torch.equal(seen["adapter"][0], seen["ffn"][0])
    torch.testing.assert_close(seen["sum"][1], seen["ffn"][1] + seen["adapter"][1])


@pytest.mark.parametrize("placement", ["houlsby", "pfeiffer"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_serial_adapter_sees_the_output_of_the_ffn(family, placement):
    seen = run_block(family, placement)
    assert torch.equal(seen["adapter"][0], seen["ffn"][1])
    torch.testing.assert_close(seen["sum"][1], seen["ffn"][1] + seen["adapter"][1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_attention_adapter_comes_before_the_residual_sum(family):
    """What the adapter of a pre-norm or post-norm block returns is added to the block's input."""
    post_norm = family in (
        "bert",
        "roberta",
        "xlm-roberta",
        "deberta-v2",
        "bart",
        "encoder-decoder",
    )
    backbone = attached(family, placement="houlsby")
    stir(backbone)
    block = backbone.blocks[0]
    seen = {}
    block.attention.exit.module.register_forward_hook(lambda m, x, y: seen.update(exit=y))
    block.module.register_forward_pre_hook(lambda m, x: seen.update(entered=x[0]))
    # The sum enters the attention's own norm, or else the one before the feed-forward.
    norm = block.norms[0 if post_norm else 1]
    norm.register_forward_pre_hook(lambda m, x: seen.update(sum=x[0]))
    with torch.no_grad():
        backbone(backbone.complete(INPUTS))
    torch.testing.assert_close(seen["sum"], seen["entered"] + seen["exit"])


@pytest.mark.parametrize("family", ["mt5", "bart", "encoder-decoder"])
def test_cross_attention_gets_adapters_where_it_is_asked_for(family):
    backbone = attached(family, cross=True)
    for block in backbone.blocks:
        if block.cross is not None:
            assert type(block.cross.exit.module) is Serial
    n_crossed = sum(block.cross is not None for block in backbone.blocks)
    n_adapters = sum(isinstance(module, Bottleneck) for module in backbone.modules())
    assert n_adapters == 2 * len(backbone.blocks) + n_crossed
    with pytest.raises(ValueError, match=r"belongs to --strategy\.placement"):
        attached(family, cross=True, placement="pfeiffer")
    with pytest.raises(ValueError, match="no chosen layer of this model attends to an encoder"):
        attached(family, cross=True, layers=(0,))


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_can_be_kept_to_some_layers(family):
    backbone = attached(family, layers=(1,), norms=True)
    lower, upper = backbone.blocks[:2]
    assert not any(isinstance(module, Bottleneck) for module in lower.module.modules())
    assert not any(p.requires_grad for p in lower.module.parameters())
    assert any(isinstance(module, Bottleneck) for module in upper.module.modules())
    outside = {p for norm in backbone.norms for p in norm.parameters()}
    assert not any(p.requires_grad for p in outside)


def test_the_order_of_the_layers_does_not_matter_and_none_is_wrapped_twice():
    for layers in ((0, 1), (1, 0), (1, 1, 0)):
        backbone = attached("bert", layers=layers)
        assert sum(isinstance(module, Bottleneck) for module in backbone.modules()) == 4


@pytest.mark.parametrize("layer", [-1, 2])
def test_a_layer_that_the_model_does_not_have_is_refused(layer):
    with pytest.raises(ValueError, match=rf"has layers 0\.\.1, got {layer}"):
        attached("bert", layers=(0, layer))


@pytest.mark.parametrize("norms", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_beside_the_adapters_all_norms_learn_or_none(family, norms):
    backbone = attached(family, norms=norms)
    learns = {name for name, p in backbone.named_parameters() if p.requires_grad}
    beside = {name for name in learns if ".adapter." not in name}
    every_norm = {
        f"{name}.{part}"
        for name, module in backbone.named_modules()
        if "Norm" in type(module).__name__
        for part, _ in module.named_parameters()
    }
    assert every_norm
    assert beside == (every_norm if norms else set())
    assert len(learns) - len(beside) == 4 * 2 * len(backbone.blocks)
