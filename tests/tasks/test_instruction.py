"""Tasks in text form: what is asked, what is learned, and how an answer is read."""

import json
import re

import numpy as np
import pytest
import torch
from running import refused, trained
from tiny import (
    save_model,
    sentiment_records,
    tagged_records,
    tiny_backbone,
    tiny_tokenizer,
    write_splits,
)

import eval
from tl.data.records import Dataset
from tl.losses import IGNORED
from tl.metrics import classification_scores, entity_scores
from tl.tasks.instruction import Instruction, Options, entity_tags, entity_text

SEP = 3


def ids(text):
    return tiny_tokenizer(special=False)(text)["input_ids"]


def task(records, options=None, family="gpt2"):
    dataset = Dataset("d", {"train": records, "validation": records[:2]})
    one = Instruction(options or Options(), dataset, tiny_tokenizer(special=False))
    one.prepare(tiny_backbone(family, generates=True))
    return one


LABELLED = [{"text": "the sunny day", "label": "good"}, {"text": "a day", "label": "bad"}]


def test_the_loss_is_on_the_answer_alone():
    one = task(LABELLED, Options(template="saw {text} was"))
    batch = one.collate(one.examples("train"))
    for row, record in enumerate(LABELLED):
        prompt = ids(f"saw {record['text']} was")
        whole = [*prompt, *ids(record["label"]), SEP]
        assert batch.inputs["input_ids"][row, : len(whole)].tolist() == whole
        labels = [IGNORED] * (len(prompt) - 1) + [*ids(record["label"]), SEP, IGNORED]
        pad = batch.labels.shape[1] - len(whole)
        assert batch.labels[row].tolist() == labels + [IGNORED] * pad
    assert batch.n_targets == 4


@pytest.mark.parametrize(
    "template", ["none", "{pair}", "{text} {foo}", "{text} {", "{text!r}", "{text:d}", "{text.a}"]
)
def test_a_template_without_its_text_or_with_more_is_refused(template):
    with pytest.raises(ValueError, match=f"template {re.escape(repr(template))}"):
        task(LABELLED, Options(template=template))


def test_a_long_text_is_cut_and_question_and_answer_stay():
    records = [{"text": "day " * 60, "label": "good"}, LABELLED[1]]
    options = Options(template="saw {text} was", max_length=30, max_answer=10)
    (example, _) = task(records, options).examples("train")
    found = example.inputs["input_ids"]
    assert found == [*ids("saw"), *ids("day") * 18, *ids("was"), *ids("good"), SEP]


def test_pairs_have_a_place_of_their_own():
    records = [
        {"premise": "anna left", "hypothesis": "boris met", "label": label}
        for label in ("good", "bad")
    ]
    (example, _) = task(records, Options(template="{text} and {pair} was")).examples("train")
    assert example.inputs["input_ids"] == [*ids("anna left and boris met was good"), SEP]


def paired(n_first, n_second, label="good"):
    return {"premise": "anna " * n_first, "hypothesis": "boris " * n_second, "label": label}


@pytest.mark.parametrize(("first", "second"), [(3, 90), (90, 3), (90, 90), (10, 11)])
def test_of_a_pair_the_longer_text_is_cut_so_that_the_prompt_fits(first, second):
    options = Options(template="{text} and {pair} was", max_length=30, max_answer=8)
    one = task([paired(first, second), paired(1, 1, "bad")], options)
    (long, short) = one.examples("train")
    prompt = long.inputs["input_ids"][: long.target.start]
    assert len(prompt) == 22
    room = 22 - 2  # and, was
    kept = [prompt.count(piece) for piece in ids("anna boris")]
    assert kept == [min(first, max(room - second, room // 2)), room - kept[0]]
    assert (long.truncated, short.truncated) == (("max_length",), ())


def test_prompts_and_answers_that_a_limit_truncates_are_counted():
    """A text that is cut to leave room for an answer does not fill the limit."""
    rows = [{"text": "day " * 40, "label": "good day was"}, *LABELLED]
    one = task(rows, Options(template="saw {text} was", max_length=30, max_answer=3))
    first, second, *_ = one.notes("train", one.examples("train"))
    assert first.startswith("1 of 3 train prompts are longer than 30 word pieces")
    assert second.startswith("1 of 3 train answers are longer than 3 word pieces")
    assert "(--task.max-answer)" in second


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (Options(template="{text} {pear}"), "must have {text} and, of pairs, {pair}"),
        (Options(template="was"), "must have {text}"),
        (Options(template="{text"), "--task.template '{text'"),
        (Options(template="was " * 30 + "{text}", max_length=40, max_answer=10), "the template 30"),
        (Options(max_length=20, max_answer=20), "--task.max-length 20 leaves no room for a text"),
    ],
)
def test_a_template_without_place_or_room_for_a_text_is_refused(options, part):
    with pytest.raises(ValueError, match=re.escape(part)):
        task(LABELLED, options)


def test_a_template_for_pairs_has_a_place_for_both():
    with pytest.raises(ValueError, match=r"of pairs, \{pair\}"):
        task([paired(1, 1), paired(1, 1, "bad")], Options(template="{text}"))


def labelled_as(*labels):
    return task([{"text": "the day", "label": label} for label in labels])


def test_classes_that_differ_by_case_are_told_apart():
    one = labelled_as("IT", "it")
    made = one.examples("train")
    for written, accuracy in ((["it", "it"], 0.5), (["IT", "it"], 1.0), (["It", "iT"], 0.0)):
        one.texts = lambda answers, written=written: written
        assert one.score(made, [None, None])["accuracy"] == accuracy
    alone = labelled_as("IT", "news")  # where only one class has a name, its case is free
    alone.texts = lambda answers: [" it", "NEWS"]
    assert alone.score(alone.examples("train"), [None, None])["accuracy"] == 1.0


def test_spaces_around_a_class_are_not_written():
    one = labelled_as(" good", "bad")
    one.texts = lambda answers: ["good", "bad"]
    assert one.score(one.examples("train"), [None, None])["accuracy"] == 1.0
    with pytest.raises(ValueError, match=r"' good' and 'good' differ only by spaces"):
        labelled_as(" good", "good")


def test_a_class_that_the_tokenizer_cannot_write_is_said_before_training():
    one = labelled_as("good", "ёлки")
    (note,) = one.notes("validation", one.examples("validation"))
    assert "the best possible f1_macro is 0.500" in note


TAGS = ["B-PER", "I-PER", "O", "B-LOC", "O", "B-LOC"]
WORDS = ("Brenda", "Khan", "saw", "Osaka", "and", "Osaka")


def test_entities_become_text_and_come_back():
    text = entity_text(list(WORDS), TAGS)
    assert text == "PER: Brenda Khan; LOC: Osaka; LOC: Osaka"
    assert entity_tags(text, WORDS) == TAGS
    assert entity_text(["a"], ["O"]) == "none"
    assert entity_tags("none", ("a",)) == ["O"]


@pytest.mark.parametrize(
    ("answer", "tags"),
    [
        ("LOC: Osaka", ["O", "O", "O", "B-LOC", "O", "O"]),  # one of two
        ("PER: Brenda", ["B-PER", "O", "O", "O", "O", "O"]),
        ("PER: Nobody; LOC: Osaka", ["O", "O", "O", "B-LOC", "O", "O"]),
        ("PER Brenda; : Khan; LOC:", ["O"] * 6),
        ("PER: Brenda Khan; ORG: Khan", ["B-PER", "I-PER", "O", "O", "O", "O"]),  # taken
        ("", ["O"] * 6),
    ],
)
def test_answers_that_are_not_as_asked_are_read_as_far_as_they_go(answer, tags):
    assert entity_tags(answer, WORDS) == tags


def test_a_class_is_right_whatever_its_case_and_another_text_is_wrong():
    one = task([*LABELLED, *LABELLED])
    made = one.examples("train")
    answers = [np.array(ids(word)) for word in ("good", "bad", "bad", "rainy")]
    expected = classification_scores(np.array([1, 0, 1, 0]), np.array([1, 0, 0, -1]))
    assert one.score(made, answers) == expected
    assert expected["accuracy"] == 0.5
    assert one.metric == "f1_macro"


def test_entities_are_scored_as_tags():
    records = [{"tokens": list(WORDS), "ner_tags": TAGS}, {"tokens": ["a"], "ner_tags": ["O"]}]
    one = task(records, Options(of="ner"))
    made = one.examples("train")
    assert one.metric == "f1"
    assert [e.target.answer for e in made] == [entity_text(list(WORDS), TAGS), "none"]
    one.texts = lambda answers: ["LOC: Osaka", "none"]
    found = [["O", "O", "O", "B-LOC", "O", "O"], ["O"]]
    assert one.score(made, [None, None]) == entity_scores([TAGS, ["O"]], found)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instruction")
    made = {}
    for name, records in (("classification", sentiment_records(40)), ("ner", tagged_records(12))):
        splits = {"train": records, "validation": records[::3], "test": records[1::3]}
        made[name] = write_splits(folder / name, splits)
    for family in ("gpt2", "llama"):
        made[family] = save_model(folder / family, family, generates=True)
    return made


def words_for(folders, of, family, *others):
    return [
        *("--task", "instruction", "--task.of", of, "--data", str(folders[of])),
        *("--model", str(folders[family]), "--batch-size", "8", "--device", "cpu"),
        *("--precision", "fp32", "--task.max-length", "60", "--task.max-answer", "8", *others),
    ]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_decoder_learns_to_write_a_class(folders, tmp_path, family, capsys):
    words = words_for(folders, "classification", family, "--strategy", "full", "--lr", "1e-2")
    words += ["--epochs", "12", "--task.template", "{text} was"]
    run = trained(words, tmp_path / "runs")
    result = run.read_result()
    assert result["scores_before"]["test"]["accuracy"] < 0.5
    assert result["scores"]["test"]["accuracy"] > 0.9
    assert result["baselines"]["test"]["majority"]["accuracy"] < 0.6
    capsys.readouterr()
    assert eval.main([str(run.path), "--text", "the sunny day", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["answer"] in ("good", "bad")


@pytest.mark.parametrize(
    "strategy",
    [
        ["lora", "--strategy.r", "2", "--strategy.targets", "query,value"],
        ["adapter", "--strategy.size", "4", "--strategy.layers", "1"],
        ["prompt", "--strategy.length", "3"],
        ["prefix", "--strategy.length", "3"],
    ],
    ids=lambda words: words[0],
)
def test_every_strategy_writes_entities(folders, tmp_path, strategy):
    words = words_for(folders, "ner", "gpt2", "--strategy", *strategy, "--epochs", "1")
    run = trained(words, tmp_path / "runs")
    assert {"precision", "recall", "f1"} <= run.read_result()["scores"]["test"].keys()
    arrays = np.load(run.arrays("predictions", "test"))
    assert set(arrays) == {"ids", "true", "written"}


def test_the_loss_is_that_of_a_plain_loop_over_the_answer():
    """Prompt tuning puts positions in front: the answer's stay where they are."""
    from adapted import VARIANTS

    from tl import build
    from tl.config import Config
    from tl.registry import STRATEGIES, options_of

    one = task(LABELLED, Options(template="saw {text} was", max_length=40))
    for variant in ("full", "prompt random"):
        strategy, options = VARIANTS[variant]
        made = options_of(STRATEGIES, strategy, "strategy")(**options)
        config = Config(task="instruction", strategy=strategy, strategy_options=made,
                        task_options=one.options, lr=1e-3)  # fmt: skip
        model = build.adapt(tiny_backbone("gpt2", generates=True), config, one).eval()
        batch = one.collate(one.examples("train"))
        expected = 0.0
        for example in batch.examples:
            row = torch.tensor([example.inputs["input_ids"]])
            inputs = {"input_ids": row, "attention_mask": torch.ones_like(row)}
            with torch.no_grad():
                logits = model.read(inputs).logits[0, -row.shape[1] :]
            for i in range(example.target.start, row.shape[1]):
                expected -= logits[i - 1].log_softmax(-1)[row[0, i]].item()
        with torch.no_grad():
            assert one.loss_sum(model(batch), batch).item() == pytest.approx(expected, rel=1e-5)


def test_another_model_than_a_decoder_is_refused(folders, tmp_path, here, capsys):
    folders = folders | {"t5": save_model(tmp_path / "t5", "t5")}
    words = words_for(folders, "ner", "t5", "--strategy", "lora")
    refused([*words, *here], capsys, "takes a causal model", "--task ner")
