"""What the monitor measures equals its definition, and a resumed run measures the same."""

import json
import math

import pytest
import torch
from adapted import adapted, config_of, examples
from torch import nn

from tl import build, optim
from tl.build import Setup
from tl.loop import Trainer
from tl.monitor import Monitor
from tl.optim import ParamGroup
from tl.runs import Run


def stepped(variant, family="bert", **options):
    """A model with gradients, its monitor from before it learned, and its optimizer."""
    model, task = adapted(variant, family, "ner", **options)
    groups = build.param_groups(model, config_of("ner", variant, weight_decay=0.1, **options))
    monitor, optimizer = Monitor(groups), optim.adamw(groups)
    batch = task.collate(examples(task, [5, 2, 7, 3]))
    model.train()

    def step():
        task.loss_sum(model(batch), batch).backward()
        before = monitor.copies()
        measured = monitor.gradients()
        optimizer.step()
        optimizer.zero_grad()
        return measured | monitor.changes(before)

    return model, groups, step


def norm(tensors):
    return math.sqrt(sum(float((x.double() ** 2).sum()) for x in tensors))


@pytest.mark.parametrize("variant", ["full", "lora", "prompt random", "ia3", "features mlp mix"])
def test_it_measures_what_it_says(variant):
    """After two steps, against all weights of a part, one by one."""
    _, groups, step = stepped(variant)
    learns = [p for group in groups for p in group.params]
    first = {p: p.detach().clone() for p in learns}
    step()
    second = {p: p.detach().clone() for p in learns}
    values = step()
    parts = {}
    for group in groups:
        parts.setdefault(group.name.partition("/")[0], []).extend(group.params)
    for part, params in parts.items():
        now = {p: p.detach() for p in params}
        drift = norm(now[p] - first[p] for p in params)
        update = norm(now[p] - second[p] for p in params) / norm(second[p] for p in params)
        assert values[f"update_ratio/{part}"] == pytest.approx(update, rel=1e-4)
        assert values[f"drift/{part}"] == pytest.approx(drift, rel=1e-4)
        start = norm(first[p] for p in params)
        assert values[f"drift_ratio/{part}"] == pytest.approx(drift / start, rel=1e-4)
    assert all(math.isfinite(value) for value in values.values())


def test_gradient_norms_are_those_of_the_groups():
    model, groups, _ = stepped("lora")
    monitor = Monitor(groups)
    for p in model.parameters():
        if p.requires_grad:
            p.grad = torch.randn_like(p)
    expected = {f"grad_norm/{g.name}": norm(p.grad for p in g.params) for g in groups}
    assert monitor.gradients() == pytest.approx(expected, rel=1e-5)


def test_gradient_norms_of_two_layers_counted_by_hand():
    """G1: layers of halves, 3 -> 3 -> 1, an input of ones, the output as the loss.

    The states are 1.5 each and come back with 0.5: gradients are 0.5 nine times, and 1.5 three
    times. What is frozen has no norm, and both together are the norm that is clipped.
    """
    layers = [nn.Linear(3, 3, bias=False), nn.Linear(3, 1, bias=False), nn.Linear(3, 3, bias=False)]
    for layer in layers:
        nn.init.constant_(layer.weight, 0.5)
    layers[2].requires_grad_(False)
    groups = [
        ParamGroup(f"layer{i}", [*layer.parameters()], 1.0, 0.0) for i, layer in enumerate(layers)
    ]
    states = layers[0](layers[2](torch.full((1, 3), 2 / 3)))  # of ones, behind the frozen layer
    for _ in range(2):  # gradients add up over micro-batches
        (layers[1](states).sum() / 2).backward(retain_graph=True)
    found = Monitor(groups).gradients()
    expected = {"grad_norm/layer0": 1.5, "grad_norm/layer1": 3 * math.sqrt(0.75)}
    assert found == pytest.approx(expected, abs=1e-6)
    total = nn.utils.clip_grad_norm_([p for layer in layers for p in layer.parameters()], 1.0)
    assert math.sqrt(sum(x**2 for x in found.values())) == pytest.approx(float(total), abs=1e-6)


def test_gradient_norms_are_of_a_whole_step_before_it_is_clipped(tmp_path):
    """G1: after accumulation, against the gradient of the mean loss over all targets at once."""
    model, task = adapted("lora", "bert", "ner")
    model.double().eval()  # no dropout
    made = examples(task, [5, 2, 7, 3, 9, 4])
    whole = task.collate(made)
    groups = build.param_groups(model, config_of("ner", "lora"))
    learns = [p for group in groups for p in group.params]
    gradients = torch.autograd.grad(task.loss_sum(model(whole), whole) / whole.n_targets, learns)
    of = dict(zip(learns, gradients, strict=True))
    expected = {f"grad_norm/{g.name}": norm(of[p] for p in g.params) for g in groups}
    expected["grad_norm/total"] = norm(gradients)

    config = config_of("ner", "lora", clip=1e-3)
    setup = Setup(config, task, model, "", torch.device("cpu"), torch.float32)
    splits = dict.fromkeys(("train", "validation"), made)
    trainer = Trainer(setup, Run(tmp_path), splits, lambda: False, print, resume=False)
    trainer._step([trainer.collate(indices) for indices in ([0, 1, 2], [3], [4, 5])])
    logged = json.loads(trainer.run.metrics.read_text(encoding="utf-8"))
    found = {name: value for name, value in logged.items() if name.startswith("grad_norm/")}
    assert found == pytest.approx(expected, rel=1e-5)
    assert found["grad_norm/total"] > 1e-3


def test_what_is_held_back_has_drift_zero_and_no_update():
    model, _, step = stepped("full")
    model.backbone.blocks[0].module.requires_grad_(False)
    values = step()
    assert "update_ratio/block00" not in values
    assert "grad_norm/block00" not in values
    assert values["drift/block00"] == 0.0
    assert values["drift/block01"] > 0.0


def test_a_part_that_starts_from_zeros_has_a_drift_but_no_ratio():
    w = nn.Parameter(torch.zeros(3))
    monitor = Monitor([ParamGroup("head", [w], 0.1, 0.0)])
    w.grad = torch.ones(3)
    before = monitor.copies()
    with torch.no_grad():
        w -= 2.0
    assert monitor.changes(before) == {"drift/head": pytest.approx(2 * 3**0.5)}


def test_weights_that_explode_are_left_out():
    w = nn.Parameter(torch.ones(3))
    monitor = Monitor([ParamGroup("head", [w], 0.1, 0.0)])
    w.grad = torch.ones(3)
    before = monitor.copies()
    with torch.no_grad():
        w *= 1e30
    assert monitor.changes(before) == {}


def test_it_copies_what_learns_and_nothing_else():
    model, groups, _ = stepped("lora")
    kept = set(Monitor(groups)._starts)
    assert kept == {p for p in model.parameters() if p.requires_grad}
