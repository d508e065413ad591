"""BitFit: what is a bias learns, and nothing else."""

import pytest
from adapted import WITHOUT_BIAS, adapted, examples
from tiny import CONFIGS, tiny_backbone
from torch import nn

from tl.strategies.bitfit import BitFit, Options

BIASED = [family for family in CONFIGS if family not in WITHOUT_BIAS]


def attached(family):
    backbone = tiny_backbone(family)
    strategy = BitFit(Options())
    strategy.check(backbone)
    strategy.attach(backbone)
    return backbone, strategy


@pytest.mark.parametrize("family", BIASED)
def test_what_learns_are_the_additive_vectors_of_linear_layers_and_norms(family):
    backbone, _ = attached(family)
    kinds = (nn.Linear, nn.LayerNorm, nn.Conv1d)
    expected = {m.bias for m in backbone.modules() if isinstance(m, kinds) and m.bias is not None}
    assert {p for p in backbone.parameters() if p.requires_grad} == expected


@pytest.mark.parametrize("family", WITHOUT_BIAS)
def test_a_family_without_biases_is_refused(family):
    with pytest.raises(ValueError, match="has none; try lora, ia3 or adapter"):
        attached(family)


def key_gradients(family):
    """The gradients of the keys' biases, and the largest one of the other biases."""
    model, task = adapted("bitfit", family, "classification")
    model.double().eval()
    batch = task.collate(examples(task, [5, 4]))
    task.loss_sum(model(batch), batch).backward()
    attentions = [a for block in model.backbone.blocks for a in block.attentions().values()]
    keys = [a.key.module.bias.grad for a in attentions if a.key.module.bias is not None]
    others = [a.value.module.bias.grad.abs().max() for a in attentions]
    return keys, min(others)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "bart", "encoder-decoder"])
def test_biases_of_keys_cannot_learn_and_a_note_says_so(family):
    keys, others = key_gradients(family)
    assert keys
    assert all(gradient.abs().max() < 1e-12 < 1e-6 < others for gradient in keys)
    backbone, strategy = attached(family)
    (note,) = strategy.notes(backbone)
    n_dead = sum(gradient.numel() for gradient in keys)
    assert note.startswith(f"{n_dead:,} of the biases, those of {len(keys)} key projections")


@pytest.mark.parametrize("family", ["deberta-v2", "qwen2"])
def test_where_positions_meet_keys_their_biases_learn(family):
    keys, _ = key_gradients(family)
    assert all(gradient.abs().max() > 1e-9 for gradient in keys)
    backbone, strategy = attached(family)
    assert strategy.notes(backbone) == []


def test_the_note_is_shown_before_training(basic, here, capsys):
    import train

    assert train.main([*basic, "--strategy", "bitfit", *here]) == 0
    assert "note: 32 of the biases, those of 2 key projections" in capsys.readouterr().err


def test_weights_of_norms_stay():
    backbone, _ = attached("bert")
    assert not any(norm.weight.requires_grad for norm in backbone.norms)
    assert all(norm.bias.requires_grad for norm in backbone.norms)
