"""Layer-wise rates: the numbers of ELECTRA's code, and nothing but the rates."""

import pytest
from tiny import CONFIGS, tiny_backbone
from torch import nn

from tl.model import AdaptedModel
from tl.strategies.full import FullFineTuning
from tl.strategies.full import Options as FullOptions
from tl.strategies.layerwise_lr import LayerwiseLR, Options


def rates(family, decay, lr):
    backbone = tiny_backbone(family)
    strategy = LayerwiseLR(Options(decay=decay))
    strategy.attach(backbone)
    model = AdaptedModel(backbone, strategy, {"task": nn.Linear(16, 2)})
    groups = strategy.param_groups(model.places(), lr, weight_decay=0.01)
    return {group.name: group.lr for group in groups}


def test_a_network_of_12_layers_gets_electras_rates():
    strategy = LayerwiseLR(Options(decay=0.8))
    n_parts = 12 + 3  # stem, 12 blocks, top, head
    lr = [strategy.learning_rate(depth, n_parts, 1e-4) for depth in range(n_parts)]
    assert lr[0] == pytest.approx(4.398e-6, rel=1e-4)  # embeddings
    assert lr[1] == pytest.approx(5.498e-6, rel=1e-4)  # layer 0
    assert lr[12] == pytest.approx(6.4e-5, rel=1e-9)  # layer 11
    assert lr[14] == 1e-4  # head


@pytest.mark.parametrize("family", CONFIGS)
def test_a_network_has_the_rates_of_its_depths(family):
    backbone = tiny_backbone(family)
    n = len(backbone.blocks)
    expected = {f"block{i:02d}": 0.5 ** (n + 1 - i) for i in range(n)}
    expected |= {"stem": 0.5 ** (n + 2), "top": 0.5, "head": 1.0}
    found = rates(family, decay=0.5, lr=1.0)
    for name, rate in found.items():
        assert rate == expected[name.partition("/")[0]], name
    parts = {name.partition("/")[0] for name in found}
    topped = any(True for module in backbone.top for _ in module.parameters())
    assert parts == set(expected) - (set() if topped else {"top"})


def test_without_decay_all_rates_are_the_runs_own():
    assert set(rates("gpt2", decay=1.0, lr=3e-4).values()) == {3e-4}


def test_what_learns_is_what_learns_in_full_fine_tuning():
    one, other = tiny_backbone("bert"), tiny_backbone("bert")
    one.requires_grad_(False)
    LayerwiseLR(Options()).attach(one)
    FullFineTuning(FullOptions()).attach(other)
    assert all(p.requires_grad for p in one.parameters())
    assert all(p.requires_grad for p in other.parameters())
