"""Exports of runs that write text: transformers writes what we write."""

import pytest
import torch
from running import refused_by, trained
from tiny import save_model, sentiment_records, write_splits
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

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
