"""Arrays for analysis: whose weights they are of, and what they hold."""

import numpy as np
import pytest
import torch
from running import refused_by, trained
from tiny import tiny_backbone, write_splits

import eval
from analysis.others import other_data
from analysis.states import text_properties
from tl import trained as runs_of
from tl.data.batch import Example, input_keys
from tl.data.encode import encode_words
from tl.dumps import DUMPS, attention, hidden
from tl.dumps.knowledge import firsts
from tl.dumps.outputs import half
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


def test_states_beyond_the_range_of_float16_are_kept(finished):
    """F7: as those of a large T5, from a sound training."""
    dataset = runs_of.load_data(runs_of.config_of(finished))
    setup = runs_of.load(finished, dataset)
    usual = hidden.collect(setup, dataset, "validation", 5)
    assert usual["mean"].dtype == np.float16
    norms = [m for m in setup.model.backbone.modules() if isinstance(m, torch.nn.LayerNorm)]
    with torch.no_grad():
        norms[-1].weight.mul_(1e6)
        norms[-1].bias.mul_(1e6)
    large = hidden.collect(setup, dataset, "validation", 5)
    for pool in ("mean", "first"):
        assert large[pool].dtype == np.float32
        np.testing.assert_allclose(large[pool][:, -1], 1e6 * usual[pool][:, -1].astype(float),
                                   rtol=1e-2, atol=1e3)  # fmt: skip
        np.testing.assert_allclose(large[pool][:, :-1], usual[pool][:, :-1], rtol=1e-3, atol=1e-4)


def test_what_is_infinite_stays_so():
    assert half(torch.tensor([65504.0, 1.0])).dtype == np.float16
    kept = half(torch.tensor([70000.0, -70000.0, np.inf, np.nan]))
    np.testing.assert_array_equal(kept, np.array([70000, -70000, np.inf, np.nan], np.float32))


def test_copies_of_a_text_have_one_key():
    """F4: whatever their ids and labels."""
    one = Example("1", {"input_ids": [1, 2], "token_type_ids": [0, 0]}, 0)
    copy = Example("2", {"token_type_ids": [0, 0], "input_ids": [1, 2]}, 1)
    other = Example("1", {"input_ids": [1, 2], "token_type_ids": [0, 1]}, 0)
    first, second, third = input_keys([one, copy, other])
    assert first == second != third
    assert firsts([other, one, copy, other]).tolist() == [0, 1, 1, 0]


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


TREE = "1\tgood\t_\tADJ\t_\t_\t2\t_\t_\t_\n2\tday\t_\tNOUN\t_\t_\t0\t_\t_\t_\n\n"


def test_words_with_what_is_known_of_them(dumping, tmp_path):
    """The state of a word is that of its first piece, in every layer."""
    path = tmp_path / "trees.conllu"
    path.write_text(TREE + TREE.replace("good", "unheardofword"), encoding="utf-8")
    command = [str(dumping.path), "--dump", "words", "--data", str(path), "--weights"]
    assert eval.main([*command, "trained,pretrained"]) == 0
    with np.load(dumping.arrays("words", "trees-test")) as file:
        found = dict(file)
    assert (str(found["data"]), str(found["data_name"])) == (str(path), "trees")
    assert found["forms"].tolist() == ["good", "day", "unheardofword", "day"]
    assert found["ids"].tolist() == ["0", "0", "1", "1"]
    assert found["words"].tolist() == [0, 1, 0, 1]
    assert found["upos"].tolist() == ["ADJ", "NOUN"] * 2
    assert found["depth"].tolist() == ["1", "0"] * 2
    setup = runs_of.load(dumping)
    ((inputs, _, first),) = encode_words(setup.task.tokenizer, [["unheardofword", "day"]], 64)
    setup.model.eval()
    tensors = {name: torch.tensor([ids]) for name, ids in inputs.items()}
    tensors["attention_mask"] = torch.ones_like(tensors["input_ids"])
    with torch.no_grad():
        output = setup.model.read(tensors, output_hidden_states=True)
    for layer, states in enumerate(output["hidden_states"]):
        expected = states[0, [first[0], first[1]]].numpy()
        np.testing.assert_allclose(found["word_states"][2:, layer], expected, atol=2e-3)


def test_words_with_entity_types(dumping, tagged_folder):
    command = [str(dumping.path), "--dump", "words", "--data", str(tagged_folder)]
    assert eval.main([*command, "--split", "validation", "--limit", "3"]) == 0
    path = dumping.arrays("words", f"{tagged_folder.name}-validation")
    with np.load(path) as found:
        assert len(set(found["ids"])) == 3
        assert "O" in found["entity"]
        assert not any(kind.startswith(("B-", "I-")) for kind in found["entity"])
        assert "upos" not in found


def test_word_states_are_of_the_pieces_that_are_named(tagger):
    dataset = runs_of.load_data(runs_of.config_of(tagger))
    setup = runs_of.load(tagger, dataset)
    arrays = hidden.collect(setup, dataset, "validation", 4)
    examples = setup.task.examples("validation")[:4]
    names = setup.task.tokenizer.convert_ids_to_tokens
    expected = [names(e.inputs["input_ids"][i]) for e in examples for i in e.positions]
    assert arrays["word_pieces"].tolist() == expected
    assert len(arrays["word_states"]) == len(expected)


NEWS = [
    {"id": f"n{i}", "text": f"a {word} day in town", "topic": topic}
    for i, (word, topic) in enumerate([("good", "Sports"), ("bad", "World")] * 5)
]


@pytest.fixture
def news(tmp_path):
    """A directory of texts with a topic, which no run has learned from."""
    splits = {"train": NEWS[:2], "validation": NEWS[:2], "test": NEWS}
    return str(write_splits(tmp_path / "news", splits))


@pytest.fixture(scope="module")
def tagger(basic, tagged_folder, tmp_path_factory):
    """A finished run that labels words; read only but for dumps."""
    place = basic.index("--data")
    command = [*basic[:place], "--data", str(tagged_folder), *basic[place + 2 :]]
    command[command.index("classification")] = "ner"
    return trained(
        [*command, "--strategy", "full", "--epochs", "1"], tmp_path_factory.mktemp("ner")
    )


def test_a_tagger_is_asked_for_the_topic_of_texts(tagger, news):
    """The states of a text are those that `hidden` would give of it."""
    command = [str(tagger.path), "--dump", "texts", "--data", news, "--texts.label", "topic"]
    assert eval.main([*command, "--weights", ",".join(WEIGHTS), "--limit", "7"]) == 0
    found = {}
    for weights in WEIGHTS:
        with np.load(tagger.arrays("texts", "news--topic-test", weights)) as arrays:
            found[weights] = dict(arrays)
    for arrays in found.values():
        own = {"ids", "text_keys", "mean", "first", "labels", "column"}
        assert arrays.keys() == own | {"data", "data_name"}
        assert arrays["ids"].tolist() == [f"n{i}" for i in range(7)]
        assert arrays["labels"].tolist() == [record["topic"] for record in NEWS[:7]]
        assert str(arrays["column"]) == "topic"
        assert arrays["mean"].dtype == arrays["first"].dtype == np.float16
    assert not np.array_equal(found["trained"]["mean"], found["pretrained"]["mean"])
    setup = runs_of.load(tagger)
    setup.model.eval()
    inputs = setup.task.tokenizer(NEWS[1]["text"], return_tensors="pt")
    with torch.no_grad():
        states = setup.model.read(dict(inputs), output_hidden_states=True)["hidden_states"]
    for layer, state in enumerate(states):
        for name, expected in (("mean", state[0].mean(dim=0)), ("first", state[0, 0])):
            np.testing.assert_allclose(
                found["trained"][name][1, layer], expected.numpy(), atol=2e-3
            )


def test_data_of_the_hub_are_found_again_whatever_they_are_called(dumping, monkeypatch):
    """Two columns of one data set stand side by side, and no name makes a directory."""
    records = [{**record, "label": "ab"[i % 2]} for i, record in enumerate(NEWS)]
    splits = {"train": records[:2], "validation": records[:2], "test": records}
    monkeypatch.setattr("tl.data.hub.hub_splits", lambda name: (splits, []))
    command = [str(dumping.path), "--weights", "trained,pretrained", "--data", "owner/short:en"]
    for words in (["texts"], ["texts", "--texts.label", "topic"], ["source"]):
        assert eval.main([*command, "--dump", *words]) == 0
    found = {other.stem: other for other in other_data(dumping, "texts")}
    one, topic = (found[f"owner--short--en{part}-test"] for part in ("", "--topic"))
    assert (one.name, one.data, one.column) == ("owner/short:en", "owner/short:en", "label")
    assert topic.options == "--texts.label topic --data owner/short:en --split test"
    names = {prop.name for prop in text_properties(dumping, ("trained", "pretrained"))}
    assert names >= {"label of owner/short:en", "topic, owner/short:en"}
    assert "owner/short:en" in {other.name for other in other_data(dumping, "source")}
    assert not any(path.is_dir() for path in dumping.path.glob("*/*"))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["no column 'label'", "columns: id, text, topic", "--texts.label"]),
        (["--texts.label", "text", "--limit", "1"], ["first 1 texts", "one", "--limit"]),
        (
            ["--texts.label", "id"],
            ["10 different 'id'", "10 texts of news-test", "columns: id, text"],
        ),
        (["--texts.label", "topic", "--split", "dev"], ["--split dev", "train, validation, test"]),
    ],
)
def test_texts_without_labels_are_refused(words, parts, dumping, news, capsys):
    command = [str(dumping.path), "--dump", "texts", "--data", news, *words]
    refused_by(eval.main, command, capsys, *parts)


def test_texts_of_data_without_texts_are_refused(dumping, tagged_folder, capsys):
    command = [str(dumping.path), "--dump", "texts", "--data", str(tagged_folder)]
    refused_by(eval.main, command, capsys, "have no texts", "tokens", "text, sentence")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--dump", "texts"], ["data of a form of its own", "--data"]),
        (["--dump", "hidden", "--texts.label", "x"], ["--texts.label belongs to --dump texts"]),
        (["--dump", "words"], ["data of a form of its own", "--data"]),
        (["--dump", "words", "--data", "no/such.conllu"], ["no/such.conllu", "does not exist"]),
        (["--dump", "hiden"], ["allowed are", "hidden", "'hiden'"]),
        (["--dump", "hidden", "--weights", "best"], ["trained, pretrained, random", "'best'"]),
        (["--weights", "random"], ["--weights belong to --dump"]),
        (["--limit", "3"], ["--limit", "--dump"]),
    ],
)
def test_bad_words(words, parts, finished, capsys):
    refused_by(eval.main, [str(finished.path), *words], capsys, *parts)
