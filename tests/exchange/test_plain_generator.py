"""Exports of runs that write text: transformers writes what we write."""

import json

import pytest
import torch
from running import refused_by, trained
from safetensors.torch import load_file, save_file
from tiny import IDS, T5, save_model, sentiment_records, tiny_tokenizer, write_splits
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    MT5Config,
    T5Config,
)

import eval
import train
from tl import trained as loading
from tl.checkpoint.__main__ import main

SUMMARIES = [
    {"text": f"{name} saw {place} again and again", "summary": f"{name} {place}"}
    for name in ("anna", "boris") for place in ("oslo", "rome") for _ in range(6)
]  # fmt: skip
STRATEGIES = {"full": ["full"], "lora": ["lora", "--strategy.r", "2", "--strategy.targets", "all"]}


def short_run(place, task, model, records, *words):
    splits = {"train": records, "validation": records[::3], "test": records[1::3]}
    data = write_splits(place / "data", splits)
    common = ["--task", task, "--data", str(data), "--model", str(model), "--epochs", "1"]
    common += ["--batch-size", "8", "--precision", "fp32", "--device", "cpu", "--lr", "1e-2"]
    return trained([*common, "--strategy", *words], place / "runs")


def exported(run, place):
    out = place / "out"
    assert main(["export", str(run.path), "--to", "transformers", str(out)]) == 0
    return out


def ours(run, text):
    """What our model writes, as ids without what ends and pads them."""
    setup = loading.load(run, device="cpu", precision="fp32")
    batch = setup.task.collate([setup.task.encode_text(text, "0")])
    _, (answer,) = setup.task.answer(setup.model.eval(), batch)
    return setup.task.texts([answer])[0]


@pytest.mark.parametrize(
    ("family", "strategy"),
    [("bert", "full"), ("bert", "lora"), *((f, "lora") for f in ("t5", "bart", "encoder-decoder"))],
)
def test_transformers_writes_our_summaries(tmp_path, family, strategy):
    model = save_model(tmp_path / "model", family, generates=family != "bert")
    words = [*STRATEGIES[strategy], "--task.max-length", "40", "--task.max-summary", "8"]
    run = short_run(tmp_path, "summarization", model, SUMMARIES, *words)
    out = exported(run, tmp_path)
    network, tokenizer = (
        kind.from_pretrained(out) for kind in (AutoModelForSeq2SeqLM, AutoTokenizer)
    )
    ids = tokenizer("anna saw the rainy day", return_tensors="pt")
    ids.pop("token_type_ids", None)
    written = tokenizer.decode(network.generate(**ids)[0], skip_special_tokens=True)
    assert written.strip() == ours(run, "anna saw the rainy day")


@pytest.mark.parametrize(
    ("family", "strategy"), [("gpt2", "full"), ("gpt2", "lora"), ("llama", "lora")]
)
def test_transformers_writes_our_answers(tmp_path, family, strategy):
    model = save_model(tmp_path / "model", family, generates=True)
    words = [*STRATEGIES[strategy], "--task.max-length", "48", "--task.template", "{text} was"]
    run = short_run(tmp_path, "instruction", model, sentiment_records(24), *words)
    out = exported(run, tmp_path)
    network, tokenizer = (
        kind.from_pretrained(out) for kind in (AutoModelForCausalLM, AutoTokenizer)
    )
    ids = tokenizer("anna saw a day was", return_tensors="pt")
    ids.pop("token_type_ids", None)
    with torch.no_grad():
        written = network.generate(**ids)[0, ids["input_ids"].shape[1] :]
    assert tokenizer.decode(written, skip_special_tokens=True).strip() == ours(
        run, "anna saw a day"
    )


def test_what_was_learned_is_the_start_of_another_run(tmp_path):
    model = save_model(tmp_path / "model", "gpt2", generates=True)
    words = ["lora", "--task.max-length", "48"]
    run = short_run(tmp_path, "instruction", model, sentiment_records(24), *words)
    out = exported(run, tmp_path)
    again = short_run(tmp_path / "again", "instruction", out, sentiment_records(24), *words)
    first, then = (one.read_result() for one in (run, again))
    assert then["scores_before"]["test"]["loss"] == pytest.approx(first["scores"]["test"]["loss"])


@pytest.mark.parametrize(
    ("strategy", "form", "reason"),
    [
        ("adapter", "transformers", "layers of their own"),
        ("adapter", "peft", "PEFT has no form for"),
        ("lora", "peft", "one head that labels"),
    ],
)
def test_what_a_form_cannot_carry_is_refused(tmp_path, strategy, form, reason, capsys):
    model = save_model(tmp_path / "model", "gpt2", generates=True)
    words = [strategy, "--task.max-length", "48"]
    run = short_run(tmp_path, "instruction", model, sentiment_records(24), *words)
    words = ["export", str(run.path), "--to", form, str(tmp_path / "out")]
    refused_by(main, words, capsys, reason)
    assert not list(tmp_path.glob("*out*")), "something was left behind"


def as_printed(run, place, text, capsys):
    """What the printed Python writes for a text, and what eval.py says of it."""
    capsys.readouterr()
    exported(run, place)
    code = capsys.readouterr().out.partition("to load it:\n")[2].strip()
    *lines, last = code.replace('text = "a text"', f"text = {text!r}").splitlines()
    names = {}
    exec("\n".join([*lines, f"answer = {last}"]), names)
    assert eval.main([str(run.path), "--text", text, "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    return names["answer"][0].strip(), said.get("summary", said.get("answer"))


LONG = " ".join(["anna saw the rainy day in oslo"] * 40)


@pytest.mark.parametrize("family", ["t5", "bart", "bert"])
def test_printed_code_reads_a_long_text_behind_the_prompt_as_we_do(family, tmp_path, capsys):
    """Bart has 128 positions; a T5 would read on, and answer otherwise."""
    model = save_model(tmp_path / "model", family, generates=family != "bert")
    words = [*STRATEGIES["full"], "--task.max-length", "24", "--task.max-summary", "8"]
    words += ["--task.prompt", "the {bad} day: "]
    run = short_run(tmp_path, "summarization", model, SUMMARIES, *words)
    theirs, ours = as_printed(run, tmp_path, LONG, capsys)
    assert theirs == ours
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["prefix"] == "the {bad} day: "
    assert config["task_specific_params"]["summarization"]["prefix"] == "the {bad} day: "
    assert AutoTokenizer.from_pretrained(tmp_path / "out").model_max_length == 24


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_printed_code_cuts_a_long_text_inside_the_template(family, tmp_path, capsys):
    model = save_model(tmp_path / "model", family, generates=True)
    words = [*STRATEGIES["lora"], "--task.max-length", "48", "--task.template", "a {text} was"]
    run = short_run(tmp_path, "instruction", model, sentiment_records(24), *words)
    theirs, ours = as_printed(run, tmp_path, LONG, capsys)
    assert theirs == ours
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["task_specific_params"]["instruction"]["template"] == "a {text} was"


@pytest.mark.parametrize("template", ["", "{pair} and {text} was"], ids=["default", "own"])
def test_printed_code_has_a_place_for_both_texts_of_a_pair(template, tmp_path, capsys):
    model = save_model(tmp_path / "model", "gpt2", generates=True)
    records = [
        {"text_1": "good day", "text_2": f"bad {i} day", "label": "good" if i % 2 else "bad"}
        for i in range(24)
    ]
    words = [*STRATEGIES["lora"], "--task.max-length", "48"]
    words += ["--task.template", template] if template else []
    run = short_run(tmp_path, "instruction", model, records, *words)
    capsys.readouterr()
    exported(run, tmp_path)
    code = capsys.readouterr().out.partition("to load it:\n")[2].strip()
    *lines, last = code.replace("a second text", "anna saw oslo").splitlines()
    names = {}
    exec("\n".join([*lines, f"answer = {last}"]), names)
    assert eval.main([str(run.path), "--text", "a text\tanna saw oslo", "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    setup = loading.load(run, device="cpu", precision="fp32")
    one = setup.task.encode_text("a text\tanna saw oslo", "0")
    prompt = one.inputs["input_ids"][: one.target.start]
    assert names["ids"].input_ids[0].tolist() == prompt
    assert names["answer"][0].strip() == said["answer"]


def untied_model(folder, kind=T5Config, *, written_by_5=False):
    """A T5 whose output layer has a matrix of its own, as since version 1.1."""
    config = kind(**T5, **IDS, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    torch.manual_seed(0)
    network = AutoModelForSeq2SeqLM.from_config(config)
    network.lm_head.weight = torch.nn.Parameter(0.3 * torch.randn(50, 16))
    network.config.tie_word_embeddings = written_by_5
    network.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("kind", "written_by_5"), [(T5Config, False), (MT5Config, True)])
def test_an_output_layer_with_a_matrix_of_its_own_is_counted_learned_and_exported(
    kind, written_by_5, tmp_path, capsys
):
    model = untied_model(tmp_path / "model", kind, written_by_5=written_by_5)
    words = [*STRATEGIES["full"], "--task.max-length", "24", "--task.max-summary", "8"]
    run = short_run(tmp_path, "summarization", model, SUMMARIES, *words)
    shape = ["--data", str(tmp_path / "data"), "--model", str(model), "--dry-run", "--json"]
    counts = []
    for start in ("pretrained", "random"):
        capsys.readouterr()
        words = ["--task", "summarization", "--strategy", "full", "--init", start, *shape]
        assert train.main(words) == 0
        counts.append(json.loads(capsys.readouterr().out)["total_parameters"])
    assert counts == [run.read_result()["total_parameters"]] * 2
    head, table = "backbone.model.lm_head.weight", "backbone.model.shared.weight"
    learned, before = load_file(run.learned), load_file(model / "model.safetensors")
    assert not torch.equal(learned[head], learned[table])
    assert not torch.equal(learned[head], before["lm_head.weight"])
    theirs, ours = as_printed(run, tmp_path, "anna saw oslo", capsys)
    assert theirs == ours
    out = tmp_path / "out"
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False
    network = AutoModelForSeq2SeqLM.from_pretrained(out).eval()
    setup = loading.load(run, device="cpu", precision="fp32")
    batch = setup.task.collate([setup.task.encode_text("anna saw oslo", "0")])
    with torch.no_grad():
        expected = setup.model.eval()(batch)
        torch.testing.assert_close(network(**batch.inputs).logits, expected)
    again = loading.load(short_run(tmp_path / "2", "summarization", out, SUMMARIES, "lora"))
    assert torch.equal(again.model.backbone.model.lm_head.weight, network.lm_head.weight)


def test_an_output_layer_that_is_missing_is_not_made_of_the_embeddings(tmp_path, capsys):
    model = untied_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights.pop("lm_head.weight")
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    data = write_splits(tmp_path / "data", {"train": SUMMARIES, "validation": SUMMARIES[:4]})
    words = ["--task", "summarization", "--strategy", "full", "--data", str(data)]
    words += ["--model", str(model), "--runs-dir", str(tmp_path / "runs")]
    refused_by(train.main, words, capsys, "lacks 1 weights", "lm_head.weight")
