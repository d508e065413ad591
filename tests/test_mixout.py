"""Mixout: its equation, what it is where nothing moved, and where it is put."""

import pytest
import torch
import torch.nn.functional as F
from adapted import VARIANTS, adapted, config_of, examples, task_of
from running import equal_bits, trained
from tiny import CONFIGS, tiny_backbone
from torch import nn

import eval
from tl import build
from tl.mixout import MixoutLinear, mix

FORMS = ["column", "element"]
STARTS = {"column": (5,), "element": (3, 5)}  # the shape of a draw


def moved(p, form):
    """A layer [3, 5] whose weights lie beside its pretrained ones; float64."""
    torch.manual_seed(0)
    layer = MixoutLinear(nn.Linear(5, 3).double(), p, form)
    with torch.no_grad():
        layer.weight.add_(torch.randn(3, 5, dtype=torch.float64))
    return layer


def draw(layer):
    """The mask that the next call will draw."""
    state = torch.get_rng_state()
    mask = torch.empty(STARTS[layer.form]).bernoulli_(1 - layer.p)
    torch.set_rng_state(state)
    return mask


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p", [0.3, 0.9])
def test_it_is_the_equation_of_the_paper(p, form):
    layer = moved(p, form)
    for _ in range(5):
        m, w, w0 = draw(layer), layer.weight, layer.pretrained
        expected = ((1 - m) * w0 + m * w - p * w0) / (1 - p)
        torch.testing.assert_close(layer.mixed(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_its_mean_over_draws_is_the_weight(form):
    layer = moved(0.7, form)
    with torch.no_grad():
        mean = sum(layer.mixed() for _ in range(20_000)) / 20_000
    # a draw deviates by |w − w₀|·√(p/(1−p)) ≈ 1.5·|w − w₀|
    spread = (layer.weight - layer.pretrained).abs() * (0.7 / 0.3) ** 0.5 / 20_000**0.5
    assert ((mean - layer.weight).abs() <= 5 * spread).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_that_has_not_moved_stays_exactly(form):
    layer = MixoutLinear(nn.Linear(5, 3), 0.7, form)
    for _ in range(5):
        assert torch.equal(layer.mixed(), layer.pretrained)


@pytest.mark.parametrize("form", FORMS)
def test_with_p_zero_and_in_evaluation_it_is_the_plain_layer(form):
    x = torch.randn(4, 5, dtype=torch.float64)
    without, evaluated = moved(0.0, form), moved(0.7, form).eval()
    for layer in (without, evaluated):
        plain = F.linear(x, layer.weight, layer.bias)
        torch.testing.assert_close(layer(x), plain, rtol=1e-12, atol=1e-12)
    assert torch.equal(evaluated(x), F.linear(x, evaluated.weight, evaluated.bias))


def test_toward_zero_it_is_dropout_of_the_inputs():
    layer = moved(0.4, "column")
    layer.pretrained.zero_()
    x, m = torch.randn(4, 5, dtype=torch.float64), draw(layer)
    dropped = F.linear(x * m / 0.6, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), dropped, rtol=1e-12, atol=1e-12)


def test_a_column_is_replaced_as_a_whole_and_an_element_alone():
    column, element = moved(0.5, "column"), moved(0.5, "element")
    back = [(layer.mixed() == layer.pretrained) for layer in (column, element)]
    assert all(len(set(col.tolist())) == 1 for col in back[0].T)
    assert any(len(set(col.tolist())) == 2 for col in back[1].T)
    assert 0 < back[0].sum() < 15


@pytest.mark.parametrize("family", CONFIGS)
def test_it_goes_into_every_learning_projection_of_a_family(family):
    model, _ = adapted("full", family, "ner", mixout=0.5)
    for block in model.backbone.blocks:
        for slot in block.projections().values():
            assert isinstance(slot.module, MixoutLinear)
    assert not any(isinstance(m, MixoutLinear) for m in model.heads.modules())
    plain, _ = adapted("full", family, "ner")
    assert model.learned().keys() == plain.learned().keys()


@pytest.mark.parametrize("family", CONFIGS)
def test_it_acts_in_training_only(family):
    model, task = adapted("full", family, "ner", mixout=0.5, seed=1)
    plain, _ = adapted("full", family, "ner", seed=1)
    batch = task.collate(examples(task, [5, 3]))
    with torch.no_grad():
        for one, other in zip(model.parameters(), plain.parameters(), strict=True):
            one += 0.1
            other += 0.1
        assert torch.equal(model.eval()(batch), plain.eval()(batch))
        assert not torch.equal(model.train()(batch), model(batch))


def test_new_and_frozen_layers_are_left_alone():
    backbone = tiny_backbone("bert")
    pretrained = set(backbone.parameters())
    backbone.blocks[0].ffn_in.module.requires_grad_(False)
    backbone.blocks[1].ffn_in.replace(nn.Linear(16, 32))
    n_linear = sum(isinstance(m, nn.Linear) for m in backbone.modules())
    assert mix(backbone, pretrained, 0.5, "column") == n_linear - 2
    assert not any(isinstance(block.ffn_in.module, MixoutLinear) for block in backbone.blocks)


def test_gradient_checkpointing_repeats_the_draw():
    gradients = []
    for checkpointing in (False, True):
        config = config_of("ner", "full", mixout=0.5)
        task, backbone = task_of(config), tiny_backbone("bert")
        if checkpointing:
            backbone.checkpoint_activations()
        model = build.adapt(backbone, config, task).train()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1
        torch.manual_seed(0)
        batch = task.collate(examples(task, [5, 3]))
        task.loss_sum(model(batch), batch).backward()
        gradients.append([p.grad for p in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_a_run_with_mixout_repeats_and_can_be_evaluated(basic, tmp_path):
    words = [*basic, "--strategy", "full", "--mixout", "0.5"]
    one, other = (trained(words, tmp_path / name) for name in "ab")
    assert equal_bits(one, other)
    assert not equal_bits(one, trained(words[:-2], tmp_path / "without"))
    assert eval.main([str(one.path)]) == 0


FROZEN = [v for v in VARIANTS if v not in ("full", "layerwise_lr", "gradual_unfreezing")]


@pytest.mark.parametrize("options", [{"mixout": 0.5}, {"decay_toward": "pretrained"}], ids=str)
@pytest.mark.parametrize("variant", FROZEN)
def test_it_is_refused_where_no_pretrained_matrix_learns(variant, options):
    config = config_of("ner", variant, **options)
    with pytest.raises(ValueError, match="keeps those frozen"):
        build.adapt(tiny_backbone("bert"), config, task_of(config))
