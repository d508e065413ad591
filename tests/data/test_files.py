"""JSON and CSV as records, and the bytes below them."""

import csv
import math
import re
import time

import pytest

from tl.data.files import read_csv, read_json, read_text


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(tmp_path, content, name="train.csv"):
    return read_csv(written(tmp_path, name, content), "utf-8")


def test_wrong_encoding_names_file_line_and_byte(tmp_path):
    path = written(tmp_path, "train.csv", "text\nfine\ncafé\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"train\.csv, line 3: byte 0xe9 .*--encoding cp1252"):
        read_csv(path, "utf-8")
    assert read_csv(path, "cp1252") == [{"text": "fine"}, {"text": "café"}]


def test_unknown_encoding(tmp_path):
    path = written(tmp_path, "train.csv", "text\n")
    for encoding in ("utf-9", "hex", "a\0b"):
        with pytest.raises(ValueError, match=f"unknown encoding {re.escape(repr(encoding))}"):
            read_text(path, encoding)
    with pytest.raises(ValueError, match=r"train\.csv is not valid undefined: "):
        read_text(path, "undefined")


HALVES = {
    "high": r"\ud83d", "low": r"\uDE00", "swapped": r"\ude00\ud83d",
    "apart": r"\ud83d \ude00",
}  # fmt: skip


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("record", [
    '{"text": "a %s"}', '{"%s": "a"}', '{"text": ["a", "%s"]}', '{"text": {"a": {"b": ["%s"]}}}',
])  # fmt: skip
def test_half_a_surrogate_pair_is_refused_with_its_line(record, half, tmp_path):
    fine = '{"text": "a"}'
    lines = written(tmp_path, "a.jsonl", f"{fine}\n\n{record % half}\n{fine}\n")
    with pytest.raises(ValueError, match=r"a\.jsonl, line 3: .*half a surrogate pair"):
        read_json(lines, "utf-8")
    values = written(tmp_path, "a.json", f"[{fine},\n{record % half}]")
    with pytest.raises(ValueError, match=r"a\.json, element 2: .*half a surrogate pair"):
        read_json(values, "utf-8")


def test_a_whole_surrogate_pair_is_one_character(tmp_path):
    path = written(tmp_path, "a.jsonl", '{"text": "\\ud83d\\ude00 \\\\ud83d"}\n')
    assert read_json(path, "utf-8") == [{"text": "\U0001f600 \\ud83d"}]


def test_half_a_surrogate_pair_of_an_encoding_is_refused_with_its_line(tmp_path):
    for name, read in (("a.csv", read_csv), ("a.jsonl", read_json)):
        path = written(tmp_path, name, "text\nfine\na \\ud83d\n")
        with pytest.raises(ValueError, match=rf"{name}, line 3: .*half a surrogate pair"):
            read(path, "unicode_escape")


def test_a_header_of_very_many_columns_is_read_at_once(tmp_path):
    names = ",".join(f"c{i}" for i in range(50_000))
    started = time.monotonic()
    assert rows(tmp_path, f"{names}\n") == []
    with pytest.raises(ValueError, match="the header repeats 'c1', 'c2'; the first row"):
        rows(tmp_path, f"{names},c2,c1\n")
    assert time.monotonic() - started < 5  # counting each name in the list took a minute


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig"])
def test_byte_order_mark_is_dropped(tmp_path, encoding):
    path = written(tmp_path, "train.csv", b"\xef\xbb\xbftext,label\na,b\n")
    assert read_csv(path, encoding) == [{"text": "a", "label": "b"}]


def test_json_lines_with_crlf_and_empty_lines(tmp_path):
    path = written(tmp_path, "a.jsonl", '{"text": "a"}\r\n\r\n \t\n{"text": "b"}')
    assert read_json(path, "utf-8") == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\xa0"])
def test_rare_line_ends_do_not_split_a_record(tmp_path, character):
    text = f"one{character}two"
    assert read_json(written(tmp_path, "a.jsonl", f'{{"text": "{text}"}}\n'), "utf-8") == [
        {"text": text}
    ]
    assert rows(tmp_path, f"text,label\n{text},x\n") == [{"text": text, "label": "x"}]


def test_json_list_of_objects(tmp_path):
    path = written(tmp_path, "a.json", '[\n {"text": "a"},\n {"text": "b"}\n]\n')
    assert read_json(path, "utf-8") == [{"text": "a"}, {"text": "b"}]


def test_json_nan_and_infinity(tmp_path):
    (record,) = read_json(written(tmp_path, "a.jsonl", '{"x": NaN, "y": Infinity}'), "utf-8")
    assert math.isnan(record["x"])
    assert record["y"] == math.inf


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n{"text": \n', "line 2: bad JSON"),
        ('{"text": "a"}\n\n"text"\n', "line 3: expected a JSON object .* got a str"),
        ('[{"text": "a"},\n {"text" 1}]', "line 2: bad JSON"),
        ('[{"text": "a"}, 3]', "element 2: expected a JSON object .* got a int"),
        ('{\n "data": []\n}', "line 1: bad JSON .* one JSON object per line"),
        ('{"text": "a"}\n' + "[" * 5000, "line 2: JSON nested too deeply"),
        ("[" * 5000, "line 1: JSON nested too deeply"),
        ('{"text": "a", "label": ' + "9" * 5000 + "}", "line 1: .* too long a number"),
    ],
)
def test_malformed_json_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"a\.jsonl, {message}"):
        read_json(written(tmp_path, "a.jsonl", content), "utf-8")


def test_quoted_field_holds_line_ends_delimiters_and_quotes(tmp_path):
    content = 'text,label\r\n"one,\r\n\r\n""two""",good\r\nthree,bad\r\n'
    assert rows(tmp_path, content) == [
        {"text": 'one,\n\n"two"', "label": "good"},
        {"text": "three", "label": "bad"},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_is_the_one_of_the_header(tmp_path, delimiter):
    content = f"text{delimiter}label\none{delimiter}good\n"
    assert rows(tmp_path, content) == [{"text": "one", "label": "good"}]


def test_lines_that_end_with_a_carriage_return_alone(tmp_path):
    assert rows(tmp_path, "\rtext;label\ra,b;x\r") == [{"text": "a,b", "label": "x"}]


def test_tsv_may_hold_commas_in_its_header(tmp_path):
    assert rows(tmp_path, "a,b,c\tlabel\n1,2,3\tx\n", "a.tsv") == [{"a,b,c": "1,2,3", "label": "x"}]


def test_one_column(tmp_path):
    assert rows(tmp_path, "text\none\n\ntwo\n") == [{"text": "one"}, {"text": "two"}]


def test_long_field(tmp_path):
    text = "a" * 200_000  # the standard library's limit is 131,072
    assert rows(tmp_path, f"text,label\n{text},x\n") == [{"text": text, "label": "x"}]


def test_a_header_may_be_as_long_as_an_article(tmp_path):
    """It is looked at before anything else is: to find the delimiter."""
    before = csv.field_size_limit(131_072)
    path = tmp_path / "wide.csv"
    path.write_text(f"{'a' * 200_000},label\nx,y\n")
    try:
        (record,) = read_csv(path, "utf-8")
    finally:
        csv.field_size_limit(before)
    assert record == {"a" * 200_000: "x", "label": "y"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text,label\n"a\nb",x\none,two,three\n', r"line 4: 3 fields where the header has 2"),
        ("text,label\none\n", "line 2: 1 fields where the header has 2"),
        ('text,label\na,x\n"open,x\nb,y\n', "line 3: bad quoting"),
        ('text,label\n"a" b,x\n', "line 2: bad quoting"),
        ("text,label,text\n", "line 1: the header repeats 'text'"),
    ],
)
def test_malformed_csv_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"train\.csv, {message}"):
        rows(tmp_path, content)


def test_empty_files_have_no_records(tmp_path):
    path = written(tmp_path, "a.csv", "")
    assert read_csv(path, "utf-8") == read_json(path, "utf-8") == []
