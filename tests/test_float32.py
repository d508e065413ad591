"""What makes logits computes in float32 under autocast: heads, pooling, language heads."""

import numpy as np
import pytest
import torch
from adapted import adapted, examples
from running import trained
from tiny import tagged_records, tiny_backbone, write_splits
from torch import nn

from tl import heads
from tl.device import autocast
from tl.float32 import InFloat32
from tl.generation import generate

CPU, HALF = torch.device("cpu"), torch.bfloat16
SUMMARIZING = ["t5", "mt5", "bart", "encoder-decoder", "bert", "roberta"]
CAUSAL = ["gpt2", "llama", "qwen2"]


def on_the_grid_of_bfloat16(numbers):
    """Whether bfloat16 holds them all: the low half of every number's bits is 0."""
    numbers = torch.as_tensor(numbers)
    return torch.equal(numbers.bfloat16().float(), numbers.float())


def language_head(backbone):
    """The modules between the last state and the logits, as transformers calls them."""
    networks = (backbone.model, getattr(backbone.model, "decoder", None))
    found = [getattr(network, name, None) for network in networks for name in ("cls", "lm_head")]
    return next(head for head in found if head is not None)


def random_bias(backbone):
    """Biases that bfloat16 would round."""
    for module in language_head(backbone).modules():
        if getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias)


class Listener:
    """What went into a module and what came out of it, at every call."""

    def __init__(self, module):
        self.calls = []
        self.hook = module.register_forward_hook(
            lambda _, entered, left: self.calls.append((entered[0], left))
        )

    def close(self):
        self.hook.remove()
        return self.calls


def check_calls(module, calls):
    """Each answer is the one that the module gives without autocast, to the bit."""
    assert calls
    for entered, left in calls:
        assert entered.dtype == left.dtype == torch.float32
        assert torch.equal(module(entered), left)
        assert not on_the_grid_of_bfloat16(left.detach())


@pytest.mark.parametrize("variant", ["full", "lora all"])
@pytest.mark.parametrize("family", SUMMARIZING)
def test_a_language_head_of_a_summarizer_computes_in_float32(family, variant):
    """While it learns, while it is scored, and while it writes."""
    model, task = adapted(variant, family, "summarization")
    random_bias(model.backbone)
    before = [p.detach().clone() for p in language_head(model.backbone).parameters()]
    model.store_frozen(HALF)
    head = language_head(model.backbone)
    assert all(map(torch.equal, before, head.parameters()))
    batch = task.collate(examples(task, [5, 2, 7]))
    heard = Listener(head)
    with autocast(CPU, HALF):
        logits = model.train()(batch)
        model.eval()
        model.generate(batch.inputs, generation_config=task.generation())
    calls = heard.close()
    with torch.no_grad():
        check_calls(head, calls)
    assert logits.dtype == torch.float32
    assert not on_the_grid_of_bfloat16(logits.detach())


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", CAUSAL)
def test_the_language_head_of_a_decoder_computes_in_float32(family, tied):
    backbone = tiny_backbone(family, generates=True)
    head = backbone.model.lm_head
    if not tied:
        head.weight = nn.Parameter(torch.randn_like(head.weight))
    adaptor = adapted("full", family, "classification")[0].adaptor
    inputs = {"input_ids": torch.tensor([[5, 9, 7]]), "attention_mask": torch.ones(1, 3).long()}
    heard = Listener(head)
    with autocast(CPU, HALF), torch.no_grad():
        backbone(inputs)
        generate(backbone, adaptor, inputs, max_new_tokens=4, eos_token_id=None, pad_token_id=0)
    with torch.no_grad():
        check_calls(head, heard.close())


@pytest.mark.parametrize("family", ["mt5", "llama"])
def test_an_untied_language_head_keeps_its_weights(family):
    """Also frozen, where other layers are stored in bfloat16."""
    task = "summarization" if family == "mt5" else "classification"
    model, _ = adapted("lora", family, task)
    model.backbone = tiny_backbone(family, generates=True).requires_grad_(False)
    head = model.backbone.model.lm_head
    head.weight = nn.Parameter(torch.randn_like(head.weight), requires_grad=False)
    before = head.weight.clone()
    model.store_frozen(HALF)
    assert torch.equal(head.weight, before)
    inner = model.backbone.blocks[0].ffn_in.module
    assert inner.weight.dtype == HALF


def test_mixout_leaves_a_language_head_in_float32():
    model, task = adapted("full", "bart", "summarization", mixout=0.5)
    head = language_head(model.backbone)
    assert isinstance(head, InFloat32)
    assert head.weight is model.backbone.embedding.weight
    batch = task.collate(examples(task, [5, 2, 7]))
    with autocast(CPU, HALF):
        assert not on_the_grid_of_bfloat16(model.train()(batch).detach())


@pytest.mark.parametrize("pool", ["mean", "cls", "last", "each"])
@pytest.mark.parametrize("kind", ["linear", "mlp", "transformer"])
def test_a_head_computes_in_float32(kind, pool):
    """Pooling and the layer that contextualizes too; states in bfloat16 are taken as they are."""
    torch.manual_seed(0)
    head = heads.make(kind, 16, 3, pool).eval()
    hidden, mask = torch.randn(2, 5, 16), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    for states in (hidden, hidden.bfloat16()):
        with autocast(CPU, HALF):
            found = head(states, mask)
        expected = head(states.float(), mask)
        assert torch.equal(found[:, :2], expected[:, :2])
        assert not on_the_grid_of_bfloat16(found.detach())


@pytest.mark.parametrize("task", ["classification", "ner"])
def test_the_gradient_of_a_head_is_not_rounded(task):
    model, made = adapted("full", "bert", task)
    batch = made.collate(examples(made, [5, 2, 7]))
    with autocast(CPU, HALF):
        output = model(batch)
    made.loss_sum(output, batch).backward()
    for parameter in model.heads.parameters():
        assert not on_the_grid_of_bfloat16(parameter.grad)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    parts = {"train": tagged_records(8), "validation": tagged_records(4, 8)}
    return write_splits(tmp_path_factory.mktemp("tagged"), parts)


@pytest.mark.parametrize("task", ["classification", "ner"])
def test_kept_logits_are_float32_in_fact(task, basic, tagged, tmp_path):
    words = [*basic, "--task", task, "--strategy", "lora", "--epochs", "1", "--precision", "bf16"]
    if task == "ner":
        words[words.index("--data") + 1] = str(tagged)
    run = trained(words, tmp_path)
    logits = np.load(run.arrays("predictions", "validation"))["logits"]
    assert logits.dtype == np.float32
    assert not on_the_grid_of_bfloat16(logits)
