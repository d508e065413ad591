"""What the programs say beside their answers: what was truncated, not read, or learned before."""

import json
import shutil

import pytest
from running import FULL, trained
from tiny import save_model, sentiment_records, tagged_records, write_jsonl, write_splits

import eval
import train
from tl.runs import Run

LONG = {"id": "long", "text": "day " * 200, "label": "good"}
TRUNCATED = "are longer than 128 word pieces; the rest is not read (--task.max-length)"


def notes_of(main, words, capsys):
    """The notes of a program that ends well, and what it prints."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    return [x.removeprefix("note: ") for x in lines if x.startswith("note: ")], printed.out


@pytest.fixture(scope="module")
def tagger(model_folder, tagged_folder, tmp_path_factory):
    """A run of ner; read only."""
    words = ["--task", "ner", "--data", str(tagged_folder), "--model", str(model_folder), *FULL]
    return trained([*words, "--epochs", "1"], tmp_path_factory.mktemp("tagger"))


def test_a_word_that_was_not_read_has_no_tag(tagger, capsys):
    words = ["eval", "--text", "anna saw oslo " * 60, "--json"]
    found, out = notes_of(eval.main, [tagger.path, *words[1:]], capsys)
    (answer,) = json.loads(out)
    assert (len(answer["words"]), len(answer["tags"])) == (180, 180)
    assert None not in answer["tags"][:126]
    assert set(answer["tags"][126:]) == {None}  # beside [CLS] and [SEP]
    assert found[0] == f"1 of 1 given sentences {TRUNCATED}"
    assert found[1].startswith("54 words of 1 given sentences are not read")
    assert notes_of(eval.main, [tagger.path, "--text", "anna saw oslo"], capsys)[0] == []


def test_long_sentences_of_a_file_are_counted(tagger, tmp_path, capsys):
    row = tagged_records(1)[0]
    long = {"tokens": row["tokens"] * 50, "ner_tags": row["ner_tags"] * 50}
    data = write_jsonl(tmp_path / "my" / "long.jsonl", [long, *tagged_records(2, start=50)])
    found, _ = notes_of(eval.main, [tagger.path, "--data", data], capsys)
    assert found[0] == f"1 of 3 my-long sentences {TRUNCATED}"
    assert found[1].startswith("74 words of 1 my-long sentences are not read")


def test_a_classifier_says_what_it_does_not_read_and_what_it_learned_from(
    finished, tmp_path, capsys
):
    rows = [*sentiment_records(5), {"id": "new", "text": "unheard", "label": "bad"}, LONG]
    data = write_jsonl(tmp_path / "my" / "texts.jsonl", rows)
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    assert notes_of(eval.main, [run.path, "--data", data], capsys)[0] == [
        f"1 of 7 my-texts texts {TRUNCATED}",
        "5 of 7 texts of my-texts were trained on; scores of them are not scores of new texts",
    ]
    assert notes_of(eval.main, [run.path, "--text", LONG["text"]], capsys)[0] == [
        f"1 of 1 given texts {TRUNCATED}"
    ]
    of_dump = [run.path, "--data", data, "--dump", "hidden", "--weights", "pretrained,random"]
    assert notes_of(eval.main, of_dump, capsys)[0] == [f"1 of 7 my-texts texts {TRUNCATED}"]


def test_the_split_that_was_trained_on_is_called_so_and_no_other(finished, tmp_path, capsys):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    (note,), _ = notes_of(eval.main, [run.path, "--split", "train"], capsys)
    assert note.startswith("the run was trained on train")
    assert notes_of(eval.main, [run.path], capsys)[0] == []


def test_where_the_data_of_a_run_are_gone_or_changed_that_is_said(
    basic, sentiment_folder, tmp_path, capsys
):
    data = shutil.copytree(sentiment_folder, tmp_path / "data")
    run = trained([*basic, *FULL, "--data", str(data), "--epochs", "1"], tmp_path / "runs")
    other = write_jsonl(tmp_path / "my" / "texts.jsonl", sentiment_records(4))
    write_jsonl(data / "train.jsonl", sentiment_records(5))
    (note,), _ = notes_of(eval.main, [run.path, "--data", other], capsys)
    assert "is not known" in note
    assert "have changed since" in note
    shutil.rmtree(data)
    (note,), _ = notes_of(eval.main, [run.path, "--data", other], capsys)
    assert f"{data}, cannot be read" in note


def test_texts_that_occur_twice_are_counted_among_those_that_are_learned(basic, tmp_path, capsys):
    """With --train-size, only what is chosen is trained on."""
    rows = sentiment_records(40)
    data = write_splits(tmp_path / "d", {"train": rows, "validation": rows[:30]})
    words = [*basic, *FULL, "--data", data, "--dry-run"]
    found, _ = notes_of(train.main, words, capsys)
    assert "30 of 30 texts of validation also occur in train" in found
    fewer, _ = notes_of(train.main, [*words, "--train-size", "4"], capsys)
    (note,) = [note for note in fewer if "also occur" in note]
    n_shared = int(note.partition(" of 30 texts of validation also occur in train")[0])
    assert 0 <= n_shared <= 4


def test_columns_that_a_task_does_not_read_are_not_spoken_of(basic, tmp_path, here, capsys):
    """As those of the project's own corpus."""
    empty = {"tokens": [], "ner_tags": [], "sentiment": ""}
    parts = {"train": (24, 0), "validation": (8, 24), "test": (8, 32)}
    splits = {
        s: [r | empty for r in sentiment_records(n, start)] for s, (n, start) in parts.items()
    }
    data = write_splits(tmp_path / "d", splits)
    words = [*basic, *FULL, "--data", data, "--epochs", "1"]
    assert notes_of(train.main, [*words, "--dry-run"], capsys)[0] == []
    of_training, _ = notes_of(train.main, [*words, *here], capsys)
    assert [note for note in of_training if "is not above" not in note] == []  # of the result


def test_what_a_run_should_know_of_its_data_is_kept(basic, tmp_path):
    rows = [*sentiment_records(8), {"id": "8", "text": "", "label": "bad"}]
    splits = {"train": rows, "validation": sentiment_records(4), "test": sentiment_records(4, 20)}
    data = write_splits(tmp_path / "d", splits)
    run = trained([*basic, *FULL, "--data", str(data), "--epochs", "1"], tmp_path / "runs")
    assert run.read_env()["data_warnings"] == [
        "1 of 9 values of `text` in train are empty",
        "4 of 4 texts of validation also occur in train",
    ]


@pytest.mark.parametrize("kind", ["words", "texts", "source"])
def test_dumps_of_other_data_say_what_they_do_not_read(dumping, kind, tmp_path, capsys):
    row = tagged_records(1)[0]
    sentence = {"tokens": row["tokens"] * 50, "ner_tags": row["ner_tags"] * 50}
    plain = tagged_records(9) if kind == "words" else sentiment_records(9)
    long = sentence if kind == "words" else LONG
    data = write_splits(tmp_path / "d", {"train": plain, "validation": [*plain[:5], long]})
    words = [dumping.path, "--dump", kind, "--data", data, "--weights", "trained,pretrained"]
    (note,), _ = notes_of(eval.main, words, capsys)
    assert "1 of 6 d" in note if kind != "words" else "74 words of 1 d-validation" in note


def test_zero_shot_says_what_does_not_fit(tmp_path, capsys):
    model = save_model(tmp_path / "model")
    rows = [
        LONG | {"text": "day " * 300},
        *(r for r in sentiment_records(5) if r["label"] == "good"),
    ]
    splits = {"train": sentiment_records(6), "validation": sentiment_records(4), "test": rows}
    data = write_splits(tmp_path / "d", splits)
    found, _ = notes_of(eval.main, ["--zero-shot", "--data", data, "--model", model], capsys)
    assert found[0].startswith("1 of 3 test texts do not fit into a question of 256 word pieces")
    assert found[1].startswith("test has no example of 1 of 2 classes ('bad')")


def test_another_ability_is_scored_with_the_same_notes(tmp_path, capsys):
    model = save_model(tmp_path / "gpt", "gpt2", generates=True)
    splits = {"train": sentiment_records(12), "validation": [*sentiment_records(3), LONG]}
    data = write_splits(tmp_path / "d", splits)
    words = ["--task", "instruction", "--data", str(data), "--model", str(model), *FULL]
    words += ["--epochs", "1", "--task.max-length", "60", "--task.max-answer", "4"]
    run = trained(words, tmp_path / "runs")
    words = [run.path, "--of", "classification", "--data", data]
    first, second = notes_of(eval.main, words, capsys)[0]
    assert first.startswith("1 of 4 validation prompts are longer than 60 word pieces")
    assert second.startswith("3 of 4 texts of validation were trained on")
