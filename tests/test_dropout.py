"""`--dropout`: what it is in every family, and where it is refused."""

import dataclasses

import pytest
import torch
from adapted import config_of, task_of
from running import FULL, refused, trained
from tiny import CONFIGS, GENERATES, save_model, tiny_backbone
from torch import nn

from tl import build
from tl.backbones import llama, pretrained
from tl.backbones.pretrained import Form

ALIKE = ("roberta", "xlm-roberta", "mistral", "qwen2", "mt5", "encoder-decoder")
FORMS = [(family, False) for family in CONFIGS if family not in ALIKE]
FORMS.append(("bert", True))  # it becomes a pair
IDS = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
INPUTS = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The directory of a tiny model of each family, made when it is asked for."""
    made = {}

    def of(family, generates):
        if (family, generates) not in made:
            path = tmp_path_factory.mktemp("models") / family
            own = generates and family != "bert"
            made[family, generates] = str(save_model(path, family, generates=own))
        return made[family, generates]

    return of


def states(backbone):
    """What the network says of the same texts, twice."""
    inputs = backbone.complete(INPUTS)
    with torch.no_grad():
        outputs = [backbone(inputs) for _ in range(2)]
    return [o.logits if backbone.generates else o.last_hidden_state for o in outputs]


@pytest.mark.parametrize(("family", "generates"), FORMS)
def test_without_dropout_training_is_evaluation_and_with_it_chance_acts(folder, family, generates):
    load = pretrained.pretrained_backbone
    path = folder(family, generates)
    never, often = (load(path, 0, Form(generates, dropout=p)) for p in (0.0, 0.5))
    plain = load(path, 0, Form(generates)).eval()
    expected = states(plain)[0]
    for one in states(never.train()):
        torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-6)  # another kernel may act
    one, other = states(often.train())
    assert not torch.allclose(one, other, atol=1e-3)
    for one in states(often.eval()):
        torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-6)


def values(backbone):
    """Every dropout of a network, by its place: of modules, and numbers that layers keep."""
    found = {}
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Dropout):
            found[name] = module.p
        for key, value in vars(module).items():
            if "dropout" in key and isinstance(value, float):
                found[f"{name}.{key}"] = value
    return found


@pytest.mark.parametrize("family", CONFIGS)
def test_every_dropout_of_a_network_takes_the_value(folder, family):
    """Whether it is a module, or a number that is handed to the attention function."""
    plain, other = (
        values(pretrained.random_backbone(folder(family, False), 0, Form(dropout=p)))
        for p in (None, 0.25)
    )
    assert set(other.values()) <= {0.25, 0.0}
    assert 0.25 in other.values()
    assert plain.keys() == other.keys()
    assert all(other[place] == 0.25 for place, p in plain.items() if p > 0)


def test_unless_asked_it_is_what_the_checkpoint_says(folder):
    path = folder("bert", False)
    assert pretrained.configuration(path, Form()).hidden_dropout_prob == 0.1
    assert pretrained.configuration(path, Form(dropout=0.0)).hidden_dropout_prob == 0.0
    assert pretrained.configuration(path, GENERATES).attention_probs_dropout_prob == 0.1


def test_a_network_that_has_none_is_refused(folder, monkeypatch):
    path = folder("llama", False)
    monkeypatch.setattr(llama, "FAMILY", dataclasses.replace(llama.FAMILY, dropouts=()))
    with pytest.raises(ValueError, match=r"--dropout 0\.5: models of the family 'llama' have no"):
        pretrained.empty_backbone(path, Form(dropout=0.5))
    pretrained.empty_backbone(path, Form())


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_a_fixed_backbone_is_refused(p):
    config = config_of("ner", "features mlp last", dropout=p)
    with pytest.raises(ValueError, match="keeps it in evaluation mode, where nothing drops"):
        build.adapt(tiny_backbone("bert"), config, task_of(config))


@pytest.mark.parametrize("p", ["1", "-0.1", "nan"])
def test_a_value_outside_is_refused(p, basic, here, capsys):
    refused([*basic, *FULL, *here, "--dropout", p], capsys, "--dropout", "[0, 1)", f"got {p}")


def test_a_run_takes_it_and_its_configuration_keeps_it(basic, tmp_path):
    words = [*basic, *FULL, "--dropout"]
    runs = {p: trained([*words, p], tmp_path / p) for p in ("0", "0.5")}
    again = trained(["--config", str(runs["0.5"].config)], tmp_path / "again")
    assert again.metrics.read_bytes() == runs["0.5"].metrics.read_bytes()
    assert runs["0"].metrics.read_bytes() != runs["0.5"].metrics.read_bytes()
