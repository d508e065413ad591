"""Words and pieces: which position stands for which word, and what has none."""

import random

import pytest
from tiny import VOCABULARY, tiny_tokenizer
from tokenizers import Tokenizer, models
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from tl.data.encode import encode_texts, encode_words, filler_id, fit_texts, truncate

CLS, SEP = VOCABULARY.index("[CLS]"), VOCABULARY.index("[SEP]")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def plain():
    """A tokenizer without special tokens, as decoders have."""
    return tiny_tokenizer(special=False)


def pieces(inputs):
    return [VOCABULARY[i] for i in inputs["input_ids"]]


def test_a_word_stands_at_its_first_piece(tokenizer):
    ((inputs, _, first),) = encode_words(tokenizer, [["anna", "ungoods", "oslo"]], 32)
    assert pieces(inputs) == ["[CLS]", "anna", "un", "##good", "##s", "oslo", "[SEP]"]
    assert first == {0: 1, 1: 2, 2: 5}


def test_without_special_tokens_positions_begin_at_zero(plain):
    ((inputs, _, first),) = encode_words(plain, [["anna", "ungoods", "oslo"]], 32)
    assert pieces(inputs) == ["anna", "un", "##good", "##s", "oslo"]
    assert first == {0: 0, 1: 1, 2: 4}


@pytest.mark.parametrize(
    ("max_length", "expected"),
    [(7, {0: 1, 1: 2, 2: 5}), (6, {0: 1, 1: 2}), (5, {0: 1, 1: 2}), (4, {0: 1, 1: 2}), (3, {0: 1})],
)
def test_words_beyond_the_length_limit_have_no_position(max_length, expected, tokenizer):
    ((inputs, _, first),) = encode_words(tokenizer, [["anna", "ungoods", "oslo"]], max_length)
    assert first == expected
    assert len(inputs["input_ids"]) == max_length
    assert pieces(inputs)[-1] == "[SEP]"


@pytest.mark.parametrize("dropped", ["\u200b", "\x00", "\u200d", " ", ""])
def test_a_word_that_the_tokenizer_drops_has_no_position(dropped, tokenizer):
    ((inputs, _, first),) = encode_words(tokenizer, [["anna", dropped, "oslo"]], 32)
    assert pieces(inputs) == ["[CLS]", "anna", "oslo", "[SEP]"]
    assert first == {0: 1, 2: 2}


def test_an_unknown_word_has_a_position(tokenizer):
    ((inputs, _, first),) = encode_words(tokenizer, [["анна", "oslo"]], 32)
    assert pieces(inputs)[1] == "[UNK]"
    assert first == {0: 1, 1: 2}


def test_sentences_keep_their_order(tokenizer):
    sentences = [["anna"], ["oslo", "paris"], ["day"]]
    encoded = encode_words(tokenizer, sentences, 32)
    assert [pieces(one.inputs)[1:-1] for one in encoded] == sentences


def test_an_empty_sentence_keeps_its_special_tokens_and_has_no_word(tokenizer):
    ((inputs, _, first),) = encode_words(tokenizer, [[]], 32)
    assert (pieces(inputs), first) == (["[CLS]", "[SEP]"], {})


def test_an_empty_sentence_is_one_filler_where_there_are_no_special_tokens(plain):
    ((inputs, _, first),) = encode_words(plain, [[]], 32)
    assert (inputs["input_ids"], first) == ([filler_id(plain)], {})


def test_no_sentences_and_no_texts_encode_to_nothing(tokenizer):
    assert encode_words(tokenizer, [], 32) == []
    assert encode_texts(tokenizer, [], None, 32) == []


@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_an_empty_text_is_still_an_input(text, tokenizer, plain):
    assert pieces(encode_texts(tokenizer, [text], None, 32)[0].inputs) == ["[CLS]", "[SEP]"]
    assert encode_texts(plain, [text], None, 32)[0].inputs["input_ids"] == [filler_id(plain)]


def test_a_text_is_cut_at_its_end(tokenizer):
    ((inputs, *_),) = encode_texts(tokenizer, ["anna saw oslo again"], None, 4)
    assert pieces(inputs) == ["[CLS]", "anna", "saw", "[SEP]"]


def test_both_texts_of_a_pair_stand_in_one_input_with_their_types(tokenizer):
    ((inputs, *_),) = encode_texts(tokenizer, ["anna saw oslo"], ["a day"], 32)
    assert pieces(inputs) == ["[CLS]", "anna", "saw", "oslo", "[SEP]", "a", "day", "[SEP]"]
    assert inputs["token_type_ids"] == [0, 0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("longer", [0, 1])
def test_of_a_pair_the_longer_side_is_cut_first(longer, tokenizer):
    texts = ["oslo", "oslo"]
    texts[longer] = "anna saw oslo again day day day"
    ((inputs, *_),) = encode_texts(tokenizer, texts[:1], texts[1:], 7)
    sides = " ".join(pieces(inputs)).removeprefix("[CLS] ").split(" [SEP]")[:2]
    assert len(inputs["input_ids"]) == 7
    assert sides[1 - longer].strip() == "oslo"
    assert sides[longer].strip() == "anna saw oslo"


def test_the_filler_is_the_padding_id_then_the_end_of_text(plain):
    other = tiny_tokenizer(special=False)
    other.pad_token = None
    assert filler_id(plain) == plain.pad_token_id == 0
    other.eos_token = "[SEP]"
    assert filler_id(other) == SEP
    other.eos_token = None
    assert filler_id(other) == 0


@pytest.mark.parametrize(("max_length", "expected"), [(5, True), (6, False), (32, False)])
def test_a_text_that_fills_the_limit_exactly_is_not_truncated(max_length, expected, tokenizer):
    """[CLS] anna saw oslo again [SEP]: six pieces."""
    (alone,) = encode_texts(tokenizer, ["anna saw oslo again"], None, max_length)
    (words,) = encode_words(tokenizer, ["anna saw oslo again".split()], max_length)
    (pair,) = encode_texts(tokenizer, ["anna"], ["saw oslo again"], max_length + 1)
    assert alone.truncated == words.truncated == pair.truncated == expected


@pytest.mark.parametrize(
    ("texts", "n", "expected"),
    [
        (["anna saw oslo again"], 3, ["anna saw oslo"]),
        (["anna saw oslo again"], 4, ["anna saw oslo again"]),
        (["anna saw oslo again", "day"], 3, ["anna saw", "day"]),
        (["day", "anna saw oslo again"], 3, ["day", "anna saw"]),
        (["anna saw oslo", "again day day"], 4, ["anna saw", "again day"]),
        (["Anna,  saw", ""], 3, ["Anna,  saw", ""]),
        (["anna", "saw"], 0, ["", ""]),
    ],
)
def test_the_longer_text_is_truncated_first_and_what_stays_is_as_it_was(
    texts, n, expected, tokenizer
):
    assert truncate(tokenizer, texts, n) == expected


@pytest.mark.parametrize("of_bytes", [False, True])
def test_a_prompt_always_fits(of_bytes, tokenizer):
    """Also where a cut leaves part of a letter, as a tokenizer of bytes may."""
    if of_bytes:
        made = Tokenizer(models.BPE({c: i for i, c in enumerate(ByteLevel.alphabet())}, []))
        made.pre_tokenizer = ByteLevel(add_prefix_space=False)
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token=None)
    chance, template = random.Random(0), "{text} and {pair}:"
    for _ in range(100):
        texts = {name: "".join(chance.choices("abé日🙂 .", k=chance.randrange(30)))
                 for name in ("text", "pair")}  # fmt: skip
        n = chance.randrange(12, 60)
        whole = len(tokenizer(template.format(**texts))["input_ids"])
        kept, truncated = fit_texts(tokenizer, template, texts, n)
        assert len(tokenizer(template.format(**kept))["input_ids"]) <= n
        assert truncated == (whole > n)
        assert all(texts[name].startswith(kept[name]) for name in texts)


def test_a_template_that_is_too_long_is_refused(tokenizer):
    with pytest.raises(ValueError, match="alone has 5 word pieces, but 4 are left"):
        fit_texts(tokenizer, "anna saw oslo {text}", {"text": "day"}, 4)
