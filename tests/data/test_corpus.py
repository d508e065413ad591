"""The corpus builder: what it keeps and drops, how it splits, and that nothing vanishes."""

import json
import random

import datasets
import numpy as np
import pytest
from running import refused_by

from tl.data import sources
from tl.data.corpus import Labels, Options, documents, normalise
from tl.data.corpus.__main__ import main
from tl.data.corpus.labels import read_entities, read_sentiment
from tl.data.corpus.near_duplicates import BANDS, ROWS, Index, jaccard, shingles
from tl.data.records import SPLITS

WORDS = [f"w{i}" for i in range(300)]
SMALL = [f"--minimum-{name}=1" for name in ("sentiment", "ner", "summarization")]


def text_of(seed, n=30):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(n))


def article(i, **changes):
    return {"id": f"a{i}", "source": "paper", "title": f"title {i}", "text": text_of(i)} | changes


def write(path, records):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
    return path


def build(tmp_path, records, *words, out="out"):
    raw = write(tmp_path / f"raw-{out}.jsonl", records)
    assert main(["build", str(raw), "--out", str(tmp_path / out), *SMALL, *words]) == 0
    return tmp_path / out


def rows(folder, subset, split):
    lines = (folder / subset / f"{split}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def every(folder, subset):
    return [row for split in SPLITS for row in rows(folder, subset, split)]


def report(folder):
    return json.loads((folder / "report.json").read_text())


ONLY = ["--subsets", "summarization"]


# Duplicates.


def test_jaccard_by_hand():
    assert shingles("A b c, D e!") == {"a b c", "b c d", "c d e"}
    assert shingles("two Words") == {"two words"}
    assert shingles("") == {""}
    assert jaccard({1, 2, 3}, {2, 3, 4}) == 2 / 4


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.95])
def test_the_index_finds_what_the_slow_way_finds(tmp_path, threshold):
    """Texts with some words changed: all pairs are compared, one by one, beside the index."""
    rng = random.Random(0)
    texts = [text_of(i, 60) for i in range(12)]
    for original in list(texts):
        for n_changed in (1, 2, 4, 8):
            words = original.split()
            for place in rng.sample(range(60), n_changed):
                words[place] = "new"
            texts.append(" ".join(words))
    index = Index(tmp_path / "index", texts.__getitem__, threshold)
    kept, slow = [], []
    for number, text in enumerate(texts):
        close = [k for k in slow if jaccard(shingles(text), shingles(texts[k])) >= threshold]
        if index.find(text) is None:
            index.add(number, text)
            kept.append(number)
        if not close:
            slow.append(number)
    assert kept == slow
    assert 12 < len(kept) < len(texts) or threshold == 0.95


def test_bands_agree_as_often_as_the_theory_says(tmp_path):
    """Of two texts with similarity s, a band of r rows agrees with probability s^r."""
    base = [f"x{i}" for i in range(200)]
    one, other = set(base[:150]), set(base[50:])
    assert jaccard(one, other) == 0.5
    index = Index(tmp_path / "index", str, 0.8)
    agree = 0
    for trial in range(60):
        bands = [index._bands({f"{trial} {x}" for x in side}) for side in (one, other)]
        agree += sum(a == b for a, b in zip(*bands, strict=True))
    n = 60 * BANDS
    expected = 0.5**ROWS
    assert abs(agree / n - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def test_a_text_is_exact_whatever_its_case_and_spaces(tmp_path):
    index = Index(tmp_path / "index", str, 0.8)
    index.add(0, "One two three four")
    assert index.find("one  TWO three four") == ("exact", 0)
    assert index.is_new("a")
    assert not index.is_new("a")


# Reading.


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\u00a0 b\n\tc ", "a b c"),
        ("AT&amp;T &#36;10", "AT&T $10"),
        ("ze\u200bro wi\u00addth", "zero width"),
        ("и\u0306", "й"),
        ("ёлка", "ёлка"),
    ],
)
def test_texts_are_normalised(raw, clean):
    assert normalise(raw) == clean


def test_csv_and_jsonl_read_alike(tmp_path):
    records = [article(i, text=f'He said, "{i}".\nThen left again') for i in range(3)]
    first = write(tmp_path / "a.jsonl", records)
    second = tmp_path / "a.csv"
    quoted = [[f'"{str(v).replace(chr(34), chr(34) * 2)}"' for v in r.values()] for r in records]
    lines = [",".join(records[0]), *(",".join(row) for row in quoted)]
    second.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8", newline="")
    one, other = (list(documents([path], Options())) for path in (first, second))
    assert one == other
    assert one[1]["text"] == 'He said, "1". Then left again'


def test_an_article_without_an_id_goes_by_its_url_or_its_text(tmp_path):
    records = [{"text": text_of(1), "url": "http://x/1"}, {"text": text_of(2)}]
    (one, other) = documents([write(tmp_path / "paper.jsonl", records)], Options())
    assert one["id"] == "http://x/1"
    assert len(other["id"]) == 16
    assert other["source"] == "paper"


BAD = {
    "column": ('{"body": "x"}', "line 1: no column 'text'; it has body.", "--text"),
    "json": ('{"text": "a"}\n{"text": ', "line 2: bad JSON", "one object per line"),
    "list": ("[1]", "line 1: expected a JSON object, got a list"),
    "bytes": (b'{"text": "a"}\n{"text": "\xcf"}', "line 2: byte 0xcf is not valid utf-8", "cp1251"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_with_its_line(tmp_path, what, capsys):
    content, *parts = BAD[what]
    raw = tmp_path / "raw.jsonl"
    raw.write_bytes(content if isinstance(content, bytes) else content.encode())
    words = ["build", str(raw), "--out", str(tmp_path / "out"), *ONLY]
    refused_by(main, words, capsys, str(raw), *parts)
    assert list(tmp_path.iterdir()) == [raw]


@pytest.mark.parametrize(
    ("content", "part"),
    [("text,title\na,b\nc\n", "line 3: as many fields"), ('text\n"a" b\n', "line 2: bad quoting")],
)
def test_a_bad_csv_is_refused_with_its_line(tmp_path, content, part, capsys):
    raw = tmp_path / "raw.csv"
    raw.write_text(content)
    words = ["build", str(raw), "--out", str(tmp_path / "out"), *ONLY]
    refused_by(main, words, capsys, part)


# Building.


def test_every_document_is_kept_or_counted_by_reason(tmp_path):
    records = [article(i) for i in range(40)]
    near = article(3)["text"].split()
    near[15] = "other"
    records += [
        article(50, text=records[0]["text"].upper()),
        article(51, text=" ".join([*article(4, text=text_of(4, 60))["text"].split()])),
        article(52, text=""),
        article(53, text="four words are few"),
        article(54, title=""),
        article(7, text=text_of("another")),
    ]
    records += [article(60, text=text_of(70, 60)), article(61, text=text_of(70, 60) + " more")]
    out = build(tmp_path, records, *ONLY)
    made = report(out)
    assert made["dropped"] == {
        "exact duplicate": 1,
        "empty text": 1,
        "fewer than 5 words": 1,
        "no label and no summary": 1,
        "another text with the same id": 1,
        "near-duplicate": 1,
    }
    assert made["n_read"] == 48 == len(every(out, "summarization")) + 6
    assert made["n_proved"] == 42
    assert not list(out.glob("*.work*"))


def test_splits_are_70_15_15_stratified_and_share_nothing(tmp_path):
    records = [article(i, source="ab"[i % 4 == 0]) for i in range(200)]
    out = build(tmp_path, records, *ONLY)
    sizes = {split: len(rows(out, "summarization", split)) for split in SPLITS}
    assert sizes == {"train": 140, "validation": 30, "test": 30}
    for split in SPLITS:
        share = np.mean([row["source"] == "b" for row in rows(out, "summarization", split)])
        assert abs(share - 0.25) < 0.02
    ids = [row["id"] for row in every(out, "summarization")]
    assert len(ids) == len(set(ids)) == 200
    again = build(tmp_path, records[::-1], *ONLY, out="again")
    for split in SPLITS:  # whatever the order of the file
        one, other = ({r["id"] for r in rows(f, "summarization", split)} for f in (out, again))
        assert one == other


@pytest.fixture
def labelled(tmp_path):
    """90 articles; the first 30 have a sentiment, the next 30 entities, 5 of them both."""
    records = [article(i) for i in range(90)]
    sentiment = tmp_path / "sentiment.csv"
    lines = [f"a{i},{'bad' if i % 3 else 'good'}" for i in range(35)]
    sentiment.write_text("\n".join(["id,label", *lines, "gone,good"]))
    ner = tmp_path / "ner.conll"
    blocks = []
    for i in range(30, 60):
        words = records[i]["text"].split()
        tags = ["B-PER", "I-PER", *["O"] * (len(words) - 2)]
        pairs = [f"{w} {t}" for w, t in zip(words, tags, strict=True)]
        blocks.append(f"# id = a{i}\n" + "\n".join([*pairs[:9], "", *pairs[9:]]) + "\n")
    ner.write_text("\n".join(blocks))
    return records, ["--sentiment", str(sentiment), "--ner", str(ner)]


def test_labels_are_merged_and_a_document_is_in_one_subset(tmp_path, labelled):
    records, words = labelled
    out = build(tmp_path, records, *words)
    assert {r["id"] for r in every(out, "sentiment")} == {f"a{i}" for i in range(35)}
    assert {r["id"] for r in every(out, "ner")} == {f"a{i}" for i in range(35, 60)}
    assert {r["id"] for r in every(out, "summarization")} == {f"a{i}" for i in range(60, 90)}
    columns = {"id", "source", "date", "text", "tokens", "ner_tags", "sentiment", "summary"}
    for subset, own in (
        ("sentiment", "sentiment"),
        ("ner", "ner_tags"),
        ("summarization", "summary"),
    ):
        for row in every(out, subset):
            assert row.keys() == columns
            assert {n for n in ("ner_tags", "sentiment", "summary") if row[n] is not None} == {own}
    assert report(out)["n_unused_labels"] == 1
    tagged = every(out, "ner")[0]
    assert tagged["tokens"] == tagged["text"].split()
    assert tagged["ner_tags"][:3] == ["B-PER", "I-PER", "O"]
    card = (out / "README.md").read_text()
    assert "bad 23, good 12" in card
    assert "PER 25" in card


def test_of_two_near_duplicates_the_labelled_one_is_kept(tmp_path, labelled):
    records, words = labelled
    copy = article(99, text=records[0]["text"])
    out = build(tmp_path, [copy, *records], *words)
    assert "a0" in {r["id"] for r in every(out, "sentiment")}
    assert report(out)["dropped"] == {"exact duplicate": 1}


def test_the_tasks_read_what_was_built(tmp_path, labelled):
    records, words = labelled
    out = build(tmp_path, records, *words)
    for subset, task, column in (
        ("sentiment", "classification", ("sentiment",)),
        ("ner", "ner", ()),
        ("summarization", "summarization", ()),
    ):
        dataset = sources.load(str(out / subset), task, column)
        assert sum(map(len, dataset.splits.values())) == len(every(out, subset))


def test_datasets_reads_the_export(tmp_path, labelled):
    records, words = labelled
    out = build(tmp_path, records, *words, "--datasets", "--licence", "CC0")
    made = datasets.load_from_disk(str(out / "datasets" / "ner"))
    assert [dict(row) for row in made["test"]] == rows(out, "ner", "test")
    assert "Licence of the texts: CC0." in (out / "README.md").read_text()


# Refusals; nothing is left behind.


REFUSED = {
    "no labels": ([], "the subset 'sentiment' needs labels", "columns id and label", "# id = ID"),
    "too small": ([*ONLY, "--minimum-summarization", "99"], "has 20 documents, fewer than 99"),
    "unknown subset": (["--subsets", "summary"], "--subsets summary: known are sentiment, ner"),
    "a share above one": ([*ONLY, "--near", "1.5"], "--near must lie in (0, 1], got 1.5"),
    "unknown encoding": ([*ONLY, "--encoding", "utf-99"], "unknown encoding 'utf-99'"),
    "a codec of no text": ([*ONLY, "--encoding", "hex"], "unknown encoding 'hex'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_built_is_refused(tmp_path, what, capsys):
    words, *parts = REFUSED[what]
    raw = write(tmp_path / "raw.jsonl", [article(i) for i in range(20)])
    refused_by(main, ["build", str(raw), "--out", str(tmp_path / "out"), *words], capsys, *parts)
    assert list(tmp_path.iterdir()) == [raw]


@pytest.mark.parametrize("column", ["id", "title", "text", "\ud83d"])
def test_half_a_surrogate_pair_in_an_article_is_refused_with_its_line(column, tmp_path, capsys):
    articles = [article(i) for i in range(20)]
    articles[7] |= {column: "half \ud83d"}
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps(one) + "\n" for one in articles))
    words = ["build", str(raw), "--out", str(tmp_path / "out"), *ONLY]
    refused_by(main, words, capsys, "raw.jsonl, line 8: ", "half a surrogate pair")
    assert list(tmp_path.iterdir()) == [raw]


def test_too_few_documents_to_split_are_refused(tmp_path, capsys):
    raw = write(tmp_path / "raw.jsonl", [article(i) for i in range(2)])
    words = ["build", str(raw), "--out", str(tmp_path / "out"), *ONLY]
    refused_by(main, words, capsys, "2 documents are too few to split the subset 'summarization'")


def test_a_directory_that_is_there_is_left_alone(tmp_path, capsys):
    out = build(tmp_path, [article(i) for i in range(20)], *ONLY)
    before = sorted(out.rglob("*"))
    words = ["build", str(tmp_path / "raw-out.jsonl"), "--out", str(out), *ONLY]
    refused_by(main, words, capsys, "exists already; give a new directory")
    refused_by(main, ["build", "gone.jsonl", "--out", "new", *ONLY], capsys, "gone.jsonl: no such")
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize(
    ("reader", "name", "content", "part"),
    [
        (read_sentiment, "s.csv", "id,mood\n1,good\n", "record 1: needs an id and a label"),
        (read_sentiment, "s.csv", "id,label\n1,good\n1,bad\n", "1 has two labels, good and bad"),
        (read_entities, "n.conll", "Oslo B-LOC\n", "line 1: no line `# id = ID` before it"),
        (read_entities, "n.conll", "# id = 1\nOslo\n", "line 2: expected a word and its tag"),
        (read_entities, "n.conll", "# id = 1\na O\n# id = 1\n", "line 3: 1 is there twice"),
    ],
)
def test_a_bad_file_of_labels_is_refused(tmp_path, reader, name, content, part):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=part.replace("`", ".")):
        reader(path, "utf-8")


def test_entities_in_another_scheme_become_iob2(tmp_path):
    path = tmp_path / "n.conll"
    path.write_text("# id = 1\na O\nOslo I-LOC\nCity I-LOC\nb O\n")
    assert read_entities(path, "utf-8")["1"]["ner_tags"] == ["O", "B-LOC", "I-LOC", "O"]


def test_made_up_articles_are_the_same_for_every_call_and_repeat_some(tmp_path, capsys):
    path, again = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    for file in (path, again):
        assert main(["generate", "400", str(file)]) == 0
    assert path.read_bytes() == again.read_bytes()
    words = ["build", str(path), "--out", str(tmp_path / "out"), *ONLY, *SMALL]
    assert main(words) == 0
    dropped = report(tmp_path / "out")["dropped"]
    assert dropped["exact duplicate"] > 5
    assert dropped["near-duplicate"] > 5
    refused_by(main, ["generate", "0", "new.jsonl"], capsys, "at least 1, got 0")
    refused_by(main, ["generate", "3", str(path)], capsys, "File exists")


def test_labels_count_documents():
    labels = Labels({"1": "good", "2": "bad"}, {"2": {}, "3": {}})
    assert len(labels) == 3
    assert [id in labels for id in "1234"] == [True, True, True, False]
