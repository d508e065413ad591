"""Columns of words and tags: where lines and words end, and one tag scheme from all."""

import pytest

from tl.data.conll import read_conll, to_iob2, unify_tags


def read(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "train.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_conll(path, encoding)


def tagged(*sentences):
    return [{"tokens": ["w"] * len(s.split(" ")), "ner_tags": s.split(" ")} for s in sentences]


ANNA = {"tokens": ["Anna", "sang"], "ner_tags": ["B-PER", "O"]}
RAIN = {"tokens": ["Rain"], "ner_tags": ["O"]}


@pytest.mark.parametrize("separator", ["", "\t", "   ", " \t "])
def test_a_line_of_blanks_ends_a_sentence(tmp_path, separator):
    records = read(tmp_path, f"Anna\tB-PER\nsang\tO\n{separator}\n{separator}\nRain\tO\n")
    assert records == [ANNA, RAIN]


def test_columns_between_word_and_tag_are_skipped(tmp_path):
    assert read(tmp_path, "Anna NNP x B-PER\nsang VBD  x O") == [ANNA]


def test_docstart_lines_are_skipped_and_end_a_sentence(tmp_path):
    content = "-DOCSTART- -X- O\n\nAnna x B-PER\nsang x O\n-DOCSTART-\nRain x O\n"
    assert read(tmp_path, content) == [ANNA, RAIN]


def test_crlf(tmp_path):
    assert read(tmp_path, "Anna\tB-PER\r\nsang\tO\r\n\r\nRain\tO\r\n") == [ANNA, RAIN]


def test_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbfAnna\tB-PER\nsang\tO\n") == [ANNA]


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\xa0", "\x0b", "\x1c"])
@pytest.mark.parametrize("separator", ["\t", " "])
def test_rare_blanks_split_neither_line_nor_word(tmp_path, character, separator):
    records = read(tmp_path, f"five{character}km{separator}O\n{character}{separator}O\n")
    assert records == [{"tokens": [f"five{character}km", character], "ner_tags": ["O", "O"]}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Anna B-PER\nsang\n", r"line 2: 1 column\(s\), expected 2 as in the lines before"),
        ("Anna\nsang\n", r"line 1: 1 column\(s\), expected two or more"),
        ("Anna x B-PER\nsang O\n", r"line 2: 2 column\(s\), expected 3"),
        ("Anna X-PER\n", "line 1: unknown tag 'X-PER'"),
        ("Anna B-PER\n\nRain B-\n", "line 3: unknown tag 'B-'"),
        ("Anna PER\n", "line 1: unknown tag 'PER'"),
        ("Anna\tB-PER\n\tO\n", "line 2: the word before the first tab is empty"),
    ],
)
def test_malformed_line_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"train\.txt, {message}"):
        read(tmp_path, content)


def test_empty_file_has_no_records(tmp_path):
    assert read(tmp_path, "\n\n") == []


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB2", "B-A I-A B-A O B-B B-A I-A"),
        ("IOB1", "I-A I-A B-A O I-B I-A I-A"),
        ("BIOES", "B-A E-A S-A O S-B B-A E-A"),
        ("BILOU", "B-A L-A U-A O U-B B-A L-A"),
        ("BMEWO", "B-A E-A W-A O W-B B-A E-A"),
        ("IOE2", "I-A E-A E-A O E-B I-A E-A"),
    ],
)
def test_every_scheme_becomes_the_same_iob2(scheme, tags):
    assert to_iob2(tags.split()) == "B-A I-A B-A O B-B B-A I-A".split(), scheme


@pytest.mark.parametrize("tags", ["B-A I-A I-A", "B-A M-A E-A", "B-A I-A E-A", "B-A I-A L-A"])
def test_three_words_of_one_entity(tags):
    assert to_iob2(tags.split()) == ["B-A", "I-A", "I-A"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("IOB1", "I-A B-A O"),
        ("BIOES", "S-A O O"),
        ("BILOU", "U-A O O"),
        ("BMEWO", "W-A B-A M-A E-A"),
        ("faulty IOB2", "B-A O I-A"),
    ],
)
def test_conversion_is_announced_with_the_scheme(name, sentence):
    splits = {"train": tagged("O O", sentence), "test": tagged("O O")}
    unified, warnings = unify_tags(splits)
    assert len(warnings) == 1
    assert f"converted from {name} to IOB2" in warnings[0]
    assert unified["train"][1]["ner_tags"] == to_iob2(sentence.split())
    assert splits["train"][1]["ner_tags"] == sentence.split(), "the source must not change"


def test_iob2_stays_without_a_warning():
    splits = {"train": tagged("B-A I-A B-B O B-A B-A")}
    assert unify_tags(splits) == (splits, [])


def test_the_scheme_is_judged_over_all_splits():
    with pytest.raises(ValueError, match="mix the letters L S"):
        unify_tags({"train": tagged("S-A O"), "test": tagged("L-A O")})


@pytest.mark.parametrize("tags", [[0, 3], ["O", "X-PER"], "O O", None])
def test_unknown_tags_are_named_by_record(tags):
    splits = {"train": [*tagged("O O"), {"tokens": ["a", "b"], "ner_tags": tags}]}
    with pytest.raises(ValueError, match="record 1 of train: `ner_tags`"):
        unify_tags(splits)


def test_records_without_tags_stay():
    splits = {"train": [{"text": "Rain .", "label": "bad"}]}
    assert unify_tags(splits) == (splits, [])
