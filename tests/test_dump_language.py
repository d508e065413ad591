"""The language model that is left: its loss on fixed gaps, whatever was attached (F1-F3)."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapted import VARIANTS
from tiny import CONFIGS, save_model, sentiment_records, tiny_tokenizer
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tl import build
from tl.config import Config
from tl.data.records import Dataset
from tl.dumps.language import SHARE, LanguageModel, mask
from tl.registry import STRATEGIES, TASKS, options_of
from tl.strategies.lora import LoRALinear

MASKED = ("bert", "roberta", "deberta-v2")
CAUSAL = ("gpt2", "llama")
RECORDS = sentiment_records(12)
TEXTS = [record["text"] for record in RECORDS]


def network(family):
    loader = AutoModelForMaskedLM if family in MASKED else AutoModelForCausalLM
    torch.manual_seed(1)
    return loader.from_config(copy.deepcopy(CONFIGS[family])).eval()


def save(made, folder, family):
    made.save_pretrained(folder)
    tiny_tokenizer(special=family in MASKED).save_pretrained(folder)
    return folder


def setup(folder, variant="full", **options):
    name, own = VARIANTS[variant]
    made = options_of(STRATEGIES, name, "strategy")(**own)
    config = Config(
        task="classification", strategy=name, strategy_options=made, model=str(folder),
        task_options=options_of(TASKS, "classification", "task")(max_length=40),
        lr=made.default_lr, device="cpu", **({"precision": "fp32"} | options),
    )  # fmt: skip
    return build.build(config, Dataset("tiny", {"train": RECORDS}))


def losses(made):
    return LanguageModel(made).losses(made.task.examples("train"))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A tiny BERT that has learned to fill the gaps of its texts."""
    made = network("bert").train()
    folder = save(made, tmp_path_factory.mktemp("bert"), "bert")
    model = LanguageModel(setup(folder))
    inputs, labels = model._asked(model.setup.task.examples("train"))
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
    for _ in range(60):
        F.cross_entropy(made(**inputs).logits.mT, labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return save(made, folder, "bert")


def slow_losses(made, family):
    """Text by text, without padding, from the definition."""
    tokenizer, found = tiny_tokenizer(special=family in MASKED), []
    special = set(tokenizer.all_special_ids)
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        shown, gaps = list(ids), range(1, len(ids))
        if family in MASKED:
            gaps = [i for i, hidden in enumerate(mask(ids, special)) if hidden]
            shown = [tokenizer.mask_token_id if i in gaps else id for i, id in enumerate(ids)]
        with torch.no_grad():
            log_p = made(torch.tensor([shown])).logits[0].log_softmax(-1)
        before = 0 if family in MASKED else 1  # a causal model says the next piece
        found.append(-np.mean([log_p[i - before, ids[i]].item() for i in gaps]))
    return np.array(found)


@pytest.mark.parametrize("family", [*MASKED, *CAUSAL])
def test_losses_are_those_of_the_plain_network(family, tmp_path):
    made = network(family)
    found = losses(setup(save(made, tmp_path, family)))
    np.testing.assert_allclose(found, slow_losses(made, family), rtol=1e-4)


def test_a_head_of_zeros_is_as_good_as_guessing(tmp_path):
    """F1: log V."""
    made = network("bert")
    with torch.no_grad():
        for parameter in (made.cls.predictions.bias, *made.cls.predictions.transform.parameters()):
            parameter.zero_()
    found = losses(setup(save(made, tmp_path, "bert")))
    np.testing.assert_allclose(found, math.log(50), atol=1e-4)


def test_the_same_gaps_in_every_call_and_batch(learned):
    """F2."""
    made = setup(learned)
    model, examples = LanguageModel(made), made.task.examples("train")
    whole = model.losses(examples)
    np.testing.assert_array_equal(whole, model.losses(examples))
    alone = np.concatenate([model.losses([example]) for example in examples])
    np.testing.assert_allclose(whole, alone, rtol=1e-5)


def test_gaps_are_a_share_of_the_real_pieces_and_at_least_one():
    for n in (1, 3, 20, 60):
        ids = [2, *range(5, 5 + n), 3]
        hidden = mask(ids, {0, 2, 3})
        assert sum(hidden) == max(1, round(SHARE * n))
        assert hidden[0] == hidden[-1] == 0
    assert mask([2, 3], {0, 2, 3}) == [0, 0]


@pytest.mark.parametrize("variant", ["features linear last", "features mlp mix", "lora", "dora"])
def test_what_changes_no_state_forgets_nothing(variant, learned):
    """F3: exactly 0.0 for a frozen backbone, and for LoRA before its first step."""
    before, after = losses(setup(learned)), losses(setup(learned, variant))
    if variant == "dora":  # its norm is divided and multiplied: rounding may differ
        np.testing.assert_allclose(after, before, rtol=1e-5)
    else:
        np.testing.assert_array_equal(after - before, 0.0)


def test_a_perturbed_lora_forgets_and_without_its_updates_nothing(learned):
    """F3: above 0; and exactly 0.0 again once α / r is 0, for what it stands on never moved."""
    made = setup(learned, "lora")
    before = losses(made)
    torch.manual_seed(0)
    wrappers = [module for module in made.model.modules() if isinstance(module, LoRALinear)]
    for wrapper in wrappers:
        torch.nn.init.normal_(wrapper.B)
    assert losses(made).mean() - before.mean() > 0.1
    for wrapper in wrappers:
        wrapper.scale = 0.0
    np.testing.assert_array_equal(losses(made) - before, 0.0)


@pytest.mark.parametrize("variant", ["adapter houlsby", "prefix", "prompt random", "ia3", "bitfit"])
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_every_strategy_has_a_language_model(variant, family, tmp_path):
    found = losses(setup(save(network(family), tmp_path, family), variant))
    assert found.shape == (len(TEXTS),)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("family", "options", "reason"),
    [("bert", {}, "has no language-modelling head"), ("t5", {}, "reads and writes"),
     ("bert", {"init": "random"}, "random weights")],
)  # fmt: skip
def test_no_language_model(family, options, reason, tmp_path):
    made = setup(save_model(tmp_path, family), **options)
    with pytest.raises(ValueError, match=reason):
        LanguageModel(made)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_the_head_computes_in_float32_whatever_the_backbone_does(family, tmp_path):
    made = setup(save(network(family), tmp_path, family), "lora", precision="bf16")
    model = LanguageModel(made)
    inputs, _ = model._asked(made.task.examples("train"))
    with torch.no_grad():
        logits = model._logits(inputs)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
