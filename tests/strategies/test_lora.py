"""LoRA: the equation of the paper, its start, and what it may be wrapped around."""

import math

import pytest
import torch
from adapted import adapted, config_of, examples
from tiny import CONFIGS, tiny_backbone
from torch import nn

from tl import build
from tl.strategies.lora import DoRALinear, LoRA, LoRALinear, Options, row_norms

FAMILIES = list(CONFIGS)


def attached(family, **options):
    backbone = tiny_backbone(family)
    strategy = LoRA(Options(**options))
    strategy.check(backbone)
    strategy.attach(backbone)
    return backbone


def test_lora_computes_equation_3():
    torch.manual_seed(0)
    frozen = nn.Linear(5, 7).double()
    layer = LoRALinear(frozen, r=3, alpha=6.0)
    nn.init.normal_(layer.B)
    x = torch.randn(2, 4, 5, dtype=torch.float64)
    expected = torch.zeros(2, 4, 7, dtype=torch.float64)
    for b in range(2):
        for t in range(4):
            for i in range(7):
                h = frozen.bias[i].item()
                for j in range(5):
                    ba = sum(layer.B[i, k].item() * layer.A[k, j].item() for k in range(3))
                    h += (frozen.weight[i, j].item() + 6.0 / 3 * ba) * x[b, t, j].item()
                expected[b, t, i] = h
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_before_the_first_step_it_is_the_frozen_layer_to_the_last_bit():
    frozen = nn.Linear(5, 7)
    x = torch.randn(3, 5)
    assert torch.equal(LoRALinear(frozen, r=3, alpha=6.0)(x), frozen(x))


def test_a_starts_with_the_documented_deviation_and_b_at_zero():
    torch.manual_seed(0)
    d_in = 300
    layer = LoRALinear(nn.Linear(d_in, 200), r=100, alpha=1.0)
    assert torch.equal(layer.B, torch.zeros(200, 100))
    # 30,000 draws: the sample's deviation is within 2% of the distribution's, far beyond 5 σ.
    assert layer.A.std().item() == pytest.approx(1 / math.sqrt(3 * d_in), rel=0.02)
    assert layer.A.abs().max().item() <= 1 / math.sqrt(d_in)
    assert layer.A.mean().item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("r", [1, 5])
def test_ranks_up_to_the_smaller_side_are_allowed(r):
    assert LoRALinear(nn.Linear(5, 7), r, alpha=1.0).A.shape == (r, 5)


@pytest.mark.parametrize("shape", [(5, 7), (7, 5)])
@pytest.mark.parametrize("r", [-1, 0, 6])
def test_other_ranks_are_refused(r, shape):
    with pytest.raises(ValueError, match=rf"1\.\.5 for a layer {shape[0]}->{shape[1]}, got {r}"):
        LoRALinear(nn.Linear(*shape), r, alpha=1.0)


def test_a_rank_too_large_for_a_narrow_value_projection_is_refused():
    """Llama's grouped keys and values have 8 rows here: rank 9 fits the query, not the value."""
    attached("llama", r=8)
    with pytest.raises(ValueError, match=r"1\.\.8 for a layer 16->8, got 9"):
        attached("llama", r=9)


def test_only_a_and_b_learn():
    layer = LoRALinear(nn.Linear(5, 7), r=2, alpha=1.0)
    learns = {name for name, p in layer.named_parameters() if p.requires_grad}
    assert learns == {"A", "B"}
    layer(torch.randn(3, 5)).sum().backward()
    assert layer.frozen.weight.grad is None
    assert layer.frozen.bias.grad is None


def test_dropout_is_on_the_low_rank_path_only():
    torch.manual_seed(0)
    frozen = nn.Linear(5, 7)
    layer = LoRALinear(frozen, r=2, alpha=1.0, dropout=0.5).train()
    x = torch.randn(64, 5)
    assert torch.equal(layer(x), frozen(x))  # B = 0: whatever is dropped, the frozen path is whole
    nn.init.normal_(layer.B)
    assert not torch.allclose(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_dropout_falls_on_the_input_of_the_low_rank_path():
    """With one input, dropping it silences the update; keeping it doubles it."""
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(1, 7), r=1, alpha=1.0, dropout=0.5)
    nn.init.normal_(layer.B)
    x = torch.ones(50, 1)
    full = layer.eval()(x) - layer.frozen(x)
    update = layer.train()(x) - layer.frozen(x)
    shares = (update / full).round(decimals=4)
    assert {tuple(row) for row in shares.abs().tolist()} == {(0.0,) * 7, (2.0,) * 7}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "targets", [("query", "value"), ("ffn_out",), ("key", "attention_out", "ffn_in"), ("all",)]
)
def test_the_targets_are_wrapped_in_every_layer_and_nothing_else(family, targets):
    backbone = attached(family, r=2, targets=targets)
    n_expected = 0
    for block in backbone.blocks:
        for name, slot in block.projections().items():
            expected = targets == ("all",) or name.removeprefix("cross.") in targets
            assert isinstance(slot.module, LoRALinear) == expected, name
            n_expected += expected
    assert sum(isinstance(module, LoRALinear) for module in backbone.modules()) == n_expected


@pytest.mark.parametrize("family", ["mt5", "bart", "encoder-decoder"])
def test_cross_attention_can_be_adapted_alone(family):
    backbone = attached(family, r=2, targets=("cross.query",))
    wrapped = {
        name
        for block in backbone.blocks
        for name, slot in block.projections().items()
        if isinstance(slot.module, LoRALinear)
    }
    assert wrapped == {"cross.query"}


def test_chosen_layers_without_the_target_are_refused():
    strategy = LoRA(Options(targets=("cross.query",), layers=(0,)))
    with pytest.raises(ValueError, match="none of the chosen layers has one"):
        strategy.check(tiny_backbone("mt5"))


def test_a_target_given_twice_is_wrapped_once():
    backbone = attached("bert", r=2, targets=("query", "query"))
    assert type(backbone.blocks[0].attention.query.module.frozen) is nn.Linear


def test_a_misspelt_target_is_answered_with_the_right_one():
    strategy = LoRA(Options(targets=("query", "valeu")))
    with pytest.raises(ValueError, match=r"unknown LoRA target 'valeu'\. Did you mean 'value'\?"):
        strategy.check(tiny_backbone("bert"))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pretrained_weights_are_not_copied(family):
    plain = tiny_backbone(family)
    before = {p.data_ptr() for p in plain.parameters()}
    strategy = LoRA(Options(r=2))
    strategy.attach(plain)
    frozen = {p.data_ptr() for p in plain.parameters() if not p.requires_grad}
    assert frozen == before


def wild(kind, dtype=torch.float64, bias=True, **options):
    """A wrapped layer whose A and B are far from their start."""
    torch.manual_seed(0)
    layer = kind(nn.Linear(5, 7, bias=bias), r=2, alpha=3.0, **options).to(dtype)
    nn.init.normal_(layer.A)
    nn.init.normal_(layer.B)
    return layer.eval()


@pytest.mark.parametrize("r", [1, 4, 9])
def test_rslora_divides_by_the_root_of_the_rank(r):
    frozen = nn.Linear(16, 16)
    assert LoRALinear(frozen, r, 6.0, rslora=True).scale == 6.0 / r**0.5
    assert LoRALinear(frozen, r, 6.0).scale == 6.0 / r


@pytest.mark.parametrize("bias", [True, False])
def test_dora_gives_each_row_its_own_norm(bias):
    """Eq. 5, a row at a time."""
    layer = wild(DoRALinear, bias=bias)
    nn.init.normal_(layer.magnitude)
    x = torch.randn(4, 5).double()
    expected = torch.zeros(4, 7).double()
    for row in range(7):
        direction = layer.frozen.weight[row] + 1.5 * layer.B[row] @ layer.A
        weight = layer.magnitude[row] * direction / direction.norm()
        expected[:, row] = x @ weight + (layer.frozen.bias[row] if bias else 0)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_dora_starts_as_the_pretrained_layer():
    torch.manual_seed(0)
    frozen = nn.Linear(5, 7)
    layer = DoRALinear(frozen, r=2, alpha=3.0)
    assert torch.equal(layer.magnitude, frozen.weight.norm(dim=1))
    x = torch.randn(4, 5)
    torch.testing.assert_close(layer(x), frozen(x), rtol=1e-6, atol=1e-6)


def test_the_norm_of_dora_is_a_constant_for_the_gradient():
    """§4.3: ∇_V = m/‖V‖·∇_W, without the projection that the norm would add."""
    layer = wild(DoRALinear, bias=False)
    x = torch.randn(4, 5).double()
    layer(x).square().sum().backward()
    with torch.no_grad():
        direction = layer.frozen.weight + 1.5 * layer.B @ layer.A
        norm = direction.norm(dim=1)
        factor = (layer.magnitude / norm).unsqueeze(1)
        of_weight = 2 * (x @ (factor * direction).T).T @ x  # ∂Σh²/∂W
        torch.testing.assert_close(layer.B.grad, 1.5 * (factor * of_weight) @ layer.A.T)
        of_magnitude = (of_weight * direction).sum(dim=1) / norm
        torch.testing.assert_close(layer.magnitude.grad, of_magnitude)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("kind", [LoRALinear, DoRALinear])
def test_a_merged_layer_computes_the_same(kind, dtype, close, bias):
    layer = wild(kind, dtype, bias)
    x = torch.randn(4, 5).to(dtype)
    merged = layer.merged()
    assert type(merged) is nn.Linear
    torch.testing.assert_close(merged(x), layer(x), rtol=close, atol=close)


def test_a_hundred_merges_leave_the_pretrained_weight_as_it_was():
    layer = wild(LoRALinear, torch.float32)
    before = layer.frozen.weight.clone()
    for _ in range(100):
        layer.merged()
    assert torch.equal(layer.frozen.weight, before)


def test_a_frozen_layer_in_bfloat16_merges_in_single_precision():
    layer = LoRALinear(nn.Linear(5, 7).to(torch.bfloat16), r=2, alpha=3.0).float()
    layer.frozen.to(torch.bfloat16)
    assert layer.merged().weight.dtype == torch.float32


def test_lora_plus_gives_b_a_rate_of_its_own():
    """The peers' four groups: A and B apart, the head as ever; nothing twice."""
    model, _ = adapted("lora fast B", "bert", "ner")
    config = config_of("ner", "lora fast B", lr=1e-3)
    groups = {group.name: group for group in build.param_groups(model, config)}
    names = {id(p): name for name, p in model.named_parameters()}
    for name, group in groups.items():
        found = {names[id(p)].rpartition(".")[2] for p in group.params}
        if name == "block01/B":
            assert found == {"B"}
            assert group.lr == 4e-3
        elif name == "block01":
            assert found == {"A"}
            assert group.lr == 1e-3
        else:
            assert name.startswith("head")
            assert group.lr == 1e-3
    assert "block01/B" in groups


def test_dora_of_a_row_of_zeros_is_finite():
    linear = nn.Linear(5, 3)
    with torch.no_grad():
        linear.weight[1] = 0
    x = torch.randn(2, 5)
    layer = DoRALinear(linear, 2, 4.0)
    torch.testing.assert_close(layer(x), linear(x))
    torch.testing.assert_close(layer.merged()(x), linear(x))


def test_doras_norm_is_computed_in_the_precision_of_what_learns():
    torch.manual_seed(0)
    layer = DoRALinear(nn.Linear(64, 32), 8, 16.0)
    nn.init.normal_(layer.B)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.merged_weight(), layer.merged().weight)
    exact = layer.merged_weight()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer.merged_weight(), exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("stored", [True, False])
def test_dora_starts_at_exactly_one_whatever_frozen_weights_are_stored_in(stored):
    """‖V‖ is that of the weights that m was taken of; and storing them changes no number."""
    model, task = adapted("dora", "bert", "classification")
    if stored:
        model.store_frozen(torch.bfloat16)
    layers = [m for m in model.modules() if isinstance(m, DoRALinear)]
    assert layers
    for layer in layers:
        direction = LoRALinear.merged_weight(layer)  # V
        assert torch.equal(layer.magnitude, row_norms(direction))
    others = [m for m in model.backbone.modules() if type(m) is nn.Linear]
    assert stored == any(m.weight.dtype == torch.bfloat16 for m in others)
    batch = task.collate(examples(task, [5, 9]))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        logits = model.eval()(batch)
        plain, _ = adapted("dora", "bert", "classification")
        assert torch.equal(logits, plain.eval()(batch))


def test_doras_factor_is_not_rounded_to_half_precision():
    torch.manual_seed(0)
    layer = DoRALinear(nn.Linear(16, 8, bias=False), r=2, alpha=4.0)
    with torch.no_grad():
        layer.magnitude.mul_(factor := 1 + 3 * 2**-9)  # bfloat16 has 1 and 1 + 4·2⁻⁹ beside it
    x = torch.randn(64, 16)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        plain, scaled = layer.frozen(x), layer(x)
    assert torch.equal(scaled, (factor * plain.float()).bfloat16())
