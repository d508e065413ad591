"""Generation under every strategy: cached as uncached, a text alone as in a batch."""

import json

import pytest
import torch
from adapted import REFUSED, VARIANTS
from running import equal_bits, trained
from tiny import (
    CONFIGS,
    GENERATES,
    save_model,
    sentiment_records,
    tiny_network,
    tiny_tokenizer,
    write_splits,
)
from transformers import GenerationConfig

from tl import trained as loading
from tl.backbones.pretrained import cut_network, new_network, pretrained_backbone
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


WISHES = {  # what published checkpoints ask of a search, and more
    "do_sample": True,
    "temperature": 1.7,
    "top_k": 20,
    "top_p": 0.8,
    "repetition_penalty": 5.0,
    "min_length": 30,
    "min_new_tokens": 4,
    "num_beams": 3,
    "no_repeat_ngram_size": 1,
    "length_penalty": 2.0,
    "forced_bos_token_id": 7,
    "forced_eos_token_id": 9,
    "suppress_tokens": list(range(10, 40)),
    "begin_suppress_tokens": list(range(40, 50)),
    "bad_words_ids": [[i] for i in range(4, 20)],
    "max_length": 5,
}


def wishing(folder, family, file):
    """A model directory whose checkpoint wants all of that, in a file of its own or an old one."""
    save_model(folder, family, generates=family != "bert")
    own = folder / "generation_config.json"
    start = json.loads(own.read_text()) if own.is_file() else {}
    if file == own.name:
        own.write_text(json.dumps(start | WISHES))
        return folder
    own.unlink(missing_ok=True)
    config = folder / file
    old = {"transformers_version": "4.27.0.dev0"}
    config.write_text(json.dumps(json.loads(config.read_text()) | WISHES | old))
    return folder


def data_of(folder, family, n_validation=8):
    """Texts with labels for a causal model, with summaries for the others."""
    records = sentiment_records(24 + n_validation + 8)
    made = [r | {"summary": " ".join(r["text"].split()[:3])} for r in records]
    parts = {"train": made[:24], "validation": made[24:-8], "test": made[-8:]}
    task = "instruction" if CONFIGS[family].model_type in ("llama", "gpt2") else "summarization"
    return task, write_splits(folder, parts)


def run_of(place, family, model, strategy=("lora",), n_validation=8):
    task, data = data_of(place / "data", family, n_validation)
    words = ["--task", task, "--data", str(data), "--model", str(model), "--epochs", "1"]
    words += ["--device", "cpu", "--precision", "fp32", "--lr", "1e-2", "--batch-size", "8"]
    words += ["--task.max-answer", "8"] if task == "instruction" else ["--task.max-summary", "12"]
    words += ["--task.max-length", "40", "--dropout", "0.1", "--strategy", *strategy]
    return trained(words, place / "runs")


@torch.no_grad()
def by_argmax(setup, text):
    """The likeliest next token, again and again, by whole forward passes of the network alone."""
    example = setup.task.encode_text(text, "0")
    network, made = setup.model.backbone.model.eval(), []
    ids = torch.tensor([example.inputs["input_ids"]])
    causal = setup.model.backbone.kind == "decoder"
    if causal:
        ids = ids[:, : example.target.start]
    for _ in range(setup.task.generation().max_new_tokens):
        if causal:
            logits = network(torch.cat([ids, torch.tensor([made]).long()], dim=1)).logits
        else:
            start = torch.tensor([[setup.task.start_id, *made]])
            logits = network(input_ids=ids, decoder_input_ids=start).logits
        made.append(int(logits[0, -1].argmax()))
        if made[-1] == setup.task.end_id:
            return made[:-1]
    return made


@pytest.mark.parametrize(
    ("family", "file"),
    [
        *(
            (f, "generation_config.json")
            for f in ("llama", "bart", "t5", "bert", "encoder-decoder")
        ),
        *((f, "config.json") for f in ("llama", "bart")),
    ],
)
def test_what_a_checkpoint_wants_of_a_search_takes_no_part(family, file, tmp_path):
    """Greedy is argmax: no sampling, no forced or forbidden token, no least length, no penalty."""
    model = wishing(tmp_path / "model", family, file)
    run = run_of(tmp_path, family, model)
    setup = loading.load(run, device="cpu", precision="fp32")
    task = setup.task
    for text in ("day good the a", "anna saw the rainy day in oslo"):
        batch = task.collate([task.encode_text(text, "0")])
        state = torch.get_rng_state()
        _, (answer,) = task.answer(setup.model.eval(), batch)
        assert torch.equal(torch.get_rng_state(), state), "a random number was drawn"
        assert answer.tolist() == by_argmax(setup, text)


def test_the_start_of_a_decoder_is_read_where_only_the_generation_settings_say_it(tmp_path):
    model = save_model(tmp_path / "model", "bart", generates=True)
    config = json.loads((model / "config.json").read_text())
    config.pop("decoder_start_token_id", None)
    (model / "config.json").write_text(json.dumps(config))
    wishes = WISHES | {"decoder_start_token_id": 11}
    (model / "generation_config.json").write_text(json.dumps(wishes))
    backbone = pretrained_backbone(str(model), 0, GENERATES)
    assert backbone.start_id == 11
    kept = backbone.model.generation_config.to_diff_dict()
    assert kept.keys() <= {"decoder_start_token_id", "transformers_version", "_from_model_config"}


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_the_size_of_validation_changes_no_learned_weight(family, tmp_path):
    """Nothing but its owner draws from a random stream: an evaluation draws nothing."""
    model = wishing(tmp_path / "model", family, "generation_config.json")
    few, many = (run_of(tmp_path / str(n), family, model, n_validation=n) for n in (2, 11))
    assert equal_bits(few, many)
