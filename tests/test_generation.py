"""Generation under every strategy: cached as uncached, a text alone as in a batch."""

import pytest
import torch
from adapted import REFUSED, VARIANTS
from tiny import CONFIGS, GENERATES, tiny_network, tiny_tokenizer
from transformers import GenerationConfig

from tl.backbones.pretrained import cut_network, new_network
from tl.generation import enter, generate
from tl.registry import FAMILIES, STRATEGIES, options_of, resolve

# "bert" becomes both sides of a pair.
GENERATORS = ["gpt2", "llama", "qwen2", "mt5", "bart", "encoder-decoder", "bert"]
PAIRS = [
    (variant, family)
    for variant in VARIANTS
    for family in GENERATORS
    if (variant, family) not in REFUSED and not variant.startswith("features")
]
START = {
    "mt5": 0,
    "t5": 0,
    "bart": 3,
    "encoder-decoder": 2,
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), 2),
}
TEXTS = [[9, 12, 20, 7, 31], [14, 8, 25]]
N_NEW = 6


def padded(rows):
    t = max(map(len, rows))
    return {
        "input_ids": torch.tensor([row + [0] * (t - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (t - len(row)) for row in rows]),
    }


def generating(variant, family):
    """A tiny network that generates, with a strategy attached whose weights are far from start."""
    name, options = VARIANTS[variant]
    backbone = cut_network(tiny_network(family, generates=True), GENERATES)
    adaptor = resolve(STRATEGIES, name, "strategy")(options_of(STRATEGIES, name, "")(**options))
    adaptor.check(backbone)
    torch.manual_seed(0)
    adaptor.attach(backbone)
    adaptor.start(lambda text: tiny_tokenizer()(text)["input_ids"], ["bad", "good"])
    with torch.no_grad():
        for parameter in [*backbone.parameters(), *adaptor.parameters()]:
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    backbone.model.generation_config = GenerationConfig(  # no token ends a text here
        pad_token_id=0, decoder_start_token_id=START.get(family)
    )
    return backbone.eval(), adaptor


def new_tokens(backbone, adaptor, rows, **options):
    """N_NEW tokens for each row, by greedy search unless `options` say otherwise."""
    backbone.train()  # dropout must not reach a search
    return generate(backbone, adaptor, padded(rows), max_new_tokens=N_NEW, **options)


@torch.no_grad()
def written_out(backbone, adaptor, row, start):
    """Greedy search, a whole forward pass for each token: no cache, no padding."""
    made, network = [], backbone.model
    for _ in range(N_NEW):
        if backbone.kind == "decoder":
            entered = adaptor.before(padded([row + made]))
            logits = network(**entered, use_cache=False).logits
        else:
            entered = adaptor.before(padded([row]))
            ids = torch.tensor([[start, *made]])
            logits = network(**entered, decoder_input_ids=ids, use_cache=False).logits
        made.append(int(logits[0, -1].argmax()))
    return made


@pytest.mark.parametrize(("variant", "family"), PAIRS)
def test_cached_generation_equals_uncached_and_a_batch_its_rows(variant, family):
    backbone, adaptor = generating(variant, family)
    expected = [written_out(backbone, adaptor, row, START.get(family)) for row in TEXTS]
    for use_cache in (True, False):
        found = new_tokens(backbone, adaptor, TEXTS, use_cache=use_cache)
        assert found.tolist() == expected


@pytest.mark.parametrize("family", GENERATORS)
def test_beams_run_under_virtual_tokens(family):
    backbone, adaptor = generating("prompt random", family)
    found = new_tokens(backbone, adaptor, TEXTS, num_beams=3)
    assert found.shape == (2, N_NEW)


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2"])
def test_new_tokens_follow_the_text_and_a_prompt_stands_right_before_it(family):
    """Not `Prompt<pad><pad>Text`, and not `PromptText<pad>New`."""
    backbone, adaptor = generating("prompt random", family)
    entered = enter(backbone, adaptor, padded(TEXTS))
    assert entered["attention_mask"].tolist() == [[1] * 8, [0, 0, *[1] * 6]]
    prompt, embed = adaptor.prompt, backbone.embedding
    torch.testing.assert_close(entered["inputs_embeds"][1, 2:5], prompt)
    torch.testing.assert_close(entered["inputs_embeds"][1, 5:], embed(torch.tensor(TEXTS[1])))


@pytest.mark.parametrize("family", [f for f in CONFIGS if f not in GENERATORS])
def test_families_generate_or_are_refused(family):
    own = resolve(FAMILIES, family, "family")
    if own.generator is None and not own.pairs:
        with pytest.raises(ValueError, match=f"{family!r} cannot generate text; take a decoder"):
            new_network(CONFIGS[family], GENERATES)
    else:
        backbone, adaptor = generating("lora", family)
        assert backbone.generates
        assert new_tokens(backbone, adaptor, TEXTS).shape == (2, N_NEW)


@pytest.mark.parametrize("family", GENERATORS)
def test_features_for_a_head_that_does_not_exist_are_refused(family):
    with pytest.raises(ValueError, match=r"nothing would learn\. Try lora or adapter"):
        generating("features mlp last", family)


@pytest.mark.parametrize("family", GENERATORS)
def test_every_parameter_of_a_generator_lies_in_a_part(family):
    backbone, _ = generating("full", family)
    placed = {id(p) for _, modules in backbone.parts() for m in modules for p in m.parameters()}
    assert placed == {id(p) for p in backbone.model.parameters()}
