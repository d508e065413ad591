"""A parameter that learns in name only is found; what waits, or is held back, is none.

That no strategy has one, on any family, is among what each owes (`tests/strategies`).
"""

import torch
from adapted import adapted, config_of, examples
from running import FULL, only_run
from torch import nn

import train
from tl import build
from tl.dead import ENOUGH_STEPS, Silence, dead


def listened(model, task, variant, n_steps):
    """What is still silent after so many steps."""
    groups = build.param_groups(model, config_of("ner", variant))
    silence = Silence(groups, {p: name for name, p in model.named_parameters()})
    silent = silence.start()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    batch = task.collate(examples(task, [5, 2, 7, 3]))
    model.train()
    for _ in range(n_steps):
        task.loss_sum(model(batch), batch).backward()
        silence.listen(silent)
        optimizer.step()
        optimizer.zero_grad()
    return silence, silent


def test_one_without_a_gradient_and_one_with_zeros_are_named_by_place():
    model, task = adapted("full", "bert", "ner")
    block = model.backbone.blocks[1]
    block.module.planted = nn.Parameter(torch.ones(2))
    block.ffn_in.module.bias.register_hook(torch.zeros_like)
    silence, silent = listened(model, task, "full", ENOUGH_STEPS)
    found = dead(silent)
    assert [name.partition(":")[0] for name in found] == ["block01", "block01"]
    assert {name.rpartition(".")[2] for name in found} == {"planted", "bias"}
    (note,) = silence.news(silent)
    assert all(name in note for name in found)
    assert "2 of the parameters that are to learn got no gradient" in note
    assert silence.news(silent) == []  # said once


def test_the_matrix_that_waits_for_another_is_not_dead():
    model, task = adapted("lora", "bert", "ner")
    _, after_one = listened(model, task, "lora", 1)
    assert after_one
    assert {name.rpartition(".")[2] for name in after_one} == {"A"}
    assert dead(after_one) == []


def test_what_is_held_back_is_not_dead():
    model, task = adapted("full", "bert", "ner")
    every = {p: name for name, p in model.named_parameters()}
    silence = Silence(build.param_groups(model, config_of("ner", "full")), every)
    model.backbone.blocks[0].module.requires_grad_(False)
    silent = silence.start()
    batch = task.collate(examples(task, [5, 2, 7, 3]))
    for _ in range(ENOUGH_STEPS + 1):
        task.loss_sum(model(batch), batch).backward()
        silence.listen(silent)
    assert silent
    assert set(silent.values()) == {0}
    assert dead(silent) == []


def test_a_run_says_so_and_keeps_it(basic, here, tmp_path, monkeypatch, capsys):
    """Planted where families are cut, as a pooling layer that nobody reads would be."""
    adapt = build.adapt

    def planted(backbone, config, task):
        backbone.blocks[0].module.unused = nn.Linear(4, 4)
        return adapt(backbone, config, task)

    monkeypatch.setattr(build, "adapt", planted)
    assert train.main([*basic, *FULL, *here]) == 0
    places = [f"block00: backbone.model.encoder.layer.0.unused.{n}" for n in ("weight", "bias")]
    assert only_run(tmp_path / "runs").read_result()["dead_parameters"] == places
    message = capsys.readouterr().err
    assert message.count("got no gradient in any step so far") == 1
    assert all(place in message for place in places)
