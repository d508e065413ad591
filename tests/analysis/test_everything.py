"""All analyses of one run: what is missing is dumped first, what cannot be is said."""

import argparse
import json
import shutil

import numpy as np
import pytest
from made_runs import made_others
from running import refused_by

from analysis import __main__ as command_line
from analysis import everything, registry
from analysis.finished import OtherTaskError
from tl.dumps import DUMPS
from tl.runs import WEIGHTS, Run, write_arrays

NEEDS = {"hidden": ("trained", "random"), "rewrites": ("trained",)}


@pytest.fixture
def run(tmp_path):
    """A run that has a dump already."""
    (tmp_path / "config.json").write_text("{}")
    scores = {"validation": {"f1": 0.1}, "test": {"f1": 0.2}}
    (tmp_path / "result.json").write_text(json.dumps({"scores": scores}))
    one = Run(tmp_path)
    (tmp_path / "hidden").mkdir()
    one.arrays("hidden", "test").touch()
    return one


def test_only_what_is_missing_is_asked_for(run):
    assert everything.missing(run, "test", [NEEDS, {"hidden": ("pretrained",)}, {}]) == {
        "hidden": {"random", "pretrained"},
        "rewrites": {"trained"},
    }
    assert everything.missing(run, "test", [{"hidden": ("trained",)}]) == {}


def test_one_analysis_that_cannot_be_stops_no_other(run, monkeypatch, capsys):
    asked, ran = [], []

    def dump(one, kind, options):
        asked.append((kind, options))
        if kind == "rewrites":
            raise ValueError("no rewrites: this task has none")

    def run_one(name, words):
        ran.append((name, words))
        if name == "robustness":
            raise ValueError("there are no rewrites")

    monkeypatch.setattr(everything, "dump", dump)
    monkeypatch.setattr(registry, "run", run_one)
    needs = {"curves": {}, "probing": NEEDS, "robustness": {"rewrites": ("trained",)}}
    monkeypatch.setattr(everything, "of_one_run", lambda: needs)
    everything.run(command_line_arguments(run.path))
    assert asked == [
        ("hidden", ["--split", "test", "--weights", "random"]),
        ("rewrites", ["--split", "test", "--weights", "trained"]),
    ]
    assert ran == [(name, [str(run.path), "--out", str(run.path / "analysis")]) for name in needs]
    out = capsys.readouterr().out
    assert "[5/5] robustness" in out
    assert f"in {run.path / 'analysis'}: 5 steps; to look at: nothing" in out
    assert out.splitlines()[-2:] == [
        "left out: rewrites: no rewrites: this task has none",
        "left out: robustness: there are no rewrites",
    ]


def test_the_end_names_what_can_be_opened(tmp_path):
    for name in ("probing.png", "attention-view.html", "attention.png", "probing.json"):
        (tmp_path / name).touch()
    names = ["attention-view.html", "attention.png", "probing.png"]
    assert everything.pages(tmp_path) == [str(tmp_path / name) for name in names]


def test_an_analysis_that_fails_on_what_is_there_is_an_error_at_the_end(run, monkeypatch, capsys):
    """Not so one that is not for this task: everything that can be said was said."""

    def run_one(name, words):
        if name == "probing":
            raise ValueError("hidden/test.npz is damaged")
        if name == "calibration":
            raise OtherTaskError("it writes texts")

    monkeypatch.setattr(registry, "run", run_one)
    needs = {"calibration": {}, "probing": {}, "curves": {}}
    monkeypatch.setattr(everything, "of_one_run", lambda: needs)
    assert command_line.main(["all", str(run.path)]) == 2
    caught = capsys.readouterr()
    assert "left out: calibration: it writes texts" in caught.out
    assert "probing could not be done" in caught.err
    needs.pop("probing")
    assert command_line.main(["all", str(run.path)]) == 0


def test_out_that_can_be_no_directory_is_refused_before_any_work(run, tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("")
    for out in (taken, taken / "sub" / "sub"):
        words = ["all", str(run.path), "--out", str(out)]
        message = f"--out {out}: {taken} is no directory; give a directory, or"
        refused_by(command_line.main, words, capsys, message)


def test_other_data_are_dumped_once(run):
    words = [
        "--words",
        "data/trees",
        "--words",
        "names",
        "--texts",
        "o/news:x@topic",
        "--source",
        "a",
    ]
    arguments = command_line_arguments(run.path, *words)
    all_weights = ["--weights", "trained,pretrained,random"]
    expected = [
        ("words", ["--data", "data/trees", *all_weights]),
        ("words", ["--data", "names", *all_weights]),
        ("texts", ["--data", "o/news:x", "--texts.label", "topic", *all_weights]),
        ("source", ["--data", "a", "--weights", "trained,pretrained"]),
    ]
    assert everything.missing_of_others(run, arguments) == expected
    (run.path / "words").mkdir()
    for weights in ("trained", "pretrained"):
        write_arrays(run.arrays("words", "trees-test", weights), {})
    assert everything.missing_of_others(run, arguments) == expected  # that of "random" is lacking
    write_arrays(run.arrays("words", "trees-test", "random"), {})
    assert everything.missing_of_others(run, arguments) == expected[1:]
    made_others(run, column="label", name="o/news:x", data=np.array("o/news:x"))
    assert everything.missing_of_others(run, arguments) == expected[1:]  # of another column
    made_others(run, name="o/news:x--topic", data=np.array("o/news:x"))
    assert everything.missing_of_others(run, arguments) == [expected[1], expected[3]]


def test_what_was_dumped_is_known_by_what_was_typed(run):
    """A file of trees is called by its stem; other data of the name of a dump are not that dump."""
    arguments = command_line_arguments(run.path, "--words", "data/trees.conllu")
    for weights in ("trained", "pretrained", "random"):
        path = run.arrays("words", "trees-test", weights)
        write_arrays(
            path, {"data": np.array("./data/trees.conllu"), "data_name": np.array("trees")}
        )
    assert everything.missing_of_others(run, arguments) == []
    other = command_line_arguments(run.path, "--words", "more/trees.conllu", "--words", "trees")
    assert len(everything.missing_of_others(run, other)) == 2


def test_a_dump_of_texts_by_its_older_name_is_not_made_again(run):
    made_others(run, column="topic")
    topic = command_line_arguments(run.path, "--texts", "data/news@topic")
    assert everything.missing_of_others(run, topic) == []
    two = command_line_arguments(run.path, "--texts", "news@topic", "--texts", "news@mood")
    ((_, words),) = everything.missing_of_others(run, two)
    assert "mood" in words


def command_line_arguments(path, *words):
    parser = argparse.ArgumentParser()
    everything.add_arguments(parser)
    return parser.parse_args([str(path), *words])


def test_every_analysis_of_a_run_says_what_it_needs():
    found = everything.of_one_run()
    assert set(found) >= {"curves", "calibration", "probing", "robustness", "attention"}
    for needs in found.values():
        assert set(needs) <= set(DUMPS)
        assert {one for weights in needs.values() for one in weights} <= set(WEIGHTS)


def test_a_run_that_is_not_there_is_refused(tmp_path, capsys):
    refused_by(command_line.main, ["all", str(tmp_path)], capsys, "no run directory")


@pytest.mark.slow
def test_all_of_a_real_run(finished, tmp_path, capsys):
    copy = shutil.copytree(finished.path, tmp_path / "run")
    # Of 8 texts some things cannot be said; the rest is.
    few = "probing, similarity, projection could not be done"
    refused_by(command_line.main, ["all", str(copy)], capsys, few)
    made = {path.stem for path in (copy / "analysis").glob("*.png")}
    assert made >= {"curves", "calibration", "robustness", "attention", "forgetting"}
