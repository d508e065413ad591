"""Prefix tuning: keys and values that every layer may look at, where the papers have them."""

import json
import math

import numpy as np
import pytest
import torch
from adapted import adapted, config_of, examples, logits_of, task_of
from running import refused, refused_by, trained
from tiny import CONFIGS, tiny_backbone, tiny_network
from torch import nn
from transformers import AttentionInterface, DynamicCache

import eval
import train
from analysis import __main__ as analysis
from tl import attention, build
from tl.checkpoint.__main__ import main
from tl.command_line import parse
from tl.runs import Run, write_json
from tl.strategies.prefix import Options, Prefix, PrefixTuning, ReparametrizedPrefix, Trunk

ENCODER_DECODERS = ["t5", "mt5", "bart", "encoder-decoder"]
IDS = torch.randint(4, 40, (3, 6), generator=torch.Generator().manual_seed(0))
INPUTS = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}


def attached(family, **options):
    backbone = tiny_backbone(family)
    torch.manual_seed(0)
    strategy = PrefixTuning(Options(**({"length": 3, "init_std": 1.0} | options)))
    strategy.attach(backbone)
    return backbone, strategy


def prefixes(backbone):
    return [m for m in backbone.modules() if isinstance(m, Prefix | ReparametrizedPrefix)]


def plain_attention(query, key, value, mask, prefix):
    """Eq. 3 with every number written out: [h, t, k] each, a key at a time."""
    h, t, k = query.shape
    out = torch.zeros_like(query)
    for i in range(h):
        for row in range(t):
            scores, values = [], []
            for own_key, own_value in zip(prefix[0][i], prefix[1][i], strict=True):
                scores.append(math.exp(query[i, row] @ own_key / math.sqrt(k)))
                values.append(own_value)
            for column in range(t):
                if mask[row, column]:
                    scores.append(math.exp(query[i, row] @ key[i, column] / math.sqrt(k)))
                    values.append(value[i, column])
            mixed = sum(s * v for s, v in zip(scores, values, strict=True))
            out[i, row] = mixed / sum(scores)
    return out


def test_a_prefix_adds_its_positions_to_every_softmax():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 4, 5).double()
    module = nn.Module()
    module.prefix = Prefix(*torch.randn(2, 2, 3, 5).double())
    seen = torch.ones(4, 4).tril().bool()
    additive = torch.zeros(1, 1, 4, 4).double().masked_fill(~seen, -1e30)
    found, weights = attention.attention(module.eval(), query, key, value, additive)
    own = [x.detach() for x in module.prefix()]
    expected = plain_attention(query[0], key[0], value[0], seen, own)
    torch.testing.assert_close(found[0].transpose(0, 1), expected, rtol=1e-10, atol=1e-10)
    assert weights.shape == (1, 2, 4, 3 + 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 4).double())


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "mistral"])
def test_a_prefix_equals_keys_and_values_handed_over_as_a_cache(family):
    """The official mechanism, where it is right: positions start at 0, nothing is padded."""
    backbone, _ = attached(family)
    found = backbone(INPUTS).last_hidden_state
    plain = tiny_network(family).eval()
    cache = DynamicCache(config=plain.config)
    for i, block in enumerate(backbone.blocks):
        key, value = block.attention.module.prefix()
        cache.update(key.expand(3, -1, -1, -1), value.expand(3, -1, -1, -1), i)
    expected = plain(
        input_ids=IDS,
        past_key_values=cache,
        position_ids=torch.arange(6).expand(3, -1),
        attention_mask=torch.ones(3, 3 + 6, dtype=torch.long),
    ).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", CONFIGS)
def test_every_row_of_every_prefix_gets_a_gradient(family):
    """A well-known library leaves half of them dead on encoder-decoders (fault 1 of its kind)."""
    model, task = adapted("prefix", family, "classification")
    model.eval()
    batch = task.collate(examples(task, [5, 4]))
    task.loss_sum(model(batch), batch).backward()
    found = prefixes(model.backbone)
    assert len(found) == sum(len(block.attentions()) for block in model.backbone.blocks)
    for prefix in found:
        for parameter in (prefix.key, prefix.value):
            assert (parameter.grad.abs().amax(dim=(0, 2)) > 0).all()
    assert len({p.data_ptr() for prefix in found for p in prefix.parameters()}) == 2 * len(found)


@pytest.mark.parametrize("family", ENCODER_DECODERS)
def test_an_encoder_decoder_has_three_kinds_of_prefix(family):
    backbone, strategy = attached(family, hidden=5)
    assert set(strategy.trunks) == {"encoder", "decoder", "cross"}
    n_decoder = backbone.n_states - 1
    kinds = [(block.cross is not None, list(block.attentions())) for block in backbone.blocks]
    assert (
        kinds
        == [(False, ["self"])] * (len(kinds) - n_decoder) + [(True, ["self", "cross"])] * n_decoder
    )
    trunk_of = {id(trunk): kind for kind, trunk in strategy.trunks.items()}
    for block in backbone.blocks:
        for place, made in block.attentions().items():
            expected = "cross" if place == "cross" else "decoder" if block.cross else "encoder"
            assert trunk_of[id(made.module.prefix._trunk[0])] == expected


@pytest.mark.parametrize("family", ["t5", "mt5"])
def test_heads_may_be_wider_than_the_model_over_their_number(family):
    backbone, _ = attached(family)
    assert {tuple(p.key.shape) for p in prefixes(backbone)} == {(2, 3, 12)}  # d / h is 8


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
def test_grouped_queries_share_the_prefix_of_their_key_head(family):
    backbone, _ = attached(family)
    assert {tuple(p.key.shape) for p in prefixes(backbone)} == {(1, 3, 8)}


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "bart", "llama", "mistral", "qwen2"])
def test_a_prefix_takes_no_position_from_the_text(family, monkeypatch):
    """The lowest layer's queries and keys of the text, rotated or not, are those without it."""
    seen = []

    def record(module, query, key, value, mask, **options):
        seen.append((query, key))
        return attention.attention(module, query, key, value, mask, **options)

    ids = torch.randint(4, 40, (1, 7), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    monkeypatch.setitem(AttentionInterface._global_mapping, attention.NAME, record)
    for strategy in (None, PrefixTuning(Options(length=3))):
        backbone = tiny_backbone(family)
        backbone.model.set_attn_implementation(attention.NAME)
        if strategy is not None:
            strategy.attach(backbone)
        with torch.no_grad():
            backbone(backbone.complete(inputs))
    without, within = seen[0], seen[len(seen) // 2]
    for one, other in zip(without, within, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "bart"])
def test_a_text_may_be_as_long_as_without_a_prefix(family):
    backbone, _ = attached(family)
    ids = torch.full((1, backbone.n_positions), 5)
    inputs = backbone.complete({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    with torch.no_grad():
        assert backbone(inputs).last_hidden_state.isfinite().all()


def test_the_mlp_makes_the_prefix_that_the_paper_describes():
    torch.manual_seed(0)
    trunk = Trunk(length=3, d=4, hidden=5).double()
    made = ReparametrizedPrefix(trunk, n_heads=2, width=6).double()
    key, value = made()
    for i in range(3):
        inner = torch.tanh(trunk.dense.weight @ trunk.seed[i] + trunk.dense.bias)
        row = made.dense.weight @ inner + made.dense.bias  # keys of both heads, then values
        torch.testing.assert_close(key[:, i].flatten(), row[:12])
        torch.testing.assert_close(value[:, i].flatten(), row[12:])


@pytest.mark.parametrize("family", CONFIGS)
def test_folding_the_mlp_away_changes_no_logit(family):
    model, task = adapted("prefix by mlp", family, "ner")
    data = examples(task, [5, 3])
    before = logits_of(model, task, data)
    made = {n for n, p in model.named_parameters() if p.requires_grad}
    model.adaptor.fold(model.backbone)
    after = logits_of(model, task, data)
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    left = {n for n, p in model.named_parameters() if p.requires_grad}
    assert any("trunk" in n for n in made)
    assert {n.rpartition(".")[2] for n in left if not n.startswith("heads.")} == {"key", "value"}


def test_training_can_go_on_from_what_was_saved():
    """All that made the prefixes is in the file, the MLP too."""
    model, task = adapted("prefix by mlp", "bert", "ner", seed=1)
    again, _ = adapted("prefix by mlp", "bert", "ner", seed=2)
    with torch.no_grad():
        for name, tensor in again.learned().items():
            tensor.copy_(model.learned()[name])
    batch = task.collate(examples(task, [5, 3]))
    for one in (model, again):
        one.eval()
        optimizer = torch.optim.SGD([p for p in one.parameters() if p.requires_grad], lr=0.1)
        task.loss_sum(one(batch), batch).backward()
        optimizer.step()
    for name, tensor in model.learned().items():
        assert torch.equal(again.learned()[name], tensor)


def test_the_prefix_needs_no_fused_kernel_of_the_network():
    config = config_of("ner", "prefix")
    backbone = tiny_backbone("bert")
    assert backbone.model.config._attn_implementation != "tl"
    build.adapt(backbone, config, task_of(config))
    assert backbone.model.config._attn_implementation == "tl"


def test_a_run_can_be_folded_into_a_smaller_one(basic, tmp_path, capsys):
    words = [*basic, "--strategy", "prefix", "--strategy.length", "3", "--strategy.hidden", "6"]
    run = trained(words, tmp_path / "runs")
    new = tmp_path / "new"
    assert main(["fold", str(run.path), str(new)]) == 0
    folded = Run(new)
    assert json.loads(folded.config.read_text())["strategy_options"]["hidden"] == 0
    assert folded.learned.stat().st_size < run.learned.stat().st_size
    assert eval.main([str(run.path)]) == eval.main([str(new)]) == 0
    one, other = (np.load(r.arrays("predictions", "test"))["logits"] for r in (run, folded))
    np.testing.assert_array_equal(one, other)


def test_a_folded_run_keeps_the_options_and_the_data_of_its_run(basic, tmp_path, capsys):
    words = [*basic, "--strategy", "prefix", "--strategy.length", "3", "--strategy.hidden", "6"]
    run = trained([*words, "--precision", "bf16"], tmp_path / "runs")
    new = Run(tmp_path / "new")
    assert main(["fold", str(run.path), str(new.path)]) == 0
    before, after = (json.loads(r.config.read_text()) for r in (run, new))
    assert before.pop("strategy_options") | {"hidden": 0} == after.pop("strategy_options")
    assert before == after
    assert new.read_env() == run.read_env() | {"origin": "folded"}
    assert run.read_env()["origin"] == "trained"
    capsys.readouterr()
    assert eval.main([str(new.path)]) == 0
    message = capsys.readouterr().err
    assert "have changed" not in message
    assert "not finished" not in message


@pytest.mark.parametrize("old", [False, True], ids=["", "of an earlier version"])
def test_a_folded_run_is_not_trained_over(old, basic, tmp_path, capsys, monkeypatch):
    words = [*basic, "--strategy", "prefix", "--strategy.length", "3", "--strategy.hidden", "6"]
    run = trained(words, tmp_path / "runs")
    words[words.index("--strategy.hidden") + 1] = "0"
    new = Run(tmp_path / "made" / parse(words)[0].run_name)
    assert main(["fold", str(run.path), str(new.path)]) == 0
    capsys.readouterr()
    if old:
        env = new.read_env()
        del env["origin"]
        write_json(new.env, env)
    before = {path.name: path.read_bytes() for path in new.path.iterdir()}
    how = "was made by python -m tl.checkpoint fold"
    kept = "has no result and cannot be resumed"
    refused(["--resume", str(new.path)], capsys, how, kept)
    again = ["--config", str(new.config), "--runs-dir", str(tmp_path / "made")]
    refused(again, capsys, how, "which removes it", "--overwrite")
    refused_by(analysis.main, ["curves", str(new.path)], capsys, how, kept)
    assert analysis.main(["tables", str(tmp_path)]) == 0
    assert "left out, no result, made by python -m tl.checkpoint" in capsys.readouterr().err
    assert new.notes() == []
    assert {path.name: path.read_bytes() for path in new.path.iterdir()} == before
    assert train.main([*again, "--overwrite"]) == 0
    assert new.made_by() is None


def test_a_spread_of_prefixes_that_an_mlp_makes_is_refused(basic, here, capsys):
    words = ["--strategy", "prefix", "--strategy.hidden", "6", "--strategy.init-std", "0.5"]
    refused([*basic, *words, *here], capsys, "--strategy.init-std is about plain prefixes")


def test_a_run_without_an_mlp_is_not_folded(finished, tmp_path, capsys):
    words = ["fold", str(finished.path), str(tmp_path / "new")]
    refused_by(main, words, capsys, "there is nothing to fold")
    assert not (tmp_path / "new").exists()
