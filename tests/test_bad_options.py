"""A bad option is refused before anything is written; the message says what to do."""

import json

import pytest
import torch
from running import ADAPTER, FULL, LORA, refused

BAD_OPTIONS = {
    "unknown strategy": (["--strategy", "adaptor"], "'adaptor'", "'adapter'", "Known: adapter"),
    "unknown task": ([*FULL, "--task", "nre"], "'nre'", "'ner'", "classification"),
    "unknown option": ([*FULL, "--epoch", "1"], "--epoch.", "Did you mean --epochs", "--help"),
    "unknown option of a strategy": (
        [*LORA, "--strategy.rr", "1"],
        "--strategy.rr",
        "--strategy.r",
    ),
    "option of another strategy": ([*FULL, "--strategy.r", "1"], "unknown option --strategy.r"),
    "no strategy": ([], "--strategy is missing", "lora"),
    "a slip in the name": (["--stratgy", "lora"], "is missing. Did you mean it by --stratgy?"),
    "no epochs": ([*FULL, "--epochs", "0"], "--epochs", "[1, inf)", "got 0"),
    "half an epoch": ([*FULL, "--epochs", "0.5"], "--epochs", "'0.5' is not a whole number"),
    "negative rate": ([*FULL, "--lr", "-0.1"], "--lr", "(0, inf)", "got -0.1"),
    "rate that is no number": ([*FULL, "--lr", "nan"], "--lr", "(0, inf)", "got nan"),
    "warmup above one": ([*FULL, "--warmup", "2"], "--warmup", "[0, 1]", "got 2"),
    "mixout of everything": ([*FULL, "--mixout", "1"], "--mixout", "[0, 1)", "got 1"),
    "mixout of frozen weights": (
        [*LORA, "--mixout", "0.5"],
        *("--mixout", "--strategy lora keeps those frozen", "leave it out"),
    ),
    "mixout with random weights": (
        [*FULL, "--mixout", "0.5", "--init", "random"],
        *("--mixout needs pretrained weights", "--init random"),
    ),
    "a form of no mixout": (
        [*FULL, "--mixout-form", "element"],
        *("--mixout-form element", "--mixout P"),
    ),
    "decay toward no start": (
        [*FULL, "--decay-toward", "pretrained", "--init", "random"],
        *("--decay-toward pretrained needs pretrained weights", "--init random"),
    ),
    "unknown precision": ([*FULL, "--precision", "fp16"], "--precision", "fp16", "bf16"),
    "rank above the width": ([*LORA, "--strategy.r", "17"], "rank", "1..16", "got 17"),
    "layer outside": ([*ADAPTER, "--strategy.layers", "0,2"], "--strategy.layers", "0..1", "got 2"),
    "unknown target": (
        [*LORA, "--strategy.targets", "query,valeu"],
        *("unknown LoRA target 'valeu'", "'value'", "ffn_in"),
    ),
    "too large a part of train": (
        [*FULL, "--train-size", "25"],
        *("--train-size 25", "train has 24 examples", "at most"),
    ),
    "missing data": ([*FULL, "--data", "nowhere.jsonl"], "'nowhere.jsonl'", "does not exist"),
    "data near an embedded name": ([*FULL, "--data", "newsrom/"], "does not exist", "newsroom"),
    "missing model": ([*FULL, "--model", "./nowhere"], "--model ./nowhere", "minilm", "Hub id"),
    "data on the Hub without network": (
        [*FULL, "--data", "owner/data"],
        *("'owner/data'", "newsroom", "local files work offline"),
    ),
    "model on the Hub without network": (
        [*FULL, "--model", "owner/model"],
        *("--model owner/model", "Without network these work: --model minilm", "local directory"),
    ),
    "configuration that does not exist": (["--config", "nowhere.json"], "nowhere.json"),
    "run that does not exist": (["--resume", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize(("words", "parts"), [(w, p) for w, *p in BAD_OPTIONS.values()],
                         ids=BAD_OPTIONS)  # fmt: skip
def test_a_bad_option_is_refused(words, parts, basic, here, tmp_path, capsys):
    base = [] if {"--config", "--resume"} & set(words) else basic
    refused([*base, *words, *here], capsys, *parts)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["unknown target", "layer outside", "too large a part of train"])
def test_a_dry_run_refuses_it_too(name, basic, here, capsys):
    words, *parts = BAD_OPTIONS[name]
    refused([*basic, *words, *here, "--dry-run"], capsys, *parts)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(basic, here, tmp_path, capsys):
    refused([*basic, *FULL, *here, "--device", "cuda"], capsys, "--device cuda", "--device cpu")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", ["--config", "--resume"])
@pytest.mark.parametrize("content", [
    *("", "{", "[]", "null", "[" * 5000, '{"lr": ' + "9" * 5000 + "}", "\ud800"),
    '{"task": "ner", "strategy": "lora", "lr": 0}',
    '{"task": "ner", "strategy": "lora", "strategy_options": [4]}',
])  # fmt: skip
def test_a_torn_configuration_is_refused(option, content, here, tmp_path, capsys):
    path = tmp_path / "run" / "config.json"
    path.parent.mkdir()
    path.write_text(content, errors="surrogatepass")
    given = path if option == "--config" else path.parent
    where = here if option == "--config" else []
    refused([option, str(given), *where], capsys, "--lr" if "lora" in content and "lr" in content
            else str(path))  # fmt: skip
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["task", "strategy"])
@pytest.mark.parametrize("value", [["ner"], {"ner": 1}, 3, True])
def test_a_saved_name_that_is_no_text_is_unknown(name, value, here, tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"task": "ner", "strategy": "lora"} | {name: value}))
    refused(["--config", str(path), *here], capsys, f"unknown {name}", "Known: ")
