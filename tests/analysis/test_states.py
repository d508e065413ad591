"""What the dumps of runs know, of which data, and which of them cannot be compared."""

import numpy as np
import pytest
from made_runs import made_others, made_run, made_texts, made_words
from running import refused_by

from analysis import __main__ as command_line
from analysis.others import other_data
from analysis.states import BEFORE, RANDOM, compared, properties
from tl.runs import WEIGHTS, write_arrays

ALL = tuple(WEIGHTS)


def changed(run, kind, name, **new):
    """Other arrays in the dumps of all weights."""
    for weights in WEIGHTS:
        path = run.arrays(kind, name, weights)
        with np.load(path) as arrays:
            old = dict(arrays)
        write_arrays(path, old | new)


def test_texts_of_other_data_are_properties_by_the_name_of_their_column(tmp_path):
    run = made_others(made_words(made_texts(tmp_path / "run")))
    *_, topic = properties(run, "test", ALL)
    assert topic.name == "topic, news"
    assert topic.label_names == ("Business", "Sports", "World")
    assert topic.types is None
    assert topic.states.keys() == set(ALL)
    made_others(run, column="label")
    assert properties(run, "test", ALL)[-1].name == "label of news"


def test_a_run_without_hidden_states_is_asked_for_other_texts_alone(tmp_path):
    run = made_others(made_run(tmp_path / "sums", task="summarization"))
    assert [prop.name for prop in properties(run, "test", ALL)] == ["topic, news"]


@pytest.mark.parametrize("task", ["summarization", "multitask"])
def test_states_of_a_task_without_labels_are_no_obstacle(task, tmp_path, capsys):
    runs = [made_others(made_texts(tmp_path / f"r{seed}", task=task, seed=seed)) for seed in (0, 1)]
    assert [prop.name for prop, _ in compared(runs, "test", ALL)] == ["topic, news"]
    said = capsys.readouterr().err
    assert said.splitlines() == [
        f"left out: labels of reviews: a run of {task} has no one label for each text or word"
    ]


def test_labels_that_lack_their_states_are_named_with_the_command(tmp_path, capsys):
    run = made_others(made_run(tmp_path / "run"))
    assert len(list(compared([run], "test", ALL))) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("left out: labels of reviews: ")
    assert said.endswith(f"python eval.py {run.path} --dump hidden --split test "
                         "--weights trained,pretrained,random")  # fmt: skip


def test_columns_of_one_data_set_stand_side_by_side(tmp_path):
    about = {"data": np.array("my/news"), "data_name": np.array("news")}
    run = made_others(made_run(tmp_path / "run"), column="topic")  # of an earlier version
    made_others(run, column="mood", name="news--mood", **about)
    names = {"topic, news", "mood, news"}
    assert {prop.name for prop in properties(run, "test", ALL)} == names
    made_others(run, column="topic", name="news--topic", **about)  # the same as the earlier one
    found = list(other_data(run, "texts"))
    assert [other.stem for other in found] == ["news--mood-test", "news--topic-test"]
    assert {prop.name for prop in properties(run, "test", ALL)} == names
    run.arrays("texts", "news--mood-test", "random").unlink()
    with pytest.raises(ValueError, match=r"--texts.label mood --data my/news --split test"):
        properties(run, "test", ALL)


def test_two_splits_of_one_data_set_have_two_names(tmp_path):
    run = made_others(made_others(made_run(tmp_path / "run")), split="validation")
    names = [prop.name for prop in properties(run, "test", ALL)]
    assert names == ["topic, news-test", "topic, news-validation"]


def test_seeds_stand_together_in_their_order(tmp_path):
    runs = [made_texts(tmp_path / f"r{seed}", seed=seed) for seed in (5, 2)]
    runs.append(made_texts(tmp_path / "full", strategy="full"))
    prop, shown = next(compared(runs, "test", ALL))
    assert {name: len(seeds) for name, seeds in shown.items()} == {
        RANDOM: 1, BEFORE: 1, "lora": 2, "full": 1,
    }  # fmt: skip
    own = [properties(run, "test", ALL)[0].states["trained"] for run in runs]
    np.testing.assert_array_equal(shown["lora"][0], own[1])
    np.testing.assert_array_equal(shown["lora"][1], own[0])
    np.testing.assert_array_equal(shown[BEFORE][0], prop.states["pretrained"])


def test_random_weights_are_those_of_the_first_run_and_needed_of_no_other(tmp_path):
    first, second = (made_texts(tmp_path / f"r{seed}", seed=seed) for seed in (0, 1))
    second.arrays("hidden", "test", "random").unlink()
    _, shown = next(compared([first, second], "test", ALL))
    assert len(shown[RANDOM]) == 1
    with pytest.raises(ValueError, match=r"has no hidden/test--random\.npz"):
        next(compared([second, first], "test", ALL))


def test_what_one_run_lacks_is_left_out_and_named(tmp_path, capsys):
    first, second = (made_others(made_texts(tmp_path / f"r{seed}", seed=seed)) for seed in (0, 1))
    for weights in WEIGHTS:
        second.arrays("texts", "news-test", weights).unlink()
    names = [prop.name for prop, _ in compared([first, second], "test", ALL)]
    assert "topic, news" not in names
    assert f"left out: topic, news, of which {second.path} has no dump" in capsys.readouterr().err


def test_what_only_a_later_run_knows_is_named_once(tmp_path, capsys):
    runs = [made_texts(tmp_path / f"r{seed}", seed=seed) for seed in (0, 1, 2)]
    made_others(runs[1])
    names = [prop.name for prop, _ in compared(runs, "test", ALL)]
    assert "topic, news" not in names
    said = capsys.readouterr().err
    assert said == f"left out: topic, news, of which {runs[0].path} has no dump\n"


@pytest.mark.parametrize("analysis", ["probing", "projection"])
@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"labels": np.array(["Sports", "World", "Money"] * 30)}, "label names"),
        ({"labels": np.array(["World", "Sports", "Business"] * 30)}, "labels"),
        ({"ids": np.arange(1, 91).astype(str)}, "examples"),
    ],
)
def test_dumps_of_other_labels_or_examples_are_refused(analysis, new, said, tmp_path, capsys):
    runs = [made_others(made_run(tmp_path / f"r{seed}", seed=seed)) for seed in (0, 1)]
    changed(runs[1], "texts", "news-test", **new)
    words = [analysis, *(str(run.path) for run in runs), "--out", str(tmp_path)]
    refused_by(command_line.main, words, capsys, f"topic, news: {runs[0].path} and {runs[1].path}",
               f"dumps of other {said};", "one --limit")  # fmt: skip


@pytest.mark.parametrize("analysis", ["probing", "projection"])
def test_one_class_too_few_texts_and_missing_weights_are_refused(analysis, tmp_path, capsys):
    def refused(run, *parts):
        refused_by(command_line.main, [analysis, str(run.path)], capsys, *parts)

    same = made_others(made_run(tmp_path / "same"))
    changed(same, "texts", "news-test", labels=np.array(["Sports"] * 90))
    refused(same, "topic, news", "one class" if analysis == "probing" else "1 class")
    refused(made_others(made_run(tmp_path / "few"), n=9), "9 ", "few" if analysis == "probing"
            else "more than 10 rows")  # fmt: skip
    lacking = made_others(made_run(tmp_path / "lacking"))
    lacking.arrays("texts", "news-test", "pretrained").unlink()
    refused(lacking, "has no texts/news-test--pretrained.npz", f"python eval.py {lacking.path} "
            "--dump texts --texts.label topic --data news --split test --weights ")  # fmt: skip


def test_a_dump_of_an_earlier_version_or_torn_is_refused(tmp_path, capsys):
    run = made_others(made_run(tmp_path / "run"))
    path = run.arrays("texts", "news-test")
    with np.load(path) as arrays:
        write_arrays(path, {name: arrays[name] for name in arrays if name != "column"})
    refused_by(command_line.main, ["probing", str(run.path)], capsys, "has no column", "earlier")
    path.write_bytes(b"PK torn")
    refused_by(command_line.main, ["probing", str(run.path)], capsys, "news-test.npz is damaged")
