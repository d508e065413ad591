"""Words and pieces: which position stands for which word, and what has none."""

import pytest
from tiny import VOCABULARY, tiny_tokenizer

from tl.data.encode import encode_texts, encode_words, filler_id

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
