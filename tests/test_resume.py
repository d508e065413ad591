"""What is gone on from, and what is not: a resume that does not belong to its run is refused."""

import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from running import FULL, equal_bits, files, refused
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import sentiment_records, write_splits

import eval
import train
from tl.checkpoint.state import read_state, save_state
from tl.lock import only_writer
from tl.runs import ARITHMETIC, WEIGHTS, Run, write_arrays, write_json


@pytest.fixture
def unfinished_run(finished, tmp_path):
    """A copy of the finished run, as if it had been killed before it wrote its result."""
    run = Run(tmp_path / "runs" / finished.path.parent.name / finished.path.name)
    shutil.copytree(finished.path, run.path)
    run.result.unlink()
    return run


CONTRADICTIONS = {
    "a rate": (["--lr", "0.1"], "--lr 0.1, but the run has 0.01"),
    "epochs": (["--epochs", "7"], "--epochs 7, but the run has 2"),
    "two": (["--seed", "3", "--epochs", "7"], "--seed 3, but the run has 0; --epochs 7, but"),
    "a strategy": (["--strategy", "lora"], "--strategy lora, but the run has full"),
    "a task": (["--task", "ner"], "--task ner, but the run has classification"),
    "an option of the task": (
        ["--task.max-length", "9"],
        "--task.max-length 9, but the run has 128",
    ),
    "a switch": (["--gradient-checkpointing"], "--gradient-checkpointing True, but the run has F"),
    "starting over": (["--overwrite"], "--overwrite has no meaning beside --resume"),
    "a plan": (["--dry-run"], "--dry-run has no meaning beside --resume"),
    "another place": (["--runs-dir", "x"], "--runs-dir has no meaning beside --resume"),
    "another configuration": (["--config", "x"], "--config has no meaning beside --resume"),
}


@pytest.mark.parametrize(("words", "part"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_resume_that_contradicts_its_run_is_refused(words, part, unfinished_run, capsys):
    before = files(unfinished_run.path)
    refused(["--resume", str(unfinished_run.path), *words], capsys, part, "out")
    assert files(unfinished_run.path) == before


def test_a_resume_may_repeat_what_the_run_has(unfinished_run, basic, finished, capsys):
    words = ["--resume", str(unfinished_run.path), *basic, *FULL, "--epochs", "2", "--json"]
    assert train.main(words) == 0
    assert equal_bits(unfinished_run, finished)


def test_what_was_dumped_before_the_end_is_gone_at_the_end(unfinished_run):
    """Of weights that have changed since; those before training have not."""
    for weights in WEIGHTS:
        write_arrays(unfinished_run.arrays("hidden", "test", weights), {"x": np.zeros(1)})
    assert train.main(["--resume", str(unfinished_run.path)]) == 0
    kept = {path.stem for path in (unfinished_run.path / "hidden").iterdir()}
    assert kept == {"test--pretrained", "test--random"}
    assert unfinished_run.arrays("predictions", "validation").is_file()


def test_a_run_that_is_being_written_is_refused(unfinished_run, basic, capsys):
    """By --resume, and by its own command with --overwrite; the process is named."""
    parts = (str(unfinished_run.path), f"is being written by process {os.getpid()} on ")
    before = files(unfinished_run.path)
    folder = unfinished_run.path.parents[1]
    with only_writer(unfinished_run.path, unfinished_run.lock):
        refused(["--resume", str(unfinished_run.path)], capsys, *parts)
        refused([*basic, *FULL, "--overwrite", "--runs-dir", str(folder)], capsys, *parts)
    assert files(unfinished_run.path) == before


def test_a_run_that_had_saved_nothing_starts_over_in_place(unfinished_run, finished, capsys):
    shutil.rmtree(unfinished_run.checkpoint.parent)
    assert train.main(["--resume", str(unfinished_run.path)]) == 0
    assert "note: the run had saved nothing when it stopped" in capsys.readouterr().err
    assert equal_bits(unfinished_run, finished)
    assert unfinished_run.metrics.read_bytes() == finished.metrics.read_bytes()


def test_a_torn_checkpoint_is_refused_and_the_one_before_it_gone_on_from(
    unfinished_run, finished, capsys
):
    newest = unfinished_run.checkpoint
    shutil.copy(newest, unfinished_run.previous)
    newest.write_bytes(newest.read_bytes()[:999])
    assert train.main(["--resume", str(unfinished_run.path)]) == 0
    note = capsys.readouterr().err
    assert f"note: {newest} cannot be read as a checkpoint: it was cut short" in note
    assert "Going on from the one before it, previous.pt" in note
    assert equal_bits(unfinished_run, finished)
    assert unfinished_run.metrics.read_bytes() == finished.metrics.read_bytes()


def test_weights_of_an_epoch_that_no_checkpoint_knows_are_not_kept(
    unfinished_run, finished, capsys
):
    """A run on a GPU may not come to the same epoch again; here it does, so ask before it goes on.

    The checkpoint is of the end of training: what it says is best is what the run ends with.
    """
    weights = load_file(finished.learned)
    with safe_open(finished.learned, "pt") as file:
        metadata = file.metadata()
    save_file({n: w + 1 for n, w in weights.items()}, unfinished_run.learned, metadata)
    assert not equal_bits(unfinished_run, finished)
    assert train.main(["--resume", str(unfinished_run.path)]) == 0
    assert equal_bits(unfinished_run, finished)


def change_state(run, change):
    """Write a checkpoint anew, as another run or version would have written it."""
    state = read_state(run.checkpoint)
    change(state)
    save_state(run, state)
    run.previous.unlink()


FOREIGN = {
    "model": ("backbone fingerprint", "0123456789abcdef", "backbone fingerprint 0123456789abcdef"),
    "data": ("data fingerprint", "0123456789abcdef", "data fingerprint 0123456789abcdef"),
    "strategy": ("--strategy", "lora", "--strategy lora, now it is full"),
    "rate": ("--lr", 0.5, "--lr 0.5, now it is 0.01"),
    "classes": ("classes", ["x", "y"], "classes ['x', 'y'], now it is ['bad', 'good']"),
    "version": ("torch", "1.0", f"torch 1.0, now it is {torch.__version__}"),
    "arithmetic": ("arithmetic", 1, f"arithmetic 1, now it is {ARITHMETIC}"),
    "precision": ("precision", "torch.bfloat16", "torch.bfloat16, now it is torch.float32"),
}


@pytest.mark.parametrize(("name", "value", "part"), FOREIGN.values(), ids=FOREIGN)
def test_a_checkpoint_of_another_run_is_refused(name, value, part, unfinished_run, capsys):
    change_state(unfinished_run, lambda state: state["belongs_to"].update({name: value}))
    before = unfinished_run.checkpoint.read_bytes()
    words = ["--resume", str(unfinished_run.path)]
    refused(words, capsys, f"{unfinished_run.checkpoint} was saved with", part, "--overwrite")
    assert unfinished_run.checkpoint.read_bytes() == before


def test_a_checkpoint_of_a_version_that_counts_otherwise_is_refused(unfinished_run, capsys):
    change_state(unfinished_run, lambda state: state["progress"].update(n_tokens=9))
    words = ["--resume", str(unfinished_run.path)]
    refused(words, capsys, "was saved by another version of tl", "n_tokens, this one epoch, step")


def test_a_checkpoint_whose_weights_do_not_fit_is_refused(unfinished_run, capsys):
    change_state(unfinished_run, lambda state: state["learned"].pop(min(state["learned"])))
    refused(["--resume", str(unfinished_run.path)], capsys, "does not fit the model: backbone")


def test_metrics_that_were_cut_are_refused(unfinished_run, capsys):
    content = unfinished_run.metrics.read_bytes()
    unfinished_run.metrics.write_bytes(content[:50])
    words = ["--resume", str(unfinished_run.path)]
    refused(words, capsys, "metrics.jsonl has 50 bytes, but had", "--overwrite")


def test_a_resumed_run_goes_on_with_as_many_threads(unfinished_run, capsys):
    change_state(unfinished_run, lambda state: state.update(n_threads=2))
    before = torch.get_num_threads()
    try:
        assert train.main(["--resume", str(unfinished_run.path)]) == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert "note: going on with 2 threads, as before" in capsys.readouterr().err


def test_a_run_whose_data_changed_is_not_resumed(unfinished_run, tmp_path, capsys):
    copy = unfinished_run
    records = [record | {"text": f"{record['text']} !"} for record in sentiment_records(24)]
    data = write_splits(tmp_path / "data", {"train": records, "validation": records})
    config = json.loads(copy.config.read_text()) | {"data": str(data)}
    copy.config.write_text(json.dumps(config))
    refused(["--resume", str(copy.path)], capsys, "data fingerprint", "--overwrite")


def test_a_run_whose_data_moved_is_resumed(unfinished_run, sentiment_folder, tmp_path):
    config = json.loads(unfinished_run.config.read_text())
    shutil.copytree(sentiment_folder, tmp_path / "moved")
    unfinished_run.config.write_text(json.dumps(config | {"data": str(tmp_path / "moved")}))
    assert train.main(["--resume", str(unfinished_run.path)]) == 0


def begun_before(run, **changes):
    """Make a run one that a program with other arithmetic has begun."""
    env = json.loads(run.env.read_text()) | changes
    del env["arithmetic"]
    write_json(run.env, {name: value for name, value in env.items() if value != "nothing"})


@pytest.mark.parametrize(
    ("commit", "named"),
    [("0a1b2c3", "commit 0a1b2c3 "), (None, "commit unknown "), ("nothing", "commit unknown ")],
)
def test_an_unfinished_run_of_other_arithmetic_is_refused(commit, named, unfinished_run, capsys):
    """Before its data and its model are looked for; nothing in it is changed."""
    begun_before(unfinished_run, git_commit=commit)
    config = json.loads(unfinished_run.config.read_text())
    gone = {"data": "gone/data", "model": "gone/model"}
    write_json(unfinished_run.config, config | gone)
    before = {
        name: (unfinished_run.path / name).read_bytes() for name in files(unfinished_run.path)
    }
    message = refused(
        ["--resume", str(unfinished_run.path)], capsys, named, "compute other numbers"
    )
    assert "gone" not in message
    assert before == {n: (unfinished_run.path / n).read_bytes() for n in files(unfinished_run.path)}


def test_a_run_without_env_json_is_none(unfinished_run, capsys):
    unfinished_run.env.unlink()
    refused(["--resume", str(unfinished_run.path)], capsys, "no run directory", "no env.json")


def command_in(message):
    """The words behind `python train.py` at the end of a message."""
    return shlex.split(message.strip().rpartition("python train.py ")[2])


@pytest.mark.parametrize("folder", ["runs", "other runs/deep"])
def test_the_command_that_starts_anew_works(
    folder, unfinished_run, finished, tmp_path, monkeypatch, capsys
):
    """In the same directory, wherever that lies and from wherever it is named."""
    begun_before(unfinished_run)
    name = unfinished_run.path.relative_to(tmp_path / "runs")
    (tmp_path / folder).parent.mkdir(exist_ok=True)
    (tmp_path / "runs").rename(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    words = command_in(refused(["--resume", str(Path(folder) / name)], capsys, "start it anew"))
    assert ("--runs-dir" in words) == (folder != "runs")
    assert train.main(words) == 0
    run = Run(tmp_path / folder / name)
    assert equal_bits(run, finished)
    assert json.loads(run.env.read_text())["arithmetic"] == ARITHMETIC
    assert len(list(tmp_path.rglob("config.json"))) == 1


def test_a_run_of_another_name_is_started_anew_beside_it(
    unfinished_run, finished, tmp_path, monkeypatch, capsys
):
    begun_before(unfinished_run)
    unfinished_run.path.rename(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    words = command_in(refused(["--resume", "."], capsys, "start it anew"))
    assert train.main(words) == 0
    assert equal_bits(Run(tmp_path / finished.path.parent.name / finished.path.name), finished)
    assert (tmp_path / "mine" / "checkpoint").is_dir()


def test_a_run_of_other_arithmetic_that_had_saved_nothing_starts_over(
    unfinished_run, finished, capsys
):
    begun_before(unfinished_run)
    shutil.rmtree(unfinished_run.checkpoint.parent)
    assert train.main(["--resume", str(unfinished_run.path)]) == 0
    assert "had saved nothing" in capsys.readouterr().err
    assert equal_bits(unfinished_run, finished)
    assert json.loads(unfinished_run.env.read_text())["arithmetic"] == ARITHMETIC


def test_a_finished_run_of_other_arithmetic_is_used_as_before(finished, tmp_path, capsys):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    begun_before(run)
    assert eval.main([str(run.path), "--json"]) == 0
    scored = json.loads(capsys.readouterr().out.splitlines()[-1])["scores"]
    assert scored == finished.read_result()["scores"]["test"]
    refused(["--resume", str(run.path)], capsys, "is finished")
