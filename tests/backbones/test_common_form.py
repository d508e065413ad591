"""The common form: other names for the parts of a network, the same numbers out of it."""

import copy

import pytest
import torch
from tiny import CONFIGS, cut_network, tiny_backbone, tiny_network
from torch import nn
from transformers import EncoderDecoderConfig, GPT2Config

from tl.backbones.base import Backbone, Slot
from tl.backbones.pretrained import new_network
from tl.registry import FAMILIES

# Ids from 3 on: 0, 1 and 2 are padding or end of text in one family or another.
IDS = torch.randint(3, 40, (3, 9), generator=torch.Generator().manual_seed(0))
MASK = torch.ones_like(IDS)
MASK[1, 6:] = 0
MASK[2, 2:] = 0
STATES = {"input_ids": IDS, "attention_mask": MASK, "output_hidden_states": True}
SLOTS = [
    *("query", "key", "value", "attention_out"),
    *("cross.query", "cross.key", "cross.value", "cross.attention_out"),
    *("ffn_in", "ffn_gate", "ffn_out"),
]
N_BLOCKS = {"t5": 4, "mt5": 4, "bart": 3, "encoder-decoder": 4}  # of both stacks
GATED = {"llama", "mistral", "qwen2", "mt5"}
every_family = pytest.mark.parametrize("family", FAMILIES)


def states_of(backbone, inputs):
    """All hidden states of a text, the last one as the heads see it."""
    output = backbone(backbone.complete(inputs))
    return [*output.hidden_states[:-1], output.last_hidden_state]


def original_states(network, inputs):
    """The same from the network as transformers made it, through its own forward."""
    if not network.config.is_encoder_decoder:
        output = network(**inputs)
        return [*output.hidden_states[:-1], output.last_hidden_state]
    of_decoder = {
        "decoder_input_ids": inputs["input_ids"],
        "decoder_attention_mask": inputs["attention_mask"],
    }
    output = network(**inputs, **of_decoder)
    states = output.decoder_hidden_states
    if hasattr(output, "last_hidden_state"):
        states = [*states[:-1], output.last_hidden_state]
    return list(states)


def last_state(backbone, inputs=STATES):
    return states_of(backbone, inputs)[-1]


def test_every_family_has_a_tiny_model_here():
    assert set(CONFIGS) >= set(FAMILIES)


@every_family
def test_the_common_form_computes_what_the_original_computes(family):
    original = tiny_network(family).eval()
    backbone = cut_network(copy.deepcopy(original), family)
    found, expected = states_of(backbone, STATES), original_states(original, STATES)
    assert len(found) == backbone.n_states
    real = MASK.bool()  # what stands at padding is nobody's business
    for state, expected_state in zip(found, expected, strict=True):
        torch.testing.assert_close(state[real], expected_state[real])


@every_family
def test_the_common_form_has_the_weights_of_the_original_and_no_others(family):
    original = tiny_network(family)
    # Poolers and, of an encoder-decoder made of two, the language-modelling head are left out.
    unused = [n for n, _ in original.named_parameters() if ".pooler." in n or ".cls." in n]
    expected = sum(p.numel() for n, p in original.named_parameters() if n not in unused)
    backbone = cut_network(original, family)
    assert sum(p.numel() for p in backbone.parameters()) == expected
    assert not [name for name, _ in backbone.named_modules() if "pooler" in name.split(".")[-1:]]
    assert not [name for name, _ in backbone.named_parameters() if "pooler" in name]


@every_family
def test_every_parameter_lies_in_exactly_one_part(family):
    backbone = tiny_backbone(family)
    n_blocks = N_BLOCKS.get(family, 2)
    names = [name for name, _ in backbone.parts()]
    assert names == ["stem", *(f"block{i:02d}" for i in range(n_blocks)), "top"]
    placed = [id(p) for _, modules in backbone.parts() for m in modules for p in m.parameters()]
    assert len(placed) == len(set(placed))
    assert set(placed) == {id(p) for p in backbone.model.parameters()}


def test_a_cut_that_forgets_a_part_is_refused():
    model = tiny_network("bert")
    layers = list(model.encoder.layer)
    blocks = cut_network(model, "bert").blocks
    assert [block.module for block in blocks] == layers
    common = {"top": [], "norms": []}
    with pytest.raises(AssertionError, match=r"embeddings\..* lies in 0 parts"):
        Backbone(model, "encoder", stem=[], blocks=blocks, **common)
    with pytest.raises(AssertionError, match=r"layer\.1\..* lies in 0 parts"):
        Backbone(model, "encoder", stem=[model.embeddings], blocks=blocks[:1], **common)


def test_a_cut_that_places_a_module_twice_is_refused():
    model = tiny_network("bert")
    blocks = cut_network(model, "bert").blocks
    stem = [model.embeddings, model.embeddings.LayerNorm]
    with pytest.raises(AssertionError, match=r"LayerNorm\.weight lies in 2 parts"):
        Backbone(model, "encoder", stem=stem, blocks=blocks, top=[], norms=[])


@every_family
def test_every_projection_is_a_linear_layer_of_its_own(family):
    for block in tiny_backbone(family).blocks:
        named = block.projections()
        projections = [slot.module for slot in named.values()]
        assert all(type(projection) is nn.Linear for projection in projections)
        assert len(set(projections)) == len(named)
        assert set(projections) <= set(block.module.modules())
        assert ("ffn_gate" in named) == (family in GATED)
        assert list(named) == [name for name in SLOTS if name in named]


@every_family
def test_blocks_of_a_decoder_that_reads_an_encoder_have_cross_attention(family):
    backbone = tiny_backbone(family)
    crossed = [block.cross is not None for block in backbone.blocks]
    n_decoder = backbone.n_states - 1 if backbone.kind == "encoder-decoder" else 0
    assert crossed == [False] * (len(crossed) - n_decoder) + [True] * n_decoder
    for block in backbone.blocks:
        names = [name for name in block.projections() if name.startswith("cross.")]
        assert bool(names) == (block.cross is not None)


@every_family
def test_projections_have_the_shapes_of_their_names(family):
    config, backbone = CONFIGS[family], tiny_backbone(family)
    d = backbone.hidden_size
    inner = 24 if family in ("t5", "mt5") else d  # heads times their width
    kv = d // 2 if getattr(config, "num_key_value_heads", None) == 1 else inner
    m = backbone.blocks[0].ffn_in.module.out_features
    assert m > d
    shapes = {
        "query": (d, inner), "key": (d, kv), "value": (d, kv), "attention_out": (inner, d),
        "ffn_in": (d, m), "ffn_gate": (d, m), "ffn_out": (m, d),
    }  # fmt: skip
    for block in backbone.blocks:
        for name, slot in block.projections().items():
            shape = shapes[name.removeprefix("cross.")]
            assert (slot.module.in_features, slot.module.out_features) == shape, name
        for attention in block.attentions().values():
            assert attention.n_kv_heads * attention.head_width == kv


def place_of(block, name):
    """A projection, an exit or the feed-forward sublayer; None where the block has none."""
    if name == "exit":
        return block.attention.exit
    if name == "cross.exit":
        return None if block.cross is None else block.cross.exit
    return block.ffn if name == "ffn" else block.projections().get(name)


@pytest.mark.parametrize("slot", [*SLOTS, "exit", "cross.exit", "ffn"])
@every_family
def test_what_is_put_into_a_slot_is_what_the_network_runs(family, slot):
    """A slot of a module that the network no longer calls would swallow adapters silently."""
    backbone = tiny_backbone(family)
    before = last_state(backbone)
    place = place_of(backbone.blocks[-1], slot)
    if place is None:
        return
    calls = []

    class Doubled(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        @property
        def weight(self):
            return self.inner.weight

        def forward(self, x):
            calls.append(slot)
            return 2 * self.inner(x)

    place.replace(Doubled(place.module))
    after = last_state(backbone)
    assert set(calls) == {slot}
    assert not torch.allclose(before, after)


@every_family
@pytest.mark.parametrize("which", [0, -1])
def test_the_exits_carry_what_is_added_to_the_residual_stream(family, which):
    """With all exits silenced, and norms that do nothing, a block returns its input."""
    backbone = tiny_backbone(family)
    block = backbone.blocks[which]

    class Silent(nn.Module):
        def forward(self, x):
            return torch.zeros(*x.shape[:-1], backbone.hidden_size)

    exits = [attention.exit for attention in block.attentions().values()]
    for slot in [*exits, block.ffn]:
        slot.replace(Silent())
    for name, module in list(block.module.named_modules()):
        if module in block.norms:
            parent, _, attribute = name.rpartition(".")
            Slot(block.module.get_submodule(parent), attribute).replace(nn.Identity())
    if getattr(backbone.model, "encoder", None) is not None:
        backbone.model.encoder.conv = None  # DeBERTa's convolution works beside its first layer
    passed = {}
    block.module.register_forward_hook(
        lambda _, args, kwargs, out: passed.update(
            entered=args[0], left=out if torch.is_tensor(out) else out[0]
        ),
        with_kwargs=True,
    )
    last_state(backbone)
    torch.testing.assert_close(passed["left"], passed["entered"])


@every_family
def test_a_fixed_backbone_stays_in_eval_mode(family):
    backbone = tiny_backbone(family)
    model = nn.ModuleDict({"backbone": backbone, "head": nn.Dropout()})
    model.train()
    assert all(module.training for module in model.modules())
    backbone.fixed = True
    model.train()
    assert model["head"].training
    assert not any(module.training for module in backbone.modules())


@every_family
def test_decoders_do_not_look_ahead_and_encoders_do(family):
    backbone = tiny_backbone(family)
    changed = IDS.clone()
    changed[0, -1] = 45 if changed[0, -1] != 45 else 44
    before, after = (
        last_state(backbone, STATES | {"input_ids": ids})[0, :-1] for ids in (IDS, changed)
    )
    # The decoder of an encoder-decoder sees the whole text through its encoder.
    assert torch.allclose(before, after, atol=1e-6) == (backbone.kind == "decoder")


def test_parts_of_different_widths_are_refused():
    config = copy.deepcopy(CONFIGS["encoder-decoder"])
    config.encoder.hidden_size = 32
    with pytest.raises(ValueError, match="states have 32 dimensions, the decoder's 16"):
        cut_network(new_network(config), "encoder-decoder")


def test_an_encoder_and_a_gpt2_decoder_join_too():
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        CONFIGS["deberta-v2"],
        GPT2Config(**CONFIGS["gpt2"].to_dict() | {"add_cross_attention": True}),
    )
    torch.manual_seed(0)
    original = new_network(config).eval()
    backbone = cut_network(copy.deepcopy(original), "encoder-decoder")
    expected = original_states(original, STATES)[-1]
    torch.testing.assert_close(last_state(backbone)[MASK.bool()], expected[MASK.bool()])
    assert [block.cross is not None for block in backbone.blocks] == [False, False, True, True]
