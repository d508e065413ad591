"""Asking a pretrained model by a template: each way against the slow one, and what is refused."""

import json
import re

import numpy as np
import pytest
import torch
from running import refused_by
from tiny import CONFIGS, save_model, tiny_tokenizer
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

import eval
from tl.zero_shot import Asker, Question, check_template

TEXTS = ["the day was sunny", "anna left oslo again and again", "good"]
WORDS = ("good day", "awful")  # two pieces, and one


def ids(text):
    return tiny_tokenizer()(text, add_special_tokens=False)["input_ids"]


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A tiny BERT with its masked-language-modelling head."""
    folder = tmp_path_factory.mktemp("masked")
    torch.manual_seed(1)
    AutoModelForMaskedLM.from_config(CONFIGS["bert"]).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """A tiny GPT-2."""
    folder = tmp_path_factory.mktemp("causal")
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(CONFIGS["gpt2"]).save_pretrained(folder)
    tiny_tokenizer(special=False).save_pretrained(folder)
    return folder


def test_similarity_is_the_cosine_of_mean_states(tmp_path):
    folder = save_model(tmp_path)
    asker = Asker(str(folder))
    assert asker.method == "similarity"
    found = asker.ask(TEXTS, None, Question("the {label} day", WORDS))
    network, tokenizer = AutoModel.from_pretrained(folder).eval(), tiny_tokenizer()

    def embedded(text):
        with torch.no_grad():
            mean = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        return mean / mean.norm()

    described = [embedded(f"the {words} day") for words in WORDS]
    expected = [[float(embedded(text) @ label) for label in described] for text in TEXTS]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_cloze_is_the_mean_log_probability_of_the_pieces_in_the_gap(masked):
    asker = Asker(str(masked))
    assert asker.method == "cloze"
    found = asker.ask(TEXTS, None, Question("{text} was {label} again", WORDS))
    network = AutoModelForMaskedLM.from_pretrained(masked).eval()
    for row, text in zip(found, TEXTS, strict=True):
        for score, words in zip(row, WORDS, strict=True):
            before, gap = [2, *ids(text), *ids("was")], [4] * len(ids(words))
            with torch.no_grad():
                logits = network(torch.tensor([[*before, *gap, *ids("again"), 3]])).logits[0]
            log_p = logits.log_softmax(-1)
            each = [log_p[len(before) + i, piece].item() for i, piece in enumerate(ids(words))]
            assert score == pytest.approx(np.mean(each), abs=1e-5)


def test_a_mask_in_the_text_is_not_the_gap(masked):
    asker = Asker(str(masked))
    question = Question("{label} was {text}", ("good",))
    found = asker.ask(["the [MASK] day"], None, question)
    network = AutoModelForMaskedLM.from_pretrained(masked).eval()
    row = [2, 4, *ids("was the"), 4, *ids("day"), 3]
    with torch.no_grad():
        log_p = network(torch.tensor([row])).logits[0].log_softmax(-1)
    assert found[0, 0] == pytest.approx(log_p[1, ids("good")[0]].item(), abs=1e-5)


def test_likelihood_is_the_mean_log_probability_of_the_pieces_behind_the_text(causal):
    asker = Asker(str(causal))
    assert asker.method == "likelihood"
    found = asker.ask(TEXTS, None, Question("{text} was {label}", WORDS))
    network = AutoModelForCausalLM.from_pretrained(causal).eval()
    for row, text in zip(found, TEXTS, strict=True):
        for score, words in zip(row, WORDS, strict=True):
            before = [*ids(text), *ids("was")]
            with torch.no_grad():
                logits = network(torch.tensor([[*before, *ids(words)]])).logits[0]
            log_p = logits.log_softmax(-1)
            each = [log_p[len(before) - 1 + i, piece].item() for i, piece in enumerate(ids(words))]
            assert score == pytest.approx(np.mean(each), abs=1e-5)


@pytest.mark.parametrize("which", ["masked", "causal"])
def test_a_long_text_is_cut_and_the_template_stays(which, request):
    asker = Asker(str(request.getfixturevalue(which)))
    question = Question("{text} was {label}", ("good",), max_length=12)
    long, cut = "the day " * 30, "the day " * 4
    found = asker.ask([long, cut], None, question)
    assert found[0, 0] == pytest.approx(found[1, 0], abs=1e-5)


@pytest.mark.parametrize("which", ["masked", "causal"])
def test_pairs_have_a_place_of_their_own(which, request):
    asker = Asker(str(request.getfixturevalue(which)))
    paired = asker.ask(["anna left"], ["boris met"], Question("{text} and {pair} {label}", WORDS))
    alone = asker.ask(["anna left and boris met"], None, Question("{text} {label}", WORDS))
    np.testing.assert_allclose(paired, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("template", "method", "paired", "part"),
    [
        ("no place", "similarity", False, "for similarity it must have {label}, once each"),
        ("{label} {text}", "similarity", False, "must have {label}"),
        ("{text}", "cloze", False, "must have {text}, {label}"),
        ("{text} {label} {label}", "likelihood", False, "once each"),
        ("{text} {label}", "likelihood", True, "must have {text}, {label}, {pair}"),
        ("{label}", "similarity", True, "similarity compares one text with a label"),
        ("{text} {label} {author}", "cloze", False, "must have {text}, {label}"),
        ("{label} {", "similarity", False, "template '{label} {': Single '{' encountered"),
        ("{label} }", "similarity", False, "a brace that is meant as one is written twice"),
        ("{label!r}", "similarity", False, "braces hold a name and nothing else"),
        ("{label:>999999999999}", "similarity", False, "braces hold a name and nothing else"),
        ("{text.a} {label}", "cloze", False, "braces hold a name and nothing else"),
        ("{} {label}", "cloze", False, "braces hold a name and nothing else"),
    ],
)
def test_a_template_without_its_places_is_refused(template, method, paired, part):
    with pytest.raises(ValueError, match=re.escape(part)):
        check_template(template, method, paired=paired)


def test_the_command_line(sentiment_folder, masked, capsys):
    words = ["--zero-shot", "--data", str(sentiment_folder), "--model", str(masked), "--json"]
    assert eval.main([*words, "--words", "bad=awful", "--template", "{text} was {label}"]) == 0
    out = capsys.readouterr().out
    assert "majority" in out
    assert "zero-shot, cloze" in out
    scores = json.loads(out.splitlines()[-1])["scores"]
    assert set(scores) == {"accuracy", "precision_macro", "recall_macro", "f1_macro"}


BAD = {
    "no data": (["--zero-shot"], "--zero-shot takes --data"),
    "a run's option": (["--zero-shot", "--data", "DATA", "--device", "cpu"], "--of or --device"),
    "another task": (["--zero-shot", "--data", "DATA", "--of", "ner"], "--of or --device"),
    "a run too": (["run", "--zero-shot", "--data", "DATA"], "no run"),
    "nothing": ([], "name a run directory, or add --zero-shot"),
    "a template for a run": (["run", "--template", "x"], "belong to --zero-shot"),
    "an unknown class": (
        ["--zero-shot", "--data", "DATA", "--words", "sad=bad"],
        *("--words 'sad=bad'", "a class of bad, good"),
    ),
    "a split that is not there": (
        ["--zero-shot", "--data", "DATA", "--split", "dev"],
        "--split dev:",
    ),
    "no masked head": (
        ["--zero-shot", "--data", "DATA", "--model", "MODEL", "--method", "cloze"],
        *("has no masked-language-modelling head", "--method similarity"),
    ),
    "a method of others": (
        ["--zero-shot", "--data", "DATA", "--model", "MODEL", "--method", "likelihood"],
        *("--method likelihood", "asked by likelihood, an encoder by similarity or cloze"),
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_questions_are_refused(what, sentiment_folder, model_folder, capsys):
    words, *parts = BAD[what]
    places = {"DATA": str(sentiment_folder), "MODEL": str(model_folder)}
    refused_by(eval.main, [places.get(word, word) for word in words], capsys, *parts)


@pytest.mark.parametrize("family", ["t5", "encoder-decoder"])
def test_an_encoder_decoder_is_not_asked(family, tmp_path):
    with pytest.raises(ValueError, match="asked by likelihood, an encoder by"):
        Asker(str(save_model(tmp_path, family)))
