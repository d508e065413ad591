"""The dump of rewrites: what a model says of texts in other words."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from running import refused_by, trained

import eval
from tl import trained as runs_of
from tl.dumps import rewrites
from tl.evaluate import infer
from tl.rewriting.base import Rewrite
from tl.rewriting.rules import RuleRewriter


@pytest.fixture(scope="module")
def tagger(model_folder, tagged_folder, tmp_path_factory):
    """A finished run of ner; read only but for dumps."""
    words = ["--task", "ner", "--data", str(tagged_folder), "--model", str(model_folder)]
    words += ["--strategy", "bitfit", "--epochs", "1", "--device", "cpu", "--precision", "fp32"]
    return trained(words, tmp_path_factory.mktemp("tagger"))


def dumped(run, *words):
    assert eval.main([str(run.path), "--dump", "rewrites", *words]) == 0
    with np.load(run.arrays("rewrites", "test")) as arrays:
        found = dict(arrays)
    for name in ("texts", "rewritten_texts", "gold", "rewritten_gold"):
        if name in found:
            found[name] = json.loads(found[name].item())
    return found


def test_texts_and_rewrites_with_what_the_model_says_of_each(dumping):
    found = dumped(dumping, "--rewrites.k", "3")
    n, m = len(found["texts"]), len(found["rewritten_texts"])
    assert (n, found["k"], found["by"]) == (8, 3, "rules")
    assert m <= 3 * n
    assert np.bincount(found["source"]).max() == 3
    np.testing.assert_array_equal(found["rewritten_labels"], found["labels"][found["source"]])
    assert all(
        new != found["texts"][s]
        for new, s in zip(found["rewritten_texts"], found["source"], strict=True)
    )
    setup = runs_of.load(dumping)
    for front in ("", "rewritten_"):
        examples = [setup.task.encode_text(text, "0") for text in found[f"{front}texts"]]
        np.testing.assert_allclose(
            found[f"{front}logits"], infer(setup, examples, "")[0], atol=1e-5
        )
    hidden = found["unseen"]  # the tokenizer knows no capitals
    assert (found["kinds"][hidden] == "case").all()
    assert hidden.any()
    same = found["logits"][found["source"]][hidden]
    np.testing.assert_array_equal(found["rewritten_logits"][hidden], same)


def test_a_limit_takes_the_first_texts_and_another_seed_other_rewrites(dumping):
    every = dumped(dumping)
    few = dumped(dumping, "--limit", "2")
    assert few["texts"] == every["texts"][:2]
    assert few["rewritten_texts"] == every["rewritten_texts"][: len(few["source"])]
    other = dumped(dumping, "--limit", "2", "--rewrites.seed", "1")
    assert other["rewritten_texts"] != few["rewritten_texts"]


def test_entities_of_rewritten_sentences_are_those_of_their_sources(tagger):
    found = dumped(tagger)

    def entities(text, tags):
        pairs = zip(text.split(" "), tags, strict=True)
        return sorted((word, tag) for word, tag in pairs if tag != "O")

    assert len(found["source"]) > 8
    rows = zip(found["source"], found["rewritten_texts"], found["rewritten_gold"], strict=True)
    for s, text, tags in rows:
        assert entities(text, tags) == entities(found["texts"][s], found["gold"][s])
    for front in ("", "rewritten_"):
        n_words = [len(tags) for tags in found[f"{front}gold"]]
        assert found[f"{front}n_words"].tolist() == n_words
        assert len(found[f"{front}logits"]) == sum(n_words)


def test_texts_of_one_label_have_no_gold_tags_though_their_records_do():
    record = {"text": "Anna left", "label": "good", "tokens": ["Anna", "left"], "ner_tags": ["O"]}
    task = SimpleNamespace(
        dataset=SimpleNamespace(splits={"test": [record]}), texts=lambda split: (["Anna left"], [])
    )
    assert rewrites.texts_of(task, "test") == {"texts": rewrites.listed(["Anna left"])}


def test_a_rewriter_whose_rewrites_are_all_refused(dumping, monkeypatch, capsys):
    monkeypatch.setattr(RuleRewriter, "rewrite", lambda self, text, k, seed: [Rewrite(text, "x")])
    parts = ["rules left no rewrite of 8 texts", "8 for unchanged", "another rewriter"]
    refused_by(eval.main, [str(dumping.path), "--dump", "rewrites"], capsys, *parts)


def test_texts_that_no_rule_knows(dumping, monkeypatch, capsys):
    monkeypatch.setattr(RuleRewriter, "rewrite", lambda self, text, k, seed: [])
    words = [str(dumping.path), "--dump", "rewrites"]
    refused_by(eval.main, words, capsys, "there was no proposal")


def test_other_tasks_are_refused():
    setup = SimpleNamespace(task=SimpleNamespace(name="summarization"))
    with pytest.raises(ValueError, match="classification, ner; this one is of summarization"):
        rewrites.rewritten(setup, [], rewrites.Options())


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--rewrites.k", "3"], ["--rewrites.k belongs to --dump rewrites"]),
        (["--dump", "hidden", "--rewrites.by", "rules"], ["--rewrites.by belongs to"]),
        (["--dump", "rewrites", "--rewrites.k", "0"], ["--rewrites.k", "[1, 20]"]),
        (["--dump", "rewrites", "--rewrites.by", "rulez"], ["unknown rewriter 'rulez'", "'rules'"]),
        (["--dump", "rewrites", "--rewrites.by", "seq2seq"], ["seq2seq takes 1 models"]),
    ],
)
def test_bad_words(words, parts, dumping, capsys):
    refused_by(eval.main, [str(dumping.path), *words], capsys, *parts)


def test_help_lists_the_options_of_dumps_without_their_imports(capsys):
    with pytest.raises(SystemExit):
        eval.main(["--help"])
    shown = capsys.readouterr().out
    for flag in ("--rewrites.by", "--rewrites.k", "--rewrites.seed", "--rewrites.prefix"):
        assert flag in shown
