"""Rewriters that are models: tiny random ones, which say nothing sensible but must be handled."""

import json
import shutil

import pytest
import sentencepiece
import torch
from tiny import save_model, tiny_tokenizer
from transformers import (
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    T5Config,
    T5ForConditionalGeneration,
)

from tl.rewriting.choice import rewriter_of
from tl.rewriting.filters import choose
from tl.rewriting.seq2seq import Writer

pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
CPU = torch.device("cpu")
TEXTS = ["the day was good", "anna left oslo again", "a poor day and rain in rome"]


@pytest.fixture(scope="module")
def paraphraser(tmp_path_factory):
    """A T5 with a vocabulary of 120, of which the tokenizer has a part."""
    folder = tmp_path_factory.mktemp("t5")
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=120, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=3,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    """A Marian model with the files that a real one has: two sentencepiece models, a vocabulary."""
    folder = tmp_path_factory.mktemp("marian")
    for side in ("source", "target"):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS * 10), model_prefix=str(folder / side), vocab_size=30,
            hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    names = ["</s>", "<unk>", *(pieces.id_to_piece(i) for i in range(3, len(pieces))), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    tokenizer = MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json")
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=len(names), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_position_embeddings=128, pad_token_id=len(names) - 1,
        eos_token_id=0, decoder_start_token_id=len(names) - 1, forced_eos_token_id=0,
        max_length=16, num_beams=4,
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(folder)
    return folder


def of(kind, *folders, prefix=None):
    return rewriter_of(f"{kind}:{','.join(map(str, folders))}", prefix, CPU)


def test_a_paraphraser_writes_as_many_candidates_as_asked_and_filters_may_refuse_them(paraphraser):
    """R4."""
    rewriter = of("seq2seq", paraphraser)
    for text in TEXTS:
        proposals = rewriter.rewrite(text, 5, 0)
        assert len(proposals) == 5
        assert {proposal.kind for proposal in proposals} == {"paraphrase"}
        chosen = choose(text, proposals, 3)
        assert len(chosen.rewrites) <= 3
        assert len(chosen.rewrites) + chosen.rejected.total() <= 5
        if len(chosen.rewrites) < 3:
            assert len(chosen.rewrites) + chosen.rejected.total() == 5  # each is accounted for


def test_back_translation_goes_there_and_back(translator):
    proposals = of("back", translator, translator).rewrite(TEXTS[0], 3, 0)
    assert len(proposals) == 3
    assert {proposal.kind for proposal in proposals} == {"back-translation"}


@pytest.mark.parametrize("kind", ["seq2seq", "back"])
def test_models_write_the_same_in_another_order_and_leave_chance_alone(
    kind, paraphraser, translator
):
    """R3."""
    rewriter = of(kind, paraphraser) if kind == "seq2seq" else of(kind, translator, translator)
    torch.manual_seed(7)
    forwards = {text: rewriter.rewrite(text, 2, 0) for text in TEXTS[:2]}
    drawn = torch.rand(1)
    backwards = {text: rewriter.rewrite(text, 2, 0) for text in reversed(TEXTS[:2])}
    assert forwards == backwards
    assert rewriter.rewrite(TEXTS[0], 2, 1) != forwards[TEXTS[0]]
    torch.manual_seed(7)
    assert torch.equal(torch.rand(1), drawn)


def asked_by(rewriter, monkeypatch):
    """What the models of a rewriter are given to read."""
    read = []
    for writer in {"writer", "there", "back"} & vars(rewriter).keys():
        monkeypatch.setattr(
            getattr(rewriter, writer), "_written",
            lambda texts, **options: read.append(list(texts)) or ["ein Text"] * 2,
        )  # fmt: skip
    rewriter.rewrite("a  cafe\u0301", 2, 0)
    return read


@pytest.mark.parametrize(
    ("kind", "prefix", "read"),
    [
        ("seq2seq", None, [["paraphrase: a caf\u00e9"]]),
        ("seq2seq", "", [["a caf\u00e9"]]),
        ("seq2seq", "say|", [["say|a caf\u00e9"]]),
        ("back", None, [["a caf\u00e9"], ["ein Text"] * 2]),
        ("back", "de: |en: ", [["de: a caf\u00e9"], ["en: ein Text"] * 2]),
    ],
)  # fmt: skip
def test_a_model_is_asked_by_its_prefix_for_a_text_in_nfc(
    kind, prefix, read, paraphraser, monkeypatch
):
    """F10: translators of T5's kind need one for each direction."""
    folders = [paraphraser] * (1 if kind == "seq2seq" else 2)
    assert asked_by(of(kind, *folders, prefix=prefix), monkeypatch) == read


@pytest.mark.parametrize(
    ("by", "prefix", "part"),
    [
        ("rules", "paraphrase: ", "rules ask none; leave it out"),
        ("back:one,two", "translate: ", "two translators take two prefixes"),
        ("back:one,two", "a|b|c", "translate English to German: |translate German to English: "),
    ],
)
def test_a_prefix_that_nobody_would_read_is_refused(by, prefix, part):
    """F10."""
    with pytest.raises(ValueError, match=r"--rewrites\.prefix") as error:
        rewriter_of(by, prefix, CPU)
    assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rule", ["unknown rewriter 'rule'", "'rules'", "seq2seq"]),
        ("rules:x", ["rules takes 0 models", "seq2seq:MODEL"]),
        ("seq2seq", ["seq2seq takes 1 models", "back:MODEL,MODEL"]),
        ("back:one", ["back takes 2 models"]),
        (
            "seq2seq:./nowhere",
            ["./nowhere cannot rewrite", "no directory of that name", "encoder-decoder"],
        ),
    ],
)
def test_a_bad_choice_is_answered_in_words(text, parts):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        rewriter_of(text, "", CPU)
    for part in parts:
        assert part in str(error.value)


def test_an_encoder_cannot_rewrite(tmp_path):
    folder = save_model(tmp_path / "bert")
    with pytest.raises(ValueError, match="cannot rewrite") as error:
        of("seq2seq", folder)
    assert "\n" not in str(error.value)


def test_only_what_a_writer_must_begin_with_or_never_write_is_taken_from_its_checkpoint(
    paraphraser, tmp_path
):
    folder = shutil.copytree(paraphraser, tmp_path / "t5")
    path = folder / "generation_config.json"
    wishes = {"temperature": 9.0, "repetition_penalty": 5.0, "min_length": 20, "num_beams": 4}
    must = {"forced_bos_token_id": 7, "bad_words_ids": [[5]]}
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | wishes | must))
    wishing = Writer(str(folder), CPU)
    path.write_text(json.dumps(plain | must))
    without = Writer(str(folder), CPU)
    assert wishing.network.generation_config.forced_bos_token_id == 7
    assert wishing.likeliest(TEXTS) == without.likeliest(TEXTS)
    torch.manual_seed(0)
    drawn = wishing.sampled(TEXTS[0], 3)
    torch.manual_seed(0)
    assert drawn == without.sampled(TEXTS[0], 3)
