"""Arrays for analysis: whose weights they are of, and what they hold."""

import numpy as np
import pytest
import torch
from running import refused_by, trained
from tiny import tiny_backbone

import eval
from tl import trained as runs_of
from tl.dumps import DUMPS, attention, hidden
from tl.runs import WEIGHTS


@pytest.fixture(scope="module")
def features(basic, tmp_path_factory):
    """A finished run whose backbone is frozen; read only but for dumps."""
    words = [*basic, "--strategy", "feature_extraction"]
    return trained(words, tmp_path_factory.mktemp("features"))


def dumped(run, kind, weights):
    with np.load(run.arrays(kind, "validation", weights)) as arrays:
        return dict(arrays)


def test_dumps_of_all_weights(features):
    words = [str(features.path), "--split", "validation", "--dump", "hidden"]
    assert eval.main([*words, "--weights", ",".join(WEIGHTS)]) == 0
    before, after, random = (
        dumped(features, "hidden", weights) for weights in ("pretrained", "trained", "random")
    )
    for name in ("ids", "mean", "first"):  # nothing in a frozen backbone has moved
        np.testing.assert_array_equal(before[name], after[name])
    assert not np.array_equal(random["mean"], after["mean"])
    with np.load(features.arrays("predictions", "validation")) as predictions:
        np.testing.assert_array_equal(after["ids"], predictions["ids"])


def test_pretrained_weights_are_those_before_training(finished):
    setup = runs_of.load(finished, weights="pretrained")
    moved = runs_of.load(finished)
    own, learned = (dict(s.model.backbone.named_parameters()) for s in (setup, moved))
    assert own.keys() == learned.keys()
    assert setup.backbone_fingerprint == finished.read_env()["backbone_fingerprint"]
    assert any((own[name] != learned[name]).any() for name in own)


def test_attention_rows_sum_to_one_and_padding_gets_nothing(finished):
    dataset = runs_of.load_data(runs_of.config_of(finished))
    setup = runs_of.load(finished, dataset)
    network = setup.model.backbone.model
    kernel = network.config._attn_implementation
    arrays = attention.collect(setup, dataset, "validation", 5)
    assert network.config._attn_implementation == kernel
    real = arrays["tokens"] != ""
    assert 0 < real.sum() < real.size  # some are padded
    maps = arrays["maps"].astype(np.float64)  # [n, L, h, t, t]
    sums = maps.sum(axis=-1)
    expected = np.broadcast_to(real[:, None, None], sums.shape)
    np.testing.assert_allclose(sums, expected, atol=2e-3)  # float16 holds about 3 digits
    assert not maps[~np.broadcast_to(real[:, None, None, None], maps.shape)].any()


@pytest.mark.parametrize("family", ["bert", "gpt2", "deberta-v2"])
def test_maps_of_every_family_are_those_of_eager_attention(family):
    """A1, A2: rows sum to 1, padding gets exactly nothing, and the fused kernel comes back."""
    network = tiny_backbone(family).model
    kernel = network.config._attn_implementation
    ids = torch.tensor([[2, 9, 14, 7, 3], [2, 11, 3, 0, 0]])
    inputs = {"input_ids": ids, "attention_mask": (ids != 0).long()}
    with torch.no_grad():
        fused = network(**inputs).last_hidden_state
        with attention.forming_weights(network):
            output = network(**inputs, output_attentions=True)
        network.set_attn_implementation("eager")
        eager = attention.maps_of(network(**inputs, output_attentions=True), 5)
        network.set_attn_implementation(kernel)
    maps = attention.maps_of(output, 5)
    assert maps.shape == (2, 2, 2, 5, 5)  # [b, L, h, t, t]
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(maps[0], eager[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(maps[1, ..., :3, :], eager[1, ..., :3, :], atol=1e-5, rtol=0)
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(maps[1].sum(-1)[..., :3], torch.ones(2, 2, 3), atol=1e-5, rtol=0)
    assert (maps[1, ..., :3, 3:] == 0).all()
    torch.testing.assert_close(output.last_hidden_state[real], fused[real], atol=1e-5, rtol=0)
    assert network.config._attn_implementation == kernel


def test_the_kernel_comes_back_after_an_error_and_empty_maps_are_refused():
    """A2: under a fused kernel transformers returns no maps, and says so in a warning only."""
    network = tiny_backbone("bert").model
    kernel = network.config._attn_implementation
    assert kernel != "tl"
    with pytest.raises(KeyError), attention.forming_weights(network):
        raise KeyError
    assert network.config._attn_implementation == kernel
    for empty in ((), (None, None)):
        with pytest.raises(ValueError, match="no attention weights"):
            attention.maps_of({"attentions": empty}, 5)


def test_a_limit_takes_the_first_examples(finished):
    dataset = runs_of.load_data(runs_of.config_of(finished))
    setup = runs_of.load(finished, dataset)
    arrays = hidden.collect(setup, dataset, "validation", 3)
    every = hidden.collect(setup, dataset, "validation", hidden.LIMIT)
    assert arrays["ids"].tolist() == every["ids"][:3].tolist()
    assert arrays["mean"].shape == (3, *every["mean"].shape[1:])


def test_every_dump_has_a_limit_and_collects():
    from tl.dumps import dump_of

    for name in DUMPS:
        kind = dump_of(name)
        assert kind.LIMIT > 0
        assert callable(kind.collect)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--dump", "hiden"], ["allowed are", "hidden", "'hiden'"]),
        (["--dump", "hidden", "--weights", "best"], ["trained, pretrained, random", "'best'"]),
        (["--weights", "random"], ["--weights belong to --dump"]),
        (["--limit", "3"], ["--limit", "--dump"]),
    ],
)
def test_bad_words(words, parts, finished, capsys):
    refused_by(eval.main, [str(finished.path), *words], capsys, *parts)
