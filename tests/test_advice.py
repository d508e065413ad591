"""Notes before training and at its end: tokenizers, rare classes, runs that learned nothing."""

import json
from types import SimpleNamespace

import pytest
from adapted import config_of
from running import FULL, only_run, refused_by
from tiny import sentiment_records, tiny_tokenizer, write_splits
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast

import eval as evaluation
import train
from tl.advice import class_notes, count_pieces, result_notes, tokenizer_notes
from tl.backbones.tokenizer import load_tokenizer
from tl.data.records import Dataset
from tl.registry import TASKS, options_of, resolve

ENGLISH = "The committee met again on Monday and approved a small budget for the new library."
RUSSIAN = "Комитет снова собрался в понедельник и утвердил небольшой бюджет новой библиотеки."
CHINESE = "委员会星期一再次开会批准了新图书馆的预算"


@pytest.fixture(scope="module")
def minilm():
    return load_tokenizer("minilm")


@pytest.fixture(scope="module")
def bytes_of_english():
    """A byte-level tokenizer that was learned from English."""
    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator([ENGLISH] * 5, vocab_size=400, show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=learned._tokenizer)


def task_on(name, records, tokenizer, **options):
    dataset = Dataset("own", {"train": records, "validation": records})
    made = options_of(TASKS, name, "task")(**options)
    return resolve(TASKS, name, "task")(made, dataset, tokenizer)


def records_of(text):
    """Records that every task can read, for two members of multitask too."""
    tagged = {"tokens": text.split(), "ner_tags": ["B-ORG", *["O"] * (len(text.split()) - 1)]}
    both = [{"text": text, "summary": text, "label": label, **tagged} for label in "ab"]
    return [one | {"member": name} for name in ("classification", "ner") for one in both]


def test_pieces_are_counted_by_hand():
    found = count_pieces(tiny_tokenizer(), ["ungoodly day a", "rome xyz"])
    assert found.per_word == pytest.approx(7 / 5)  # "ungoodly" is three pieces
    assert found.letters == pytest.approx(1 / 7)  # "a"
    assert found.unknown == pytest.approx(1 / 7)


def test_letters_are_counted_whatever_a_tokenizer_calls_its_pieces(minilm, bytes_of_english):
    for tokenizer in (minilm, bytes_of_english):
        assert count_pieces(tokenizer, [ENGLISH]).letters < 0.25
        assert count_pieces(tokenizer, [RUSSIAN]).letters > 0.85


def test_a_letter_that_is_a_word_may_be_a_piece(minilm, bytes_of_english):
    assert count_pieces(minilm, ["大 小 人"]).letters == 0
    assert count_pieces(bytes_of_english, [CHINESE]).letters > 0.6  # parts of letters


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("classification", {}),
        ("classification", {"text": "summary", "pair": "text"}),
        ("ner", {}),
        ("summarization", {}),
        ("instruction", {"of": "classification"}),
        ("instruction", {"of": "ner"}),
        ("multitask", {}),
    ],
)
def test_every_task_warns_of_texts_in_letters(name, options, minilm):
    (note,) = tokenizer_notes(task_on(name, records_of(RUSSIAN), minilm, **options))
    assert "single letters: 6." in note
    assert "pieces a word" in note
    assert "--model" in note
    assert tokenizer_notes(task_on(name, records_of(ENGLISH), minilm, **options)) == []


def test_only_the_summaries_may_be_in_letters(minilm):
    records = [{"text": "a day", "summary": RUSSIAN}] * 4
    assert tokenizer_notes(task_on("summarization", records, minilm))


def test_texts_that_the_tokenizer_does_not_know_are_warned_of(minilm):
    (note,) = tokenizer_notes(task_on("ner", records_of(CHINESE), minilm))
    assert "does not know" in note


def test_classes_with_few_examples_are_named():
    records = [{"text": "a", "label": label} for label in [*"aaabb", "x"]]
    (note,) = class_notes(task_on("classification", records, tiny_tokenizer()))
    assert note.startswith("class 'b' has 2 examples, class 'x' has 1 example in train")
    assert class_notes(task_on("classification", records[:3] + records[3:5] * 2, None)) == []


def test_types_of_entities_and_classes_of_other_tasks_are_counted_too():
    records = records_of("Oslo saw anna")
    assert task_on("ner", records, None).class_counts("train") == {"ORG": 4}
    assert task_on("instruction", records, None).class_counts("train") == {"a": 2, "b": 2}
    counts = {"classification/a": 1, "classification/b": 1, "ner/ORG": 2}
    assert task_on("multitask", records, None).class_counts("train") == counts
    assert class_notes(task_on("summarization", records, None)) == []


@pytest.mark.parametrize(
    ("best", "untrained", "named"),
    [
        (0.9, 0.2, []),
        (0.9, 0.9, ["0.9000", "the untrained model (0.9000)"]),
        (1 / 3, 0.1, ["majority (0.3333)"]),
        (0.2, 0.3, ["the untrained model (0.3000) or majority (0.3333)"]),
    ],
)
def test_a_score_that_is_not_above_what_needs_no_training_is_told(best, untrained, named):
    records = [{"text": "good day", "label": label} for label in "ab" * 4]
    task = task_on("classification", records, tiny_tokenizer())
    config = config_of("classification", "full", epochs=7, lr=0.25)
    notes = result_notes(task, config, {"f1_macro": best}, {"f1_macro": untrained})
    assert len(notes) == bool(named)
    for part in [*named, "--epochs (now 7)", "--lr (now 0.25)", "--model"] if named else []:
        assert part in notes[0]


def test_a_run_that_learns_nothing_from_letters_says_both(minilm):
    task = task_on("classification", records_of(RUSSIAN), minilm)
    config = SimpleNamespace(epochs=1, lr=0.1)
    first, second = result_notes(task, config, {"f1_macro": 0.1}, {"f1_macro": 0.1})
    assert "not above" in first
    assert "single letters" in second


def test_a_run_prints_and_keeps_its_notes(basic, here, tmp_path, capsys):
    assert train.main([*basic, *FULL, *here, "--lr", "1e-12"]) == 0
    said = capsys.readouterr()
    (note,) = only_run(tmp_path / "runs").read_result()["notes"]
    assert "is not above that of the untrained model" in note
    assert f"note: {note}" in said.err
    assert f"note: {note}" in said.out


def test_a_class_with_one_example_is_told_before_training(basic, here, tmp_path, capsys):
    train_split = [*sentiment_records(24), {"text": "a day", "label": "odd"}]
    held_out = sentiment_records(8, start=24)
    splits = {"train": train_split, "validation": held_out, "test": held_out}
    words = [*basic, *FULL, *here, "--data", str(write_splits(tmp_path / "data", splits))]
    for more in (["--dry-run"], ["--epochs", "1"]):
        assert train.main([*words, *more]) == 0
        assert "note: class 'odd' has 1 example in train" in capsys.readouterr().err


def test_times_of_training_and_evaluation_stand_side_by_side(finished):
    result = finished.read_result()
    assert result["evaluation_seconds"] > 0
    # 8 + 8 texts before training, 8 after each of two epochs, 8 + 8 at the end
    n = result["evaluation_seconds"] * result["evaluation_examples_per_second"]
    assert n == pytest.approx(48)
    timings = [json.loads(line) for line in finished.timings.read_text().splitlines()]
    assert {"seconds/training", "seconds/evaluation"} <= timings[-1].keys()


@pytest.mark.parametrize("text", ["", "  \n", "\t"])
def test_an_empty_text_is_refused(text, finished, capsys):
    words = [str(finished.path), "--text", "a good day", "--text", text]
    refused_by(evaluation.main, words, capsys, "--text is empty")
