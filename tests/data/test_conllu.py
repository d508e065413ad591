"""CoNLL-U: words, their parts of speech and depth in the tree; malformed lines by their number."""

from pathlib import Path

import pytest

from tl.data.conllu import depths, is_conllu, load_conllu, read_conllu

SHARED = Path(__file__).parents[3] / "shared" / "data"
SENTENCE = """\
# sent_id = weblog-1
# text = She doesn't sing in Rome.
1	She	she	PRON	_	_	4	nsubj	_	_
2-3	doesn't	_	_	_	_	_	_	_	_
2	does	do	AUX	_	_	4	aux	_	_
3	n't	not	PART	_	_	4	advmod	_	_
4	sing	sing	VERB	_	_	0	root	_	_
4.1	sings	sing	VERB	_	_	_	_	0:root	_
5	in	in	ADP	_	_	6	case	_	_
6	Rome	Rome	PROPN	_	_	4	obl	_	_
"""
LINE = "{}\t{}\t_\t{}\t_\t_\t{}\t_\t_\t_\n"


def written(folder, text, name="test.conllu"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_words_parts_of_speech_and_depths(tmp_path):
    path = written(tmp_path, SENTENCE + "\n\n" + LINE.format(1, "Да", "INTJ", 0))
    first, second = read_conllu(path, "utf-8")
    assert first == {
        "id": "weblog-1",
        "tokens": ["She", "does", "n't", "sing", "in", "Rome"],
        "upos": ["PRON", "AUX", "PART", "VERB", "ADP", "PROPN"],
        "depth": [1, 1, 1, 0, 2, 1],
    }
    assert second == {"id": "1", "tokens": ["Да"], "upos": ["INTJ"], "depth": [0]}


def test_depth_is_the_number_of_steps_to_the_root():
    assert depths([2, 3, 0, 3, 4, 5]) == [2, 1, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1\tShe\n", ["line 1", "2 column(s)", "10"]),
        (LINE.format(2, "She", "PRON", 0), ["line 1", "numbered '2'", "expected 1"]),
        (LINE.format(1, "She", "PRP", 0), ["line 1", "'PRP'", "PRON"]),
        (LINE.format(1, "She", "PRON", "_"), ["line 1", "head", "'_'"]),
        (LINE.format(1, " ", "PRON", 0), ["line 1", "no form"]),
        (LINE.format(1, "She", "PRON", 2), ["line 2", "the head 2", "1 words"]),
        (LINE.format(1, "She", "PRON", 2) + LINE.format(2, "sang", "VERB", 1), ["circle"]),
        ("# sent_id = 1\n\n", ["no sentences"]),
    ],
)
def test_a_malformed_file_is_answered_with_its_line(tmp_path, text, parts):
    with pytest.raises(ValueError, match=r"test\.conllu") as caught:
        read_conllu(written(tmp_path, text), "utf-8")
    for part in parts:
        assert part in str(caught.value)


def test_a_directory_has_a_file_per_split_and_one_file_is_all_test(tmp_path):
    folder = tmp_path / "ewt"
    folder.mkdir()
    written(folder, SENTENCE, "en_ewt-ud-dev.conllu")
    path = written(folder, SENTENCE, "train.conllu")
    dataset = load_conllu(str(folder), "utf-8")
    assert (dataset.name, set(dataset.splits)) == ("ewt", {"train", "validation"})
    assert set(load_conllu(str(path), "utf-8").splits) == {"test"}
    assert is_conllu(str(folder))
    assert is_conllu(str(path))
    assert not is_conllu(str(tmp_path))
    written(folder, SENTENCE, "valid.conllu")
    with pytest.raises(ValueError, match="two files for validation"):
        load_conllu(str(folder), "utf-8")


def test_a_directory_without_a_split_says_what_it_has(tmp_path):
    written(tmp_path, SENTENCE, "all.conllu")
    with pytest.raises(ValueError, match=r"ends in.*found all\.conllu"):
        load_conllu(str(tmp_path), "utf-8")


@pytest.mark.skipif(not (SHARED / "ud_en_ewt").is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    ("name", "n_sentences", "n_words"), [("ud_en_ewt", 800, 10402), ("ud_ru_taiga", 700, 7665)]
)
def test_real_files(name, n_sentences, n_words):
    records = read_conllu(SHARED / name / "test.conllu", "utf-8")
    assert len(records) == n_sentences
    assert sum(len(record["tokens"]) for record in records) == n_words
    assert all(record["depth"].count(0) == 1 for record in records)  # one root each
