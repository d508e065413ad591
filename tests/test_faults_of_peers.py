"""The faults that well-known libraries have, reproduced there; here, the opposite holds.

Numbers are those of our list of faults.
"""

import copy

import pytest
import torch
from adapted import adapted, config_of, examples, logits_of, task_of
from running import equal_bits, refused, trained
from tiny import CONFIGS, GENERATES, tiny_backbone, tiny_network
from torch import nn
from transformers import T5Config

from tl import build
from tl.backbones.pretrained import cut_network, new_network, pretrained_backbone
from tl.checkpoint import fingerprint, load_learned, save_learned
from tl.mixout import MixoutLinear
from tl.strategies.lora import LoRA, LoRALinear
from tl.strategies.lora import Options as LoRAOptions


def gradients(model, task, lengths=(5, 4)):
    batch = task.collate(examples(task, list(lengths)))
    model.zero_grad()
    task.loss_sum(model(batch), batch).backward()
    return {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


def stirred(variant, family, task_name):
    model, task = adapted(variant, family, task_name)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval(), task


@pytest.mark.parametrize("family", ["t5", "mt5", "bart", "encoder-decoder"])
def test_fault_01_no_row_of_an_encoder_decoders_prefix_is_dead_or_shared(family):
    model, task = adapted("prefix", family, "classification")
    found = gradients(model.eval(), task)
    prefixes = {n: g for n, g in found.items() if ".prefix." in n}
    n_attentions = sum(len(block.attentions()) for block in model.backbone.blocks)
    assert len(prefixes) == 2 * n_attentions
    assert all((g.abs().amax(dim=(0, 2)) > 0).all() for g in prefixes.values())


@pytest.mark.parametrize("family", ["t5", "mt5"])
def test_fault_02_heads_of_t5_need_not_share_the_models_width(family):
    config = CONFIGS[family]
    assert config.d_kv * config.num_heads != config.d_model
    model, task = adapted("prefix", family, "ner")
    assert all(one.isfinite().all() for one in logits_of(model, task, examples(task, [4, 3])))


def test_fault_03_a_prefix_works_on_stacks_of_unequal_depth():
    assert CONFIGS["bart"].encoder_layers != CONFIGS["bart"].decoder_layers
    model, task = adapted("prefix", "bart", "ner")
    assert all(one.isfinite().all() for one in logits_of(model, task, examples(task, [4, 3])))


def test_fault_04_deberta_takes_a_prefix():
    model, task = stirred("prefix", "deberta-v2", "classification")
    assert all(g.abs().max() > 0 for n, g in gradients(model, task).items() if ".prefix." in n)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_fault_05_gradient_checkpointing_keeps_the_prefix(family):
    found = []
    for checkpoints in (False, True):
        model, task = stirred("prefix", family, "ner")
        if checkpoints:
            model.backbone.checkpoint_activations()
        torch.manual_seed(0)
        found.append(gradients(model.train(), task))
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)
        assert ".prefix." not in name or gradient.abs().max() > 0


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "bart"])
def test_fault_06_a_prefix_leaves_all_positions_to_the_text(family):
    model, task = adapted("prefix", family, "ner")
    longest = model.backbone.n_positions
    assert logits_of(model, task, examples(task, [longest]))[0].isfinite().all()


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "gpt2", "llama"])
def test_faults_07_and_08_gold_positions_count_from_behind_the_prompt(family):
    """The loss, written out: word by word, from the states after the virtual ones."""
    model, task = stirred("prompt random", family, "ner")
    data = examples(task, [5, 3])
    batch = task.collate(data)
    with torch.no_grad():
        states = model.read(batch.inputs).last_hidden_state
        expected = 0.0
        for row, example in enumerate(data):
            for word, position in zip(example.target.kept, example.positions, strict=True):
                logits = model.heads["ner"].project(states[row, 3 + position])
                expected -= logits.log_softmax(-1)[example.target.tags[word]].item()
        found = task.loss_sum(model(batch), batch).item()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "mistral"])
def test_fault_09_a_prompted_decoder_classifies_the_last_real_token(family):
    model, task = stirred("prompt random", family, "classification")
    long, short = examples(task, [7, 3])
    together = logits_of(model, task, [long, short])[1]
    (alone,) = logits_of(model, task, [short])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["t5", "bart", "deberta-v2", "bert", "gpt2"])
def test_fault_10_every_new_head_is_trained_saved_and_read_again(family, tmp_path):
    model, task = stirred("lora", family, "classification")
    heads = {n for n, _ in model.named_parameters() if n.startswith("heads.")}
    assert heads <= model.learned().keys()
    assert not [n for n, _ in model.named_parameters() if "pooler" in n]
    mark = fingerprint(tiny_backbone(family))
    save_learned(tmp_path / "f", model.learned(), {"labels": task.labels, "backbone": mark})
    again, _ = adapted("lora", family, "classification", seed=7)
    load_learned(tmp_path / "f", again.learned(), mark)
    data = examples(task, [5, 3])
    for one, other in zip(logits_of(model, task, data), logits_of(again, task, data), strict=True):
        assert torch.equal(one, other)


def test_fault_11_a_misspelt_target_is_not_silently_left_out(basic, here, capsys):
    words = ["--strategy", "lora", "--strategy.targets", "query,valeu"]
    refused([*basic, *words, *here], capsys, "unknown LoRA target 'valeu'", "Did you mean 'value'?")


def test_fault_12_nothing_that_is_tied_is_ever_wrapped_or_merged():
    network = tiny_network("gpt2", generates=True)
    backbone = cut_network(network, GENERATES)
    strategy = LoRA(LoRAOptions(r=2, targets=("all",)))
    strategy.attach(backbone)
    assert not isinstance(network.lm_head, LoRALinear)
    tied = network.lm_head.weight
    strategy.merge(backbone)
    assert network.lm_head.weight is tied is network.get_input_embeddings().weight


def test_fault_13_ia3_leaves_the_output_of_attention_alone():
    model, _ = adapted("ia3", "bert", "classification")
    for block in model.backbone.blocks:
        assert type(block.attention.out.module) is nn.Linear


def test_fault_14_a_hundred_merges_change_no_bit():
    model, _ = stirred("lora", "bert", "classification")
    model.backbone.to(torch.bfloat16)
    before = {name: p.clone() for name, p in model.named_parameters()}
    for _ in range(100):
        model.adaptor.merge(model.backbone)()
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_fault_16_a_step_is_taken_after_its_last_micro_batch(basic, tmp_path):
    """Two batches of 4 are one of 8, from the first step on: the same number of steps."""
    words = [*basic, "--strategy", "lora", "--epochs", "1"]
    whole = trained(words, tmp_path / "whole")
    parts = trained([*words, "--batch-size", "4", "--accumulate", "2"], tmp_path / "parts")
    n_lines = [len(run.metrics.read_text().splitlines()) for run in (whole, parts)]
    assert n_lines[0] == n_lines[1]


@pytest.mark.parametrize("family", CONFIGS)
def test_fault_17_vectors_never_decay_and_matrices_always_do(family):
    model, _ = adapted("full", family, "ner")
    groups = build.param_groups(model, config_of("ner", "full", weight_decay=0.1))
    decays = {id(p): group.weight_decay for group in groups for p in group.params}
    names = {n for n, p in model.named_parameters() if (decays[id(p)] > 0) != (p.ndim >= 2)}
    assert names == set()
    if family in ("t5", "mt5"):  # a table of two dimensions, whatever its name
        tables = [p for n, p in model.named_parameters() if "relative_attention_bias" in n]
        assert tables
        assert all(decays[id(p)] == 0.1 for p in tables)


def test_fault_18_an_untied_output_of_t5_is_loaded_as_it_is(tmp_path):
    config = copy.deepcopy(CONFIGS["mt5"])
    assert isinstance(config, T5Config) or config.model_type == "mt5"
    torch.manual_seed(0)
    network = new_network(config, GENERATES)
    network.lm_head.weight = nn.Parameter(torch.randn_like(network.lm_head.weight))
    network.config.tie_word_embeddings = False
    network.save_pretrained(tmp_path)
    backbone = pretrained_backbone(str(tmp_path), form=GENERATES)
    assert torch.equal(backbone.model.lm_head.weight, network.lm_head.weight)
    assert not torch.equal(backbone.model.lm_head.weight, backbone.embedding.weight)


@pytest.mark.parametrize("variant", ["full", "adapter houlsby", "lora", "prefix", "prompt random"])
def test_fault_19_a_strategy_draws_no_number_from_anothers_stream(variant):
    heads = []
    for name in ("bitfit", variant):
        config = config_of("ner", name, seed=5)
        torch.manual_seed(11)
        model = build.adapt(tiny_backbone("bert"), config, task_of(config))
        heads.append((model.heads.state_dict(), torch.randn(3)))
    (one, drawn), (other, drawn_too) = heads
    assert torch.equal(drawn, drawn_too)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_fault_15_the_gradient_of_mixout_keeps_its_factor():
    """d mixout(w) / dw = m/(1 − p): 0, or 3.33 at p = 0.7."""
    layer = MixoutLinear(nn.Linear(40, 2).double(), 0.7, "column")
    layer.mixed().sum().backward()
    kept = layer.weight.grad[0] > 0
    assert 0 < kept.sum() < 40
    expected = (kept / 0.3).double().expand(2, 40)
    torch.testing.assert_close(layer.weight.grad, expected)


@pytest.mark.parametrize(
    "words", [["prefix"], ["prefix", "--strategy.hidden", "5"], ["prompt"]], ids=" ".join
)
def test_fault_20_training_of_prefixes_and_prompts_goes_on(words, basic, tmp_path, monkeypatch):
    """Stopped in its second epoch and resumed, a run ends as one that was not."""
    import train

    command = [*basic, "--strategy", *words, "--strategy.length", "3"]
    whole = trained(command, tmp_path / "whole")
    asked = iter(range(100))
    monkeypatch.setattr(train, "stop_at_ctrl_c", lambda: lambda: next(asked) == 8)
    folder = tmp_path / "stopped"
    assert train.main([*command, "--runs-dir", str(folder)]) == 130
    monkeypatch.setattr(train, "stop_at_ctrl_c", lambda: lambda: False)
    (path,) = [config.parent for config in folder.rglob("config.json")]
    assert train.main(["--resume", str(path)]) == 0
    assert equal_bits(whole, type(whole)(path))


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "gpt2"])
def test_fault_21_padding_on_the_left_moves_no_prefixed_text(family):
    from dataclasses import replace

    model, task = stirred("prefix", family, "classification")
    batch = task.collate(examples(task, [6, 3]))
    lengths = batch.inputs["attention_mask"].sum(dim=1).tolist()
    turned = {
        name: torch.stack([row.roll(6 - n) for row, n in zip(rows, lengths, strict=True)])
        for name, rows in batch.inputs.items()
    }
    with torch.no_grad():
        right, left = model(batch), model(replace(batch, inputs=turned))
    torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-6)
