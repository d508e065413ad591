"""The common form: other names for the parts of a network, the same numbers out of it."""

import copy

import pytest
import torch
from tiny import CONFIGS, tiny_backbone
from torch import nn
from transformers import AutoModel

from tl.backbones.base import PROJECTIONS, Backbone, Slot
from tl.registry import FAMILIES, resolve

# Ids from 3 on: 0, 1 and 2 are padding or end of text in one family or another.
IDS = torch.randint(3, 40, (3, 9), generator=torch.Generator().manual_seed(0))
MASK = torch.ones_like(IDS)
MASK[1, 6:] = 0
MASK[2, 2:] = 0
STATES = {"input_ids": IDS, "attention_mask": MASK, "output_hidden_states": True}


def original_model(family):
    """The network as transformers makes it."""
    options = resolve(FAMILIES, family, "family").model_options
    torch.manual_seed(0)
    return AutoModel.from_config(CONFIGS[family], **options).eval()


def cut(model, family):
    return resolve(FAMILIES, family, "family").cut(model).eval()


def test_every_family_has_a_tiny_model_here():
    assert set(CONFIGS) >= set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_common_form_computes_what_the_original_computes(family):
    original = original_model(family)
    backbone = cut(copy.deepcopy(original), family)
    expected, found = original(**STATES), backbone(STATES)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state)
    for state, expected_state in zip(found.hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(state, expected_state)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_common_form_has_the_weights_of_the_original_and_no_others(family):
    original = original_model(family)
    expected = sum(p.numel() for p in original.parameters())
    backbone = cut(original, family)
    assert sum(p.numel() for p in backbone.parameters()) == expected
    assert not [name for name, _ in backbone.named_modules() if "pooler" in name.split(".")[-1:]]
    assert not [name for name, _ in backbone.named_parameters() if "pooler" in name]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_lies_in_exactly_one_part(family):
    backbone = tiny_backbone(family)
    n_blocks = CONFIGS[family].num_hidden_layers
    names = [name for name, _ in backbone.parts()]
    assert names == ["stem", *(f"block{i:02d}" for i in range(n_blocks)), "top"]
    placed = [id(p) for _, modules in backbone.parts() for m in modules for p in m.parameters()]
    assert len(placed) == len(set(placed))
    assert set(placed) == {id(p) for p in backbone.model.parameters()}


def test_a_cut_that_forgets_a_part_is_refused():
    model = original_model("bert")
    layers = list(model.encoder.layer)
    blocks = cut(model, "bert").blocks
    assert [block.module for block in blocks] == layers
    common = {"top": [], "norms": [], "hidden_size": 16}
    with pytest.raises(AssertionError, match=r"embeddings\..* lies in 0 parts"):
        Backbone(model, "encoder", stem=[], blocks=blocks, **common)
    with pytest.raises(AssertionError, match=r"layer\.1\..* lies in 0 parts"):
        Backbone(model, "encoder", stem=[model.embeddings], blocks=blocks[:1], **common)


def test_a_cut_that_places_a_module_twice_is_refused():
    model = original_model("bert")
    blocks = cut(model, "bert").blocks
    stem = [model.embeddings, model.embeddings.LayerNorm]
    with pytest.raises(AssertionError, match=r"LayerNorm\.weight lies in 2 parts"):
        Backbone(model, "encoder", stem=stem, blocks=blocks, top=[], norms=[], hidden_size=16)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_projection_is_a_linear_layer_of_its_own(family):
    for block in tiny_backbone(family).blocks:
        projections = [getattr(block, name).module for name in PROJECTIONS]
        assert all(type(projection) is nn.Linear for projection in projections)
        assert len(set(projections)) == 6
        assert set(projections) <= set(block.module.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_projections_have_the_shapes_of_their_names(family):
    config, backbone = CONFIGS[family], tiny_backbone(family)
    d, heads = config.hidden_size, config.num_attention_heads
    kv = d // heads * getattr(config, "num_key_value_heads", heads)
    m = backbone.blocks[0].ffn_in.module.out_features
    assert m > d
    shapes = {
        "query": (d, d), "key": (d, kv), "value": (d, kv), "attention_out": (d, d),
        "ffn_in": (d, m), "ffn_out": (m, d),
    }  # fmt: skip
    for block in backbone.blocks:
        for name, shape in shapes.items():
            linear = getattr(block, name).module
            assert (linear.in_features, linear.out_features) == shape, name


@pytest.mark.parametrize("slot", [*PROJECTIONS, "attention_exit", "ffn"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_put_into_a_slot_is_what_the_network_runs(family, slot):
    """A slot of a module that the network no longer calls would swallow adapters silently."""
    backbone = tiny_backbone(family).eval()
    before = backbone(STATES).last_hidden_state
    place = getattr(backbone.blocks[1], slot)
    calls = []

    class Doubled(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            calls.append(slot)
            return 2 * self.inner(x)

    place.replace(Doubled(place.module))
    after = backbone(STATES).last_hidden_state
    assert calls == [slot]
    assert not torch.allclose(before, after)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_exits_carry_what_is_added_to_the_residual_stream(family):
    """With both exits silenced, and norms that do nothing, a block returns its input."""
    backbone = tiny_backbone(family).eval()
    block = backbone.blocks[0]

    class Silent(nn.Module):
        def forward(self, x):
            return torch.zeros(*x.shape[:-1], backbone.hidden_size)

    block.attention_exit.replace(Silent())
    block.ffn.replace(Silent())
    for name, module in list(block.module.named_modules()):
        if module in block.norms:
            parent, _, attribute = name.rpartition(".")
            Slot(block.module.get_submodule(parent), attribute).replace(nn.Identity())
    states = backbone(STATES).hidden_states
    torch.testing.assert_close(states[1], states[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fixed_backbone_stays_in_eval_mode(family):
    backbone = tiny_backbone(family)
    model = nn.ModuleDict({"backbone": backbone, "head": nn.Dropout()})
    model.train()
    assert all(module.training for module in model.modules())
    backbone.fixed = True
    model.train()
    assert model["head"].training
    assert not any(module.training for module in backbone.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_of_n_layers_has_n_plus_1_hidden_states(family):
    backbone = tiny_backbone(family)
    states = backbone(STATES).hidden_states
    assert len(states) == len(backbone.blocks) + 1
    assert {tuple(state.shape) for state in states} == {(*IDS.shape, backbone.hidden_size)}


@pytest.mark.parametrize("family", FAMILIES)
def test_decoders_do_not_look_ahead_and_encoders_do(family):
    backbone = tiny_backbone(family).eval()
    changed = IDS.clone()
    changed[0, -1] = 45 if changed[0, -1] != 45 else 44
    before = backbone({"input_ids": IDS, "attention_mask": MASK}).last_hidden_state[0, :-1]
    after = backbone({"input_ids": changed, "attention_mask": MASK}).last_hidden_state[0, :-1]
    assert torch.allclose(before, after, atol=1e-6) == (backbone.kind == "decoder")
