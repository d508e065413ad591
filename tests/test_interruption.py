"""Runs that are stopped, and directories that are in the way: nothing saved is ever lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from killing import left
from running import (
    FULL,
    equal_bits,
    files,
    only_run,
    put_back_in_time,
    recorded,
    refused,
    refused_by,
    scalars,
    trained,
    write_text,
)

import eval
import train
from tl.command_line import parse
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


def test_an_unfinished_run_says_how_to_go_on(finished, basic, tmp_path, capsys):
    copy = Run(tmp_path / finished.path.parent.name / finished.path.name)
    shutil.copytree(finished.path, copy.path)
    copy.result.unlink()
    words = [*basic, *FULL, "--runs-dir", str(tmp_path)]
    refused(words, capsys, f"python train.py --resume {copy.path}", "--overwrite")
    assert train.main([*words, "--overwrite"]) == 0
    assert equal_bits(copy, finished)


def test_a_runs_directory_under_a_file_is_refused(basic, tmp_path, capsys):
    file = write_text(tmp_path / "file", "mine")
    refused([*basic, *FULL, "--runs-dir", str(file / "runs")], capsys, str(file))
    assert file.read_text() == "mine"


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


def test_ctrl_c_before_training_leaves_nothing(basic, here, tmp_path, monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tl.build.load_data", interrupt)
    refused([*basic, *FULL, *here], capsys, "nothing to save", code=130)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
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


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_or_end_of_a_job_kills(sent):
    stop = train.stop_at_ctrl_c()
    assert not stop()
    os.kill(os.getpid(), sent)
    assert stop()
    for one in (signal.SIGINT, signal.SIGTERM):
        assert signal.getsignal(one) == signal.SIG_DFL


def test_using_a_run_that_has_saved_no_weights_says_how_to_go_on(finished, tmp_path, capsys):
    copy = Run(shutil.copytree(finished.path, tmp_path / "run"))
    copy.result.unlink()
    copy.learned.unlink()
    refused_by(eval.main, [str(copy.path)], capsys, "not finished an epoch", "--resume")


def test_using_a_run_that_has_not_finished_says_so(finished, tmp_path, capsys):
    copy = Run(tmp_path / "run")
    shutil.copytree(finished.path, copy.path)
    copy.result.unlink()
    assert eval.main([str(copy.path)]) == 0
    assert f"note: the run in {copy.path} has not finished" in capsys.readouterr().err
    (note,) = copy.notes()
    assert note.startswith(f"the run in {copy.path} has not finished; these are the weights")
    assert finished.notes() == []
    assert eval.main([str(finished.path)]) == 0
    assert "not finished" not in capsys.readouterr().err


# What is not a run's stays.


def test_overwriting_leaves_what_the_user_put_beside_a_run_and_behind_a_link(
    finished, basic, tmp_path, capsys
):
    words = [*basic, *FULL, "--runs-dir", str(tmp_path / "runs")]
    run = Run(tmp_path / "runs" / parse([*basic, *FULL])[0].run_name)
    shutil.copytree(finished.path, run.path)
    elsewhere = tmp_path / "elsewhere"
    run.figures.rename(elsewhere)
    run.figures.symlink_to(elsewhere)
    run.checkpoint.parent.joinpath("mine.pt").touch()
    (run.path / "NOTES.txt").write_text("mine")
    before = files(elsewhere)
    assert train.main([*words, "--overwrite"]) == 0
    assert (run.path / "NOTES.txt").read_text() == "mine"
    assert (run.checkpoint.parent / "mine.pt").exists()
    assert files(elsewhere) == before
    assert not run.figures.is_symlink()
    assert left(run) == left(finished)


def test_no_configuration_leads_to_a_directory_of_somebody_elses(finished, tmp_path, capsys):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "config.json").write_text('{"model_type": "bert"}')
    (victim / "model.safetensors").write_text("weights")
    asked = json.loads(finished.config.read_text()) | {"resume": str(victim)}
    (tmp_path / "k.json").write_text(json.dumps(asked))
    refused(["--config", str(tmp_path / "k.json")], capsys, "'resume' is no option", "--resume")
    refused(["--resume", str(victim)], capsys, "'model_type' is no option")
    (victim / "config.json").write_bytes(finished.config.read_bytes())
    refused(["--resume", str(victim)], capsys, "it has no env.json")
    assert files(victim) == ["config.json", "model.safetensors"]


def test_several_evaluations_of_one_run_at_once_all_end_well(finished, tmp_path):
    copy = Run(shutil.copytree(finished.path, tmp_path / "run"))
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = max(eval.main([str(copy.path)]) for _ in range(2))
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children] == [0, 0, 0]
    assert files(copy.path) == files(finished.path)
    paths = [run.arrays("predictions", "test") for run in (copy, finished)]
    one, other = (np.load(path)["logits"] for path in paths)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("content", ["{}", "[" * 100_000, "[]", '{"data_fingerprint": 3}'])
def test_a_run_whose_environment_was_changed_is_refused_by_its_name(
    content, finished, tmp_path, capsys
):
    copy = Run(shutil.copytree(finished.path, tmp_path / "run"))
    copy.env.write_text(content)
    refused_by(eval.main, [str(copy.path)], capsys, str(copy.env))
