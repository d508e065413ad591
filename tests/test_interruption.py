"""Runs that stop early, and directories that are in the way: nothing saved is ever lost."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import (
    FULL,
    equal_bits,
    files,
    only_run,
    recorded,
    refused,
    scalars,
    trained,
    write_text,
)
from safetensors.torch import load_file
from tiny import sentiment_records, write_splits

import eval
import train
from tl.checkpoint.__main__ import unfinished
from tl.runs import Run

ROOT = Path(__file__).parents[1]


# Run directories that are there already, or cannot be made.


def test_a_finished_run_is_not_run_again(finished, basic, capsys):
    before = files(finished.path)
    words = [*basic, *FULL, "--runs-dir", str(finished.path.parents[1])]
    refused(
        words,
        capsys,
        *(f"the run in {finished.path} is finished", f"python eval.py {finished.path}"),
        *("--overwrite", "--seed", "--runs-dir"),
    )
    refused(["--resume", str(finished.path)], capsys, "is finished", "eval.py", "--epochs")
    assert files(finished.path) == before


def test_a_resumed_run_takes_no_options(finished, capsys):
    words = ["--resume", str(finished.path), "--lr", "0.1"]
    refused(words, capsys, "--resume", "--lr was given too", "--config RUN/config.json --lr")


def test_an_unfinished_run_says_how_to_go_on(finished, basic, tmp_path, capsys):
    copy = Run(tmp_path / finished.path.parent.name / finished.path.name)
    shutil.copytree(finished.path, copy.path)
    copy.result.unlink()
    words = [*basic, *FULL, "--runs-dir", str(tmp_path)]
    refused(words, capsys, f"python train.py --resume {copy.path}", "--overwrite")
    assert train.main([*words, "--overwrite"]) == 0
    assert equal_bits(copy, finished)


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda run: run.checkpoint.unlink(), "saved nothing yet"),
        (
            lambda run: run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:999]),
            "cannot be read",
        ),
        (lambda run: run.checkpoint.write_bytes(b""), "cannot be read"),
    ],
    ids=["none", "torn", "empty"],
)
def test_a_checkpoint_that_cannot_be_read_is_refused(damage, part, finished, tmp_path, capsys):
    copy = Run(tmp_path / "run")
    shutil.copytree(finished.path, copy.path)
    copy.result.unlink()
    damage(copy)
    refused(["--resume", str(copy.path)], capsys, str(copy.checkpoint), part)


def test_a_run_whose_data_changed_is_not_resumed(finished, basic, tmp_path, capsys):
    copy = Run(tmp_path / "run")
    shutil.copytree(finished.path, copy.path)
    copy.result.unlink()
    records = [record | {"text": f"{record['text']} !"} for record in sentiment_records(24)]
    data = write_splits(tmp_path / "data", {"train": records, "validation": records})
    config = json.loads(copy.config.read_text()) | {"data": str(data)}
    copy.config.write_text(json.dumps(config))
    refused(["--resume", str(copy.path)], capsys, "data fingerprint", "--overwrite")


def test_a_runs_directory_under_a_file_is_refused(basic, tmp_path, capsys):
    file = write_text(tmp_path / "file", "mine")
    refused([*basic, *FULL, "--runs-dir", str(file / "runs")], capsys, str(file))
    assert file.read_text() == "mine"


# A full disk.


@pytest.fixture
def disk(monkeypatch):
    """`disk(n)`: from now on n writes succeed, then the disk is full; `disk(None)`: room again."""
    real = os.fsync
    left = [None]

    def fsync(number):
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if left[0] is not None:
            left[0] -= 1
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    return lambda n: left.__setitem__(0, n)


@pytest.mark.parametrize("n_written", [0, 1])
def test_a_disk_that_is_full_at_the_start_leaves_nothing(
    n_written, disk, basic, here, tmp_path, capsys
):
    disk(n_written)
    refused([*basic, *FULL, *here], capsys, "No space left", "The disk is full")
    assert files(tmp_path / "runs") == []
    assert not list((tmp_path / "runs").glob("*/*"))


@pytest.mark.parametrize("n_written", [4, 5])
def test_a_disk_that_is_full_later_spoils_nothing(
    n_written, disk, finished, basic, here, tmp_path, capsys
):
    disk(n_written)  # env, config; then the weights and the checkpoint of each epoch; the result
    refused([*basic, *FULL, *here], capsys, "No space left", "what was saved before is whole")
    run = only_run(tmp_path / "runs")
    assert not [name for name in files(run.path) if name.endswith(".partial")]
    assert load_file(run.learned).keys() == load_file(finished.learned).keys()
    disk(None)
    assert train.main(["--resume", str(run.path)]) == 0
    assert equal_bits(run, finished)
    assert run.metrics.read_bytes() == finished.metrics.read_bytes()


# Ctrl-C.


def stop_after(n_questions, monkeypatch):
    """Ctrl-C, as the loop sees it, at the n-th time that it asks."""
    asked = []

    def stop():
        asked.append(None)
        return len(asked) >= n_questions

    monkeypatch.setattr(train, "stop_at_ctrl_c", lambda: stop)


@pytest.mark.parametrize("n_questions", [1, 3, 4, 5, 6, 9, 10], ids=lambda n: f"question {n}")
def test_a_stopped_run_goes_on_to_the_same_end(
    n_questions, finished, basic, here, tmp_path, monkeypatch, capsys
):
    """Questions 1 and 2 fall into evaluation before training, then 3 steps, 1 evaluation, ..."""
    stop_after(n_questions, monkeypatch)
    message = refused([*basic, *FULL, *here], capsys, "stopped and saved", code=130)
    run = only_run(tmp_path / "runs")
    assert f"python train.py --resume {run.path}" in message
    assert not run.result.exists()
    monkeypatch.undo()
    assert train.main(["--resume", str(run.path)]) == 0
    assert equal_bits(run, finished)
    assert run.metrics.read_bytes() == finished.metrics.read_bytes()
    assert run.read_result()["scores"] == finished.read_result()["scores"]
    assert run.read_result()["scores_before"] == finished.read_result()["scores_before"]


def put_back_in_time(run):
    """TensorBoard reads files by the second in their names, and a test is quicker than that."""
    (events,) = run.path.glob("events.*")
    number = events.name.split(".")[3]
    events.rename(events.with_name(events.name.replace(number, f"{int(number) - 60:010d}")))


def test_tensorboard_shows_a_resumed_run_as_one(
    finished, basic, here, tmp_path, monkeypatch, capsys
):
    stop_after(7, monkeypatch)
    refused([*basic, *FULL, *here], capsys, code=130)
    run = only_run(tmp_path / "runs")
    monkeypatch.undo()
    put_back_in_time(run)
    assert train.main(["--resume", str(run.path)]) == 0
    shown, whole = scalars(run), recorded(finished.metrics)
    assert {key: shown.get(key) for key in whole} == whole


def test_tensorboard_keeps_the_epoch_that_a_crashed_run_goes_on_from(
    disk, finished, basic, here, tmp_path, capsys
):
    disk(4)
    refused([*basic, *FULL, *here], capsys)
    disk(None)
    run = only_run(tmp_path / "runs")
    put_back_in_time(run)
    assert train.main(["--resume", str(run.path)]) == 0
    shown, whole = scalars(run), recorded(finished.metrics)
    assert {key: shown.get(key) for key in whole} == whole


def test_ctrl_c_before_training_leaves_nothing(basic, here, tmp_path, monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tl.build.load_data", interrupt)
    refused([*basic, *FULL, *here], capsys, "nothing to save", code=130)
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_saves_and_says_how_to_go_on(basic, tmp_path, capsys):
    words = [*basic, *FULL, "--epochs", "20", "--runs-dir"]
    process = subprocess.Popen(
        [sys.executable, "train.py", *words, str(tmp_path / "stopped")],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    seen = ""
    while "epoch 1: validation" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130, seen + rest
    run = only_run(tmp_path / "stopped")
    assert f"python train.py --resume {run.path}" in rest
    assert "Traceback" not in rest
    assert not run.result.exists()
    assert train.main(["--resume", str(run.path)]) == 0
    assert run.result.exists()
    whole = trained([*words[:-1]], tmp_path / "whole")
    assert equal_bits(run, whole)
    assert run.metrics.read_bytes() == whole.metrics.read_bytes()


def test_the_second_ctrl_c_kills():
    before = signal.getsignal(signal.SIGINT)
    stop = train.stop_at_ctrl_c()
    assert not stop()
    os.kill(os.getpid(), signal.SIGINT)
    assert stop()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    signal.signal(signal.SIGINT, before)


def test_using_a_run_that_has_not_finished_says_so(finished, tmp_path, capsys):
    copy = Run(tmp_path / "run")
    shutil.copytree(finished.path, copy.path)
    copy.result.unlink()
    assert eval.main([str(copy.path)]) == 0
    assert "note: the run has not finished" in capsys.readouterr().err
    assert unfinished(copy.path) == [
        f"note: {copy.path} has not finished; these are the weights of its best epoch so far"
    ]
    assert unfinished(finished.path) == []
    assert eval.main([str(finished.path)]) == 0
    assert "not finished" not in capsys.readouterr().err
