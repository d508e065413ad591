"""A bad model directory is refused before anything is written, with the reason."""

import json
import shutil

import pytest
from running import FULL, refused
from tiny import write_splits


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


BAD_MODELS = [
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
