"""Gradual unfreezing: layers join from the top down, epoch by epoch."""

import pytest
import torch
from adapted import adapted, examples
from running import trained
from tiny import CONFIGS, GENERATES, tiny_backbone, tiny_network

from tl.backbones.pretrained import cut_network
from tl.strategies.gradual_unfreezing import GradualUnfreezing, Options


def learning_parts(backbone):
    """Names of the parts of which all parameters learn; the rest must be frozen as a whole."""
    found = set()
    for name, modules in backbone.parts():
        flags = {p.requires_grad for module in modules for p in module.parameters()}
        assert len(flags) <= 1, f"{name} learns in part"
        found |= {name} if flags == {True} else set()
    return found


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("per_epoch", [1, 2, 5])
def test_layers_join_from_the_top_and_the_stem_comes_last(family, per_epoch):
    backbone = tiny_backbone(family)
    strategy = GradualUnfreezing(Options(per_epoch=per_epoch))
    strategy.attach(backbone)
    n = len(backbone.blocks)
    above = {"top"} if any(p is not None for m in backbone.top for p in m.parameters()) else set()
    assert learning_parts(backbone) == {"stem", *(f"block{i:02d}" for i in range(n)), *above}
    for epoch in range(8):
        strategy.start_epoch(epoch, backbone)
        joined = min(n, (epoch + 1) * per_epoch)
        expected = {f"block{i:02d}" for i in range(n - joined, n)} | above
        if epoch * per_epoch >= n:
            expected.add("stem")
        assert learning_parts(backbone) == expected, epoch


@pytest.mark.parametrize("family", ["gpt2", "t5", "bart"])
def test_an_embedding_that_is_the_output_too_waits_with_the_stem(family):
    backbone = cut_network(tiny_network(family, generates=True), GENERATES)
    strategy = GradualUnfreezing(Options(per_epoch=1))
    strategy.attach(backbone)
    embedding = backbone.embedding.weight
    assert embedding is backbone.model.get_output_embeddings().weight
    flags = []
    for epoch in range(len(backbone.blocks) + 1):
        strategy.start_epoch(epoch, backbone)
        flags.append(embedding.requires_grad)
    assert flags == [False] * len(backbone.blocks) + [True]


def test_what_waits_stays_bit_equal():
    model, task = adapted("gradual_unfreezing", "bert", "ner")  # one layer an epoch
    model.adaptor.start_epoch(0, model.backbone)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    batch = task.collate(examples(task, [5, 3]))
    for _ in range(2):
        task.loss_sum(model(batch), batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if "layer.1." in n or n.startswith("heads.")}


def test_rates_fall_by_depth():
    strategy = GradualUnfreezing(Options(decay=0.5))
    assert [strategy.learning_rate(depth, 5, 1.0) for depth in (4, 3, 0)] == [1.0, 0.5, 0.0625]


def test_at_the_end_of_a_run_all_has_moved(basic, tmp_path):
    """The file of what was learned holds every layer, those that joined late too."""
    from safetensors.torch import load_file

    words = [*basic, "--strategy", "gradual_unfreezing", "--strategy.per-epoch", "1"]
    words += ["--lr", "3e-2"]
    short = trained([*words, "--epochs", "1"], tmp_path / "one")
    whole = trained([*words, "--epochs", "6"], tmp_path / "six")
    assert whole.read_result()["best_epoch"] > 2  # the lowest layer had joined
    one, six = load_file(short.learned), load_file(whole.learned)
    assert one.keys() == six.keys()
    lowest = [name for name in one if "layer.0." in name and "query.weight" in name]
    assert lowest
    assert not torch.equal(one[lowest[0]], six[lowest[0]])
