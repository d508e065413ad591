"""Exports to transformers: plain models that `pipeline` loads and that say what our run says."""

import numpy as np
import pytest
import torch
from running import refused_by, trained
from safetensors.torch import load_file, save_file
from tiny import save_model, save_sentiment, save_tagged
from transformers import AutoModelForSequenceClassification, pipeline

import eval
from tl import trained as loading
from tl.checkpoint.__main__ import main
from tl.exchange import plain

STRATEGIES = {
    "full": ["full"],
    "bitfit": ["bitfit"],
    "lora": ["lora", "--strategy.r", "2", "--strategy.targets", "all"],
    "dora": ["lora", "--strategy.r", "2", "--strategy.dora"],
    "ia3": ["ia3"],
    "features": ["feature_extraction", "--strategy.head", "linear"],
}
TEXT = "day good the a day"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    return {
        "ner": save_tagged(root / "tagged"),
        "classification": save_sentiment(root / "sentiment"),
    }


def short_run(folders, place, task, family, *words):
    model = save_model(place / "model", family)
    common = ["--task", task, "--data", str(folders[task]), "--model", str(model), "--epochs", "1"]
    common += ["--batch-size", "8", "--precision", "fp32", "--device", "cpu", "--lr", "1e-1"]
    return trained([*common, "--task.max-length", "40", "--strategy", *words], place / "runs")


def exported(run, place):
    out = place / "out"
    assert main(["export", str(run.path), "--to", "transformers", str(out)]) == 0
    return out


def our_probabilities(run, text):
    setup = loading.load(run, device="cpu", precision="fp32")
    batch = setup.task.collate([setup.task.encode_text(text, "0")])
    with torch.no_grad():
        return setup.task.labels, setup.model.eval()(batch)[0].softmax(-1).numpy()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_pipeline_labels_tokens_as_we_do(folders, tmp_path, family, strategy):
    run = short_run(folders, tmp_path, "ner", family, *STRATEGIES[strategy])
    answer = pipeline(
        "token-classification", model=str(exported(run, tmp_path)), ignore_labels=[], device="cpu"
    )("anna saw oslo again")
    labels, ours = our_probabilities(run, "anna saw oslo again")
    rows = ours[1:-1] if family == "bert" else ours  # a pipeline leaves special tokens out
    assert [word["entity"] for word in answer] == [labels[i] for i in rows.argmax(-1)]
    found = np.array([word["score"] for word in answer])
    np.testing.assert_allclose(found, rows.max(-1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["roberta", "deberta-v2", "llama", "qwen2"])
def test_other_families_label_tokens_too(folders, tmp_path, family):
    run = short_run(folders, tmp_path, "ner", family, *STRATEGIES["lora"])
    answer = pipeline(
        "token-classification", model=str(exported(run, tmp_path)), ignore_labels=[], device="cpu"
    )("anna saw oslo again")
    _, ours = our_probabilities(run, "anna saw oslo again")
    inner = ours if family in ("llama", "qwen2") else ours[1:-1]
    found = np.array([word["score"] for word in answer])
    np.testing.assert_allclose(found, inner.max(-1), rtol=0, atol=1e-5)


def agrees(run, out):
    (scores,) = pipeline("text-classification", model=str(out), top_k=None, device="cpu")([TEXT])
    labels, ours = our_probabilities(run, TEXT)
    found = {row["label"]: row["score"] for row in scores}
    assert found == pytest.approx(dict(zip(labels, ours.tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_pipeline_classifies_texts_as_we_do(folders, tmp_path, family, strategy):
    pool = ["--task.pool", "cls"] if family == "bert" else []
    run = short_run(folders, tmp_path, "classification", family, *STRATEGIES[strategy], *pool)
    agrees(run, exported(run, tmp_path))


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2"])
def test_both_heads_of_encoders_have_a_form(folders, tmp_path, family, head):
    words = ["feature_extraction", "--strategy.head", head, "--task.pool", "cls"]
    run = short_run(folders, tmp_path, "classification", family, *words)
    agrees(run, exported(run, tmp_path))


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
def test_decoders_classify_the_last_token(folders, tmp_path, family):
    run = short_run(folders, tmp_path, "classification", family, *STRATEGIES["lora"])
    agrees(run, exported(run, tmp_path))


def test_the_exported_weights_are_those_of_a_plain_model(folders, tmp_path):
    run = short_run(folders, tmp_path, "ner", "gpt2", *STRATEGIES["lora"])
    names = load_file(exported(run, tmp_path) / "model.safetensors").keys()
    assert "transformer.h.0.attn.c_attn.weight" in names
    assert not any(part in name for name in names for part in (".A", ".frozen", "query"))


CANNOT = {
    "adapters": (["adapter"], "ner", "bert", "layers of their own"),
    "a prompt": (["prompt"], "ner", "bert", "an input, not a weight"),
    "a prefix": (["prefix"], "ner", "bert", "no weight of the network can carry"),
    "a mix": (
        ["feature_extraction", "--strategy.states", "mix", "--strategy.head", "linear"],
        *("ner", "bert", "a learned mix of all layers"),
    ),
    "a transformer head": (
        ["feature_extraction", "--strategy.head", "transformer"],
        *("ner", "bert", "a transformer layer in its head"),
    ),
    "a hidden layer over tokens": (["feature_extraction"], "ner", "bert", "no hidden layer"),
    "the mean": (["full"], "classification", "bert", "takes a run with --task.pool cls"),
    "a hidden layer of a decoder": (
        ["feature_extraction"],
        *("classification", "gpt2", "one linear layer over the last token"),
    ),
    "a T5 over tokens": (["full"], "ner", "mt5", "no class that labels tokens"),
    "a BART over texts": (["full"], "classification", "bart", "feeds its decoder a shifted text"),
    "a pair of models": (["full"], "ner", "encoder-decoder", "no class that labels with"),
}


@pytest.mark.parametrize("what", CANNOT)
def test_what_would_lose_something_is_refused(folders, tmp_path, what, capsys):
    words, task, family, reason = CANNOT[what]
    run = short_run(folders, tmp_path, task, family, *words)
    out = tmp_path / "out"
    refused_by(main, ["export", str(run.path), "--to", "transformers", str(out)], capsys, reason)
    assert not list(tmp_path.glob("*out*")), "something was left behind"


def test_what_a_killed_export_left_does_not_get_into_the_next(folders, tmp_path):
    run = short_run(folders, tmp_path, "ner", "bert", *STRATEGIES["full"])
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "adapter_config.json").touch()
    assert main(["export", str(run.path), "--to", "transformers", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "adapter_config.json").exists()


def test_an_export_that_would_answer_otherwise_is_refused(folders, tmp_path, monkeypatch, capsys):
    run = short_run(folders, tmp_path, "ner", "bert", *STRATEGIES["full"])
    monkeypatch.setattr(plain, "CLOSE", -1.0)
    words = ["export", str(run.path), "--to", "transformers", str(tmp_path / "out")]
    refused_by(main, words, capsys, "logits differ from ours by")
    assert not list(tmp_path.glob("*out*"))


def test_bad_command_lines_are_refused(finished, tmp_path, capsys):
    out = str(tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    run = str(finished.path)
    refused_by(main, ["export", run, "--to", "onnx", out], capsys, "invalid choice: 'onnx'")
    refused_by(main, ["export", run, "--to", "peft", str(tmp_path / "full")], capsys, "exists")
    refused_by(main, ["export", str(tmp_path), "--to", "peft", out], capsys, "no run directory")
    refused_by(main, ["export", run, "--to", "peft", out], capsys, "PEFT has no form for", "'full'")
    refused_by(main, ["import", str(tmp_path), out, "--task", "ner", "--data", "x"], capsys,
               "no adapter of PEFT")  # fmt: skip


def test_weights_that_are_not_finite_are_not_merged(folders, tmp_path, capsys):
    run = short_run(folders, tmp_path, "ner", "bert", *STRATEGIES["lora"])
    weights = load_file(run.learned)
    name = next(name for name in weights if name.endswith(".B"))
    weights[name][0, 0] = torch.nan
    from safetensors import safe_open

    with safe_open(run.learned, "pt") as file:
        metadata = file.metadata()
    save_file(weights, run.learned, metadata)
    words = ["export", str(run.path), "--to", "transformers", str(tmp_path / "out")]
    refused_by(main, words, capsys, "a learned weight is not finite")


def test_an_exported_model_is_a_model_directory_for_us(folders, tmp_path):
    """What was learned can be the start of another run."""
    run = short_run(folders, tmp_path, "ner", "bert", *STRATEGIES["lora"])
    out = exported(run, tmp_path)
    words = ["--task", "ner", "--data", str(folders["ner"]), "--model", str(out), "--epochs", "1"]
    again = trained([*words, "--task.max-length", "40", "--strategy", "full"], tmp_path / "again")
    assert eval.main([str(again.path)]) == 0
    assert AutoModelForSequenceClassification.from_pretrained(out) is not None
