"""Run directories: whole files or none, and messages that say what to do."""

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tl import runs
from tl.runs import (
    Run,
    check_free,
    clear,
    start,
    unfinished,
    write_arrays,
    write_atomically,
    write_json,
)


def fail(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


WRITERS = {
    "bytes": lambda path: write_atomically(path, b"new"),
    "json": lambda path: write_json(path, {"new": 1}),
    "arrays": lambda path: write_arrays(path, {"new": np.ones(3)}),
}


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path / "task" / "run")
    start(made, "{}", {"git_commit": None})
    return made


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_write_makes_the_directory_and_leaves_one_file(write, tmp_path):
    path = tmp_path / "deep" / "file"
    write(path)
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("broken", ["write", "rename"])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(
    write, broken, tmp_path, monkeypatch
):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    if broken == "rename":
        monkeypatch.setattr("pathlib.Path.replace", fail)
    else:
        monkeypatch.setattr(os, "fsync", fail)
        monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        write(path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_json_keeps_cyrillic_and_ends_its_last_line(tmp_path):
    write_json(tmp_path / "file", {"label": "хорошо"})
    text = (tmp_path / "file").read_text(encoding="utf-8")
    assert json.loads(text) == {"label": "хорошо"}
    assert "хорошо" in text
    assert text.endswith("}\n")


def test_arrays_are_read_back_under_their_names(tmp_path):
    write_arrays(tmp_path / "a.npz", {"ids": np.array(["x", "y"]), "logits": np.eye(2)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert list(arrays["ids"]) == ["x", "y"]
        np.testing.assert_array_equal(arrays["logits"], np.eye(2))


def test_arrays_of_a_data_set_of_the_hub_lie_in_no_directory_of_their_own(run):
    path = run.arrays("texts", "owner/news:en-test", "random")
    assert path == run.path / "texts" / "owner--news--en-test--random.npz"


def test_a_path_without_a_run_is_free(tmp_path):
    assert check_free(tmp_path / "new", overwrite=False) == Run(tmp_path / "new")


def test_a_run_that_never_saved_itself_is_in_nobodys_way(run):
    assert check_free(run.path, overwrite=False) == run


def test_an_unfinished_run_is_in_the_way_and_says_how_to_go_on(run):
    write_atomically(run.checkpoint, b"saved")
    resume = re.escape(f"python train.py --resume {run.path}")
    with pytest.raises(ValueError, match=f"unfinished.*{resume}.*--overwrite"):
        check_free(run.path, overwrite=False)
    assert unfinished(run.path) == run
    with pytest.raises(ValueError, match=f"not finished.*{resume}"):
        run.read_result()


def test_a_finished_run_is_in_the_way_and_says_how_to_repeat_it(run):
    write_json(run.result, {"status": "finished"})
    evaluate = re.escape(f"python eval.py {run.path}")
    with pytest.raises(ValueError, match=f"finished.*{evaluate}.*--overwrite.*--seed"):
        check_free(run.path, overwrite=False)
    with pytest.raises(ValueError, match=f"finished.*{evaluate}.*--epochs"):
        unfinished(run.path)
    assert run.read_result() == {"status": "finished"}


def test_a_directory_without_a_configuration_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"no run directory.*config\.json"):
        unfinished(tmp_path)
    with pytest.raises(ValueError, match=r"no run directory.*config\.json"):
        Run(tmp_path).read_result()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"[1]", "must hold one JSON object, got a list"),
        (b"[" * 5000, "is not JSON: maximum recursion"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b"\xff", "is not UTF-8"),
        (b'{"task": 3}', "task must be a str, got 3"),
        (b'{"seed": true}', "seed must be a int, got True"),
        (b'{"seed": 1.5}', "seed must be a int, got 1.5"),
        (b'{"train_seconds": NaN}', "train_seconds must be a float, got nan"),
        (b'{"train_seconds": -1}', "train_seconds must be a float, got -1"),
        (b'{"scores": {"test": {"f1": "x"}}}', "its scores are no numbers"),
        (b'{"scores_before": {"test": 1}}', "its scores_before are no numbers"),
        (
            b'{"baselines": {"test": {"majority": {"f1": null}}}}',
            "baselines of test are no numbers",
        ),
        (b'{"baselines": {"test": 1}}', "baselines of test are no numbers"),
        (b'{"peak_memory_mib": {}}', "peak_memory_mib has no total"),
    ],
)
def test_a_result_that_no_run_wrote_is_refused(content, message, run):
    run.result.write_bytes(content)
    with pytest.raises(ValueError, match=rf"result\.json.*{message}"):
        run.read_result()


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (b'{"step": 1}\n{"step": 2', "line 2 is not JSON"),
        (b'{"loss": 1}', "line 1: expected a step"),
        (b'{"step": 1, "loss": "x"}', "line 1: expected a step and numbers"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_metrics_that_no_run_wrote_are_refused(lines, place, run):
    run.metrics.write_bytes(lines)
    with pytest.raises(ValueError, match=rf"metrics\.jsonl.*{place}"):
        run.read_metrics()


def test_a_run_that_is_cleared_halfway_can_start_over(run, monkeypatch):
    """Killed anywhere on the way, it is a run still, neither finished nor with a checkpoint."""
    write_json(run.result, {})
    write_atomically(run.checkpoint, b"saved")
    run.metrics.touch()
    unlink, removed = Path.unlink, []

    def watched(path, **options):
        removed.append(path.name)
        unlink(path, **options)
        assert run.config.exists()
        assert run.env.exists()
        assert not run.result.exists()
        assert path.name == "result.json" or not run.has_saved()

    monkeypatch.setattr(Path, "unlink", watched)
    clear(run)
    assert removed == ["result.json", "state.pt", "metrics.jsonl"]


def test_overwriting_takes_the_place_of_all_old_files(run):
    write_json(run.result, {})
    run.learned.write_bytes(b"old")
    start(check_free(run.path, overwrite=True), '{"new": 1}', {})
    assert sorted(p.name for p in run.path.iterdir()) == ["config.json", "env.json"]
    assert run.config.read_text() == '{"new": 1}'


@pytest.mark.parametrize("n_whole", [0, 1])
def test_a_run_that_cannot_be_started_leaves_no_directory(n_whole, tmp_path, monkeypatch):
    whole = []

    def full(number):
        if len(whole) == n_whole:
            fail()
        whole.append(number)

    monkeypatch.setattr(os, "fsync", full)
    run = Run(tmp_path / "run")
    with pytest.raises(OSError, match="No space left"):
        start(run, "{}", {})
    assert not run.path.exists()


def test_the_environment_names_code_machine_and_versions():
    environment = runs.environment()
    assert set(runs.PACKAGES) <= set(environment["packages"])
    assert environment["git_commit"] is None or len(environment["git_commit"]) == 40
    json.dumps(environment)


def test_the_environment_does_without_git(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr("subprocess.run", missing)
    assert runs.environment()["git_commit"] is None
