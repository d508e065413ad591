"""Feature extraction: fixed features, mixed as in ELMo, and three heads over them."""

import math

import pytest
import torch
from adapted import adapted, examples
from tiny import CONFIGS

from tl.heads import Contextualize
from tl.strategies.feature_extraction import ScalarMix

FAMILIES = list(CONFIGS)
MIXED = ("features linear mix", "features mlp mix", "features transformer mix")
ALL = (*MIXED, *(variant.replace("mix", "last") for variant in MIXED))


def test_the_mix_computes_equation_1():
    torch.manual_seed(0)
    mix = ScalarMix(3).double()
    with torch.no_grad():
        mix.s.copy_(torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64))
        mix.gamma.fill_(1.7)
    states = tuple(torch.randn(2, 2, 4, dtype=torch.float64) for _ in range(3))
    total = sum(math.exp(s) for s in (0.3, -1.0, 2.0))
    expected = torch.zeros(2, 2, 4, dtype=torch.float64)
    for s, state in zip((0.3, -1.0, 2.0), states, strict=True):
        expected += 1.7 * math.exp(s) / total * state
    torch.testing.assert_close(mix(states), expected, rtol=1e-12, atol=1e-12)


def test_the_mix_starts_as_the_mean():
    states = tuple(torch.randn(2, 5, 4) for _ in range(4))
    torch.testing.assert_close(ScalarMix(4)(states), torch.stack(states).mean(dim=0))


def test_a_mix_of_another_number_of_states_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        ScalarMix(3)((torch.zeros(1), torch.zeros(1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_mix_takes_the_embeddings_and_every_layer(family):
    model, task = adapted("features linear mix", family, "ner")
    inputs = task.collate(examples(task, [5, 3])).inputs
    states = model.read(inputs, output_hidden_states=True).hidden_states
    assert model.adaptor.mix.s.shape == (len(states),) == (model.backbone.n_states,)
    for j, state in enumerate(states):
        with torch.no_grad():  # all weight on one state
            model.adaptor.mix.s.fill_(-100.0)
            model.adaptor.mix.s[j] = 100.0
        seen = model.adaptor.after(model.read(inputs))
        torch.testing.assert_close(seen, state)


@pytest.mark.parametrize("variant", ALL)
@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_the_same_at_every_training_step(family, variant):
    """A dropout inside the frozen backbone would make noise of what should be features."""
    model, task = adapted(variant, family, "classification")
    inputs = task.collate(examples(task, [5, 3])).inputs
    model.train()
    one, other = (model.adaptor.after(model.read(inputs)) for _ in range(2))
    assert torch.equal(one, other)
    assert model.heads.training
    model.eval()
    model.train()
    assert not any(module.training for module in model.backbone.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_features_carry_no_graph_into_the_backbone(family):
    model, task = adapted("features mlp last", family, "classification")
    output = model.read(task.collate(examples(task, [5, 3])).inputs)
    assert not output.last_hidden_state.requires_grad


@pytest.mark.parametrize("task_name", ["classification", "ner"])
def test_the_transformer_head_sees_tokens_not_a_pooled_vector(task_name):
    model, task = adapted("features transformer last", "bert", task_name)
    (layer,) = [module for module in model.heads.modules() if isinstance(module, Contextualize)]
    shapes = []
    layer.register_forward_pre_hook(lambda module, arguments: shapes.append(arguments[0].shape))
    model(task.collate(examples(task, [5, 3, 4])))
    assert shapes == [(3, 5, 16)]


def test_the_transformer_head_lets_tokens_see_each_other():
    """Features are fixed, so only the head can carry what changed at one token to another."""
    model, _ = adapted("features transformer last", "bert", "ner")
    linear, _ = adapted("features linear last", "bert", "ner")
    hidden = torch.randn(1, 4, 16)
    changed = hidden.clone()
    changed[0, 3] += 1
    mask = torch.ones(1, 4)
    for adapted_model, sees in ((model, True), (linear, False)):
        head = adapted_model.eval().heads["ner"]
        difference = (head(hidden, mask) - head(changed, mask))[0, 0].abs().max().item()
        assert (difference > 1e-6) == sees


@pytest.mark.parametrize(
    ("variant", "n_weights"),
    [
        ("features linear last", 16 * 3 + 3),
        ("features linear mix", 16 * 3 + 3 + 2 + 1 + 1),  # s for 2 layers and the embeddings; γ
        ("features mlp last", 16 * 16 + 16 + 16 * 3 + 3),
    ],
)
def test_only_the_head_and_the_mix_learn(variant, n_weights):
    model, _ = adapted(variant, "bert", "classification")
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == n_weights
