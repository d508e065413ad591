"""A bad model directory is refused before anything is written, with the reason."""

import errno
import json
import shutil

import pytest
from running import FULL, equal_bits, refused, trained
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tiny import write_splits

from tl.backbones.locate import foreign, unreadable


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "no memory")])
def test_a_lack_of_memory_is_no_fault_of_a_file(error):
    with pytest.raises(type(error)):
        foreign(unreadable("minilm", "weights"), raising(error))


@pytest.mark.parametrize(
    "error",
    [
        OverflowError("int too big to convert"),
        RuntimeError("Storage size calculation overflowed"),
        SafetensorError("Cannot allocate memory"),
    ],
)
def test_what_no_memory_would_mend_is_a_fault_of_the_file(error):
    """And so is what a loader says in an error of its own, which no program would catch."""
    with pytest.raises(ValueError, match="its weights cannot be read"):
        foreign(unreadable("minilm", "weights"), raising(error))


def raising(error):
    def load():
        raise error

    return load


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def torn_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def torn_config(folder):
    (folder / "config.json").write_text('{"model_type": "bert", ')


def without_config(folder):
    (folder / "config.json").unlink()


def other_family(folder):
    (folder / "config.json").write_text('{"model_type": "mamba"}')


def invented_family(folder):
    (folder / "config.json").write_text('{"model_type": "berd"}')


def more_layers(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))


def other_width(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 40}))


def torn_tokenizer(folder):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text()[:-50])


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def emptied_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{}")


def torn_pickle(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"hello")


def small_vocabulary(folder):
    without_weights(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 20}))


def configured(**changes):
    """What changes the configuration of a model."""

    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    change.__name__ = ",".join(f"{name}={value}" for name, value in changes.items())
    return change


def written(name, text, without=()):
    """What puts another text into a file, and takes other files away."""

    def change(folder):
        for other in without:
            (folder / other).unlink()
        (folder / name).write_text(text)

    change.__name__ = f"{name}={text[:20]}"
    return change


def holes_in_the_vocabulary(folder):
    path = folder / "tokenizer.json"
    saved = json.loads(path.read_text())
    saved["model"]["vocab"]["##ing"] = 400
    path.write_text(json.dumps(saved))


def weights_that_are_no_numbers(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["encoder.layer.1.output.dense.bias"][3] = float("nan")
    save_file(weights, path, {"format": "pt"})


def adapter_beside_weights(folder):
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')


def adapter_alone(folder):
    without_weights(folder)
    adapter_beside_weights(folder)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
SAFETENSORS = ["model.safetensors"]
INDEX = "model.safetensors.index.json"
NO_NETWORK = "no network can be made by its config.json"
BAD_MODELS = [
    (written("config.json", "null"), "config.json"),
    (written("config.json", "[]"), "config.json"),
    (written("config.json", '"bert"'), "config.json"),
    (configured(model_type=["bert"]), "names no family (model_type)"),
    (configured(model_type=None), "names no family (model_type)"),
    (configured(hidden_size=0), NO_NETWORK),
    (configured(hidden_size=-16), "config.json"),
    (configured(num_hidden_layers=0), "gives it no layers"),
    (configured(num_attention_heads=0), NO_NETWORK),
    (configured(num_attention_heads=-1), "gives attention no heads"),
    (configured(hidden_act="nope"), NO_NETWORK, "nope"),
    (configured(hidden_act=5), "config.json"),
    (configured(pad_token_id=1_000_000_000), NO_NETWORK),
    (configured(id2label="x"), "config.json cannot be read"),
    (configured(vocab_size="many"), "config.json cannot be read"),
    (configured(hidden_dropout_prob=7), NO_NETWORK),
    (configured(add_cross_attention=True), "add_cross_attention", "set it to false"),
    (written("tokenizer.json", "[]"), "tokenizer cannot be read"),
    (written("tokenizer.json", "null"), "tokenizer cannot be read"),
    (written("tokenizer_config.json", "[]"), "tokenizer cannot be read"),
    (written("tokenizer_config.json", '{"pad_token": 5}'), "tokenizer cannot be read"),
    (holes_in_the_vocabulary, "the greatest id may be 49; it is 400", "'##ing'"),
    (written(INDEX, "[]", SAFETENSORS), "weights cannot be read"),
    (written(INDEX, '{"weight_map": [1]}', SAFETENSORS), "weights cannot be read"),
    (written(INDEX, '{"weight_map": {"a": 5}}', SAFETENSORS), "weights cannot be read"),
    (written("pytorch_model.bin", POINTER, SAFETENSORS), "pytorch_model.bin", "git lfs pull"),
    (written("model.safetensors", POINTER), "model.safetensors", "git lfs pull"),
    (weights_that_are_no_numbers, "not finite", "encoder.layer.1.output.dense.bias"),
    (adapter_beside_weights, "an adapter of PEFT lies there", "move adapter_config.json"),
    (adapter_alone, "an adapter of PEFT lies there", "python -m tl.checkpoint import"),
    (without_weights, "holds no weights", "--init random"),
    (torn_weights, "cannot be read"),
    (torn_config, "config.json"),
    (without_config, "holds no config.json"),
    (other_family, "unknown model family 'mamba'", "bert"),
    (invented_family, "berd"),
    (more_layers, "lacks 16 weights", "layer.2"),
    (other_width, "intermediate"),
    (torn_tokenizer, "tokenizer"),
    (emptied_tokenizer, "tokenizer"),
    (torn_pickle, "weights cannot be read"),
    (small_vocabulary, "vocab_size"),
    (without_tokenizer, "holds no tokenizer", "--init random"),
]


@pytest.mark.parametrize(
    ("change", "parts"),
    [pytest.param(change, parts, id=change.__name__) for change, *parts in BAD_MODELS],
)
def test_a_bad_model_directory_is_refused(
    change, parts, basic, here, model_folder, tmp_path, capsys
):
    model = tmp_path / "model"
    shutil.copytree(model_folder, model)
    change(model)
    start = ["--init", "random"] if change is small_vocabulary else []
    refused([*basic, *FULL, *here, *start, "--model", str(model)], capsys, *parts)
    assert not (tmp_path / "runs").exists()


def test_a_length_limit_beyond_the_models_positions_is_refused(basic, here, tmp_path, capsys):
    records = [{"text": "day " * 600, "label": label} for label in ("good", "bad")]
    data = write_splits(tmp_path / "data", {"train": records, "validation": records})
    words = [*basic, *FULL, *here, "--data", str(data), "--task.max-length", "600"]
    refused(words, capsys, "--task.max-length", "512")
    assert not (tmp_path / "runs").exists()


def test_what_a_configuration_says_of_its_callers_changes_nothing(basic, model_folder, tmp_path):
    """Legal keys, which say how a network is called: it is called as tl calls it."""
    model = shutil.copytree(model_folder, tmp_path / "model")
    configured(return_dict=False, use_return_dict=False, chunk_size_feed_forward=3)(model)
    configured(output_hidden_states=True, output_attentions=True)(model)
    words = [*basic, *FULL, "--epochs", "1"]
    changed = trained([*words, "--model", str(model)], tmp_path / "changed")
    assert equal_bits(changed, trained(words, tmp_path / "plain"))


def test_an_adapter_is_refused_with_and_without_peft(
    basic, here, model_folder, tmp_path, monkeypatch, capsys
):
    model = shutil.copytree(model_folder, tmp_path / "model")
    adapter_beside_weights(model)
    said = []
    for installed in (True, False):
        for where in ("utils.import_utils", "models.auto.auto_factory", "integrations.peft"):
            name = f"transformers.{where}.is_peft_available"
            monkeypatch.setattr(name, lambda answer=installed: answer)
        said.append(refused([*basic, *FULL, *here, "--model", str(model)], capsys))
    assert said[0] == said[1]
