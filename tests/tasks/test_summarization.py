"""Summarization: what is learned, what is generated, and what it is compared with."""

import json

import numpy as np
import pytest
import torch
from running import refused, refused_by, trained
from tiny import GENERATES, save_model, tiny_backbone, tiny_tokenizer, write_splits

import eval
import train
from tl.backbones import pretrained
from tl.checkpoint.__main__ import main
from tl.data.records import Dataset
from tl.losses import IGNORED
from tl.metrics import rouge_scores
from tl.tasks.summarization import Options, Summarization, first_sentence, first_words

RECORDS = [
    {"text": "anna saw the sunny day in oslo. boris left again", "summary": "anna saw oslo"},
    {"text": "the rainy day was bad", "summary": "a bad day in rome again"},
    {"text": "clara met boris! it was fine", "summary": "clara met boris"},
]
CLS, SEP = 2, 3


def task(records=RECORDS, options=None, family="bert"):
    dataset = Dataset("d", {"train": records, "validation": records[:2]})
    one = Summarization(options or Options(), dataset, tiny_tokenizer())
    one.prepare(tiny_backbone(family, generates=True))
    return one


def ids(text):
    return tiny_tokenizer()(text, add_special_tokens=False)["input_ids"]


def test_the_decoder_reads_the_summary_moved_behind_its_start():
    one = task()
    batch = one.collate(one.examples("train"))
    for row, record in enumerate(RECORDS):
        target = [*ids(record["summary"]), SEP]
        n = len(target)
        assert batch.labels[row].tolist() == target + [IGNORED] * (7 - n)
        read = batch.inputs["decoder_input_ids"][row].tolist()
        assert read == [CLS, *target[:-1]] + [0] * (7 - n)
        assert batch.inputs["decoder_attention_mask"][row].tolist() == [1] * n + [0] * (7 - n)
    assert batch.n_targets == 4 + 7 + 4


@pytest.mark.parametrize(("family", "start"), [("t5", 0), ("bart", 3), ("encoder-decoder", 2)])
def test_a_model_that_names_its_start_token_starts_from_it(family, start):
    one = task(family=family)
    batch = one.collate(one.examples("train"))
    assert set(batch.inputs["decoder_input_ids"][:, 0].tolist()) == {start}
    # BART's checkpoints expect [CLS] behind their own start; a pair's start is [CLS] itself.
    assert batch.labels[0, 0] == (ids("anna")[0] if start == CLS else CLS)


def test_long_summaries_are_cut_and_still_end():
    one = task(options=Options(max_summary=3))
    assert one.examples("train")[1].target.ids == [*ids("a bad"), SEP]
    assert one.examples("train")[1].target.text == "a bad day in rome again"


def test_words_can_stand_in_front_of_every_text():
    one = task(options=Options(prompt="saw "))
    assert one.examples("train")[0].inputs["input_ids"][1:3] == ids("saw anna")


def test_generated_ids_end_before_the_end():
    one = task()
    output = torch.tensor([[7, 8, SEP, 0, 0], [SEP, 9, 9, 9, 9], [7, 8, 9, 10, 11]])
    assert [a.tolist() for a in one.predict(output, None)] == [[7, 8], [], [7, 8, 9, 10, 11]]


def test_scores_compare_with_the_summary_as_it_was_written():
    one = task(options=Options(max_summary=3))
    made = one.examples("train")
    answers = [np.array(ids(record["summary"])) for record in RECORDS]
    assert one.score(made, answers) == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    cut = [answer[:2] for answer in answers]
    gold = [record["summary"] for record in RECORDS]
    assert one.score(made, cut) == rouge_scores(gold, ["anna saw", "a bad", "clara met"])


def test_baselines_copy_the_start_of_the_text():
    baselines = task().baselines("train")
    gold = [record["summary"] for record in RECORDS]
    lead = ["anna saw the sunny", "the rainy day was", "clara met boris! it"]  # 12 words / 3
    first = ["anna saw the sunny day in oslo.", "the rainy day was bad", "clara met boris!"]
    expected = {"lead-4": rouge_scores(gold, lead), "first sentence": rouge_scores(gold, first)}
    assert baselines == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna saw U.S. officials", "Anna saw U.S."),
        ("  one  two", "  one  two"),
        ("", ""),
        ("今天天气很好", "今天天"),  # letters are the words of ROUGE there
    ],
)
def test_the_first_words(text, expected):
    assert first_words(text, 3) == expected


def test_texts_and_summaries_that_a_limit_truncates_are_counted():
    """The summaries have 3, 6 and 3 pieces, and an end."""
    for max_summary, expected in ((7, 0), (6, 1), (4, 1), (3, 3)):
        one = task(options=Options(max_summary=max_summary))
        found = one.notes("train", one.examples("train"))
        assert [note.split(" are")[0] for note in found] == (
            [f"{expected} of 3 train summaries"] if expected else []
        )
        assert all("(--task.max-summary)" in note for note in found)
    one = task(options=Options(max_length=8))
    (note,) = one.notes("train", one.examples("train"))
    assert note.startswith("2 of 3 train texts are longer than 8 word pieces")


def test_what_the_tokenizer_cannot_write_is_said_of_validation():
    """Ёлки is no word of its vocabulary, and case costs nothing."""
    written = [row | {"summary": row["summary"].upper()} for row in RECORDS]
    one = task(written)
    assert one.notes("validation", one.examples("validation")) == []
    unwritten = [RECORDS[0] | {"summary": "anna ёлки"}, RECORDS[1]]
    one = task(unwritten)
    (note,) = one.notes("validation", one.examples("validation"))
    best = (2 * 1 * 0.5 / 1.5 + 1) / 2  # one of two words, and all of the other summary
    assert f"the best possible rougeL is {best:.3f}" in note
    assert one.notes("train", one.examples("train")) == []


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("At 3.5 points. Then", "At 3.5 points."),
        ("Really?! Yes", "Really?!"),
        ("«Да…» сказал он.", "«Да…»"),
        ("no end", "no end"),
        ("", ""),
        ("今天很好。明天下雨。", "今天很好。"),
        ("दिन अच्छा है। रात आई।", "दिन अच्छा है।"),
    ],
)
def test_the_first_sentence(text, first):
    assert first_sentence(text) == first


def test_a_search_is_that_of_the_options():
    options = Options(max_summary=5, beams=3, no_repeat=2, length_penalty=2.0)
    one, asked = task(options=options), {}

    class Model(torch.nn.Module):
        def forward(self, batch):
            return torch.zeros(*batch.labels.shape, 50)

        def generate(self, inputs, generation_config):
            asked.update(generation_config.to_dict())
            return torch.tensor([[7, SEP]] * 3)

    loss, answers = one.answer(Model(), one.collate(one.examples("train")))
    assert loss.item() == pytest.approx(13 * np.log(50), rel=1e-5)  # 4 + 5 + 4 targets
    assert [answer.tolist() for answer in answers] == [[7]] * 3
    expected = {
        "num_beams": 3, "max_new_tokens": 5, "no_repeat_ngram_size": 2, "length_penalty": 2.0,
        "decoder_start_token_id": CLS, "eos_token_id": SEP, "pad_token_id": 0,
    }  # fmt: skip
    assert {name: asked[name] for name in expected} == expected


@pytest.fixture(scope="module")
def summaries(tmp_path_factory):
    """A data set where the summary is the second word of the text."""
    names, fillers = ["anna", "rome"], ["the", "a", "day", "was", "in", "and", "met", "left", "saw"]
    records = [
        {"text": f"{v} {name} {w}", "summary": name}
        for name in names for v in fillers for w in fillers[:4]
    ]  # fmt: skip
    splits = {"train": records, "validation": records[::5], "test": records[::7]}
    return write_splits(tmp_path_factory.mktemp("summaries"), splits)


def words_for(summaries, model, *others):
    return [
        *("--task", "summarization", "--data", str(summaries), "--model", str(model)),
        *("--device", "cpu", "--precision", "fp32", "--batch-size", "6", "--task.max-summary", "4"),
        *("--task.max-length", "20", *others),
    ]


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_a_run_learns_evaluates_and_writes(summaries, tmp_path, family, capsys):
    model = save_model(tmp_path / "model", family)
    words = words_for(summaries, model, "--strategy", "full", "--lr", "1e-2", "--epochs", "10")
    run = trained(words, tmp_path / "runs")
    result = run.read_result()
    # The tiny pair learns that a summary is one of two names, the tiny T5 also which.
    assert result["scores"]["test"]["rougeL"] > (0.9 if family == "t5" else 0.3)
    assert result["scores_before"]["test"]["rougeL"] < 0.1
    assert set(result["baselines"]["test"]) == {"lead-1", "first sentence"}
    out = capsys.readouterr().out
    assert "lead-1" in out
    arrays = np.load(run.arrays("predictions", "test"))
    assert set(arrays) == {"ids", "references", "summaries"}
    assert eval.main([str(run.path), "--json"]) == 0
    scored = json.loads(capsys.readouterr().out.splitlines()[-1])["scores"]
    assert scored == result["scores"]["test"]
    assert eval.main([str(run.path), "--text", "saw rome again", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["summary"] in ({"rome"} if family == "t5" else {"anna", "rome"})
    assert eval.main([str(run.path), "--dump", "hidden,attention"]) == 0
    assert np.load(run.arrays("hidden", "test"))["mean"].shape == (11, 3, 16)
    assert np.load(run.arrays("attention", "test"))["maps"].shape[1:3] == (2, 2)


def test_beams_are_an_option_of_a_run(summaries, tmp_path):
    model = save_model(tmp_path / "model")
    words = words_for(summaries, model, "--strategy", "lora", "--epochs", "1", "--task.beams", "3")
    assert trained(words, tmp_path / "runs").read_result()["status"] == "finished"


REFUSALS = {
    "a decoder": ("gpt2", [], "summarization takes an encoder-decoder", "this model is a decoder"),
    "an encoder that cannot": ("deberta-v2", [], "'deberta-v2' cannot generate text", "BERT"),
    "frozen features": (
        "t5",
        ["--strategy", "feature_extraction"],
        "nothing would learn. Try lora or adapter",
    ),
    "a depth of what exists": ("t5", ["--decoder-layers", "1"], "--decoder-layers 1 is for"),
    "too deep a decoder": ("bert", ["--decoder-layers", "3"], "which has 2; give at most"),
    "too long a summary": ("bert", ["--task.max-summary", "513"], "positions for 512 word pieces"),
    "a column that is not there": ("bert", ["--task.summary", "title"], "no column 'title'"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_be_is_refused(summaries, tmp_path, what, here, capsys):
    family, others, *parts = REFUSALS[what]
    model = save_model(tmp_path / "model", family)
    words = words_for(summaries, model, "--strategy", "lora", *others)
    refused([*words, *here], capsys, *parts)
    refused([*words, *here, "--dry-run"], capsys, *parts)


def test_a_depth_is_refused_where_nothing_is_generated(basic, here, capsys):
    words = [*basic, "--strategy", "full", "--decoder-layers", "1", *here]
    refused(words, capsys, "--decoder-layers 1 is for an encoder that becomes both sides")


def test_a_dry_run_counts_what_a_run_trains(summaries, tmp_path, capsys):
    model = save_model(tmp_path / "model")
    words = words_for(summaries, model, "--strategy", "lora", "--decoder-layers", "1")
    assert train.main([*words, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    run = trained([*words, "--epochs", "1"], tmp_path / "runs")
    result = run.read_result()
    for name in ("trainable_parameters", "total_parameters", "parameter_groups"):
        assert planned[name] == result[name]


def test_peft_has_no_form_for_a_run_without_a_head(summaries, tmp_path, capsys):
    model = save_model(tmp_path / "model")
    words = words_for(summaries, model, "--strategy", "lora", "--epochs", "1")
    run = trained(words, tmp_path / "runs")
    words = ["export", str(run.path), "--to", "peft", str(tmp_path / "out")]
    refused_by(main, words, capsys, "--task summarization has none, or")


def test_both_sides_start_from_the_encoder(tmp_path):
    """1907.12461, §2: cross-attention from self-attention; embeddings tied on all three sides."""
    folder = str(save_model(tmp_path, "bert"))
    pair = pretrained.pretrained_backbone(folder, 0, GENERATES).model
    encoder = pretrained.pretrained_backbone(folder).model
    decoder = pair.decoder.base_model
    expected = dict(encoder.named_parameters())
    for side in (pair.encoder, decoder):
        for name, parameter in side.named_parameters():
            source = name.replace("crossattention", "attention")
            assert torch.equal(parameter, expected[source]), name
    assert any("crossattention" in name for name, _ in decoder.named_parameters())
    embeddings = pair.encoder.get_input_embeddings().weight
    assert decoder.get_input_embeddings().weight is embeddings
    assert pair.decoder.get_output_embeddings().weight is embeddings


def test_fewer_layers_are_the_lowest(tmp_path):
    folder = str(save_model(tmp_path, "bert"))
    form = pretrained.Form(generates=True, decoder_layers=1)
    backbone = pretrained.pretrained_backbone(folder, 0, form)
    assert [block.cross is not None for block in backbone.blocks] == [False, False, True]
    first, _, of_decoder = (b.attention.query.module.weight for b in backbone.blocks)
    assert torch.equal(first, of_decoder)


def test_the_output_layer_comes_from_a_stream_of_its_own(tmp_path):
    folder = str(save_model(tmp_path, "bert"))

    def made(seed):
        backbone = pretrained.pretrained_backbone(folder, seed, GENERATES)
        named = dict(backbone.named_parameters())
        return {name: p for name, p in named.items() if p in backbone.new and p.ndim == 2}

    torch.manual_seed(0)
    one, other, another = made(1), made(1), made(2)
    assert one
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not any(torch.equal(one[name], another[name]) for name in one)
