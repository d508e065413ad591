"""How every command line ends: too little memory, odd words, streams that go away."""

import argparse
import errno
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from killing import left
from running import FULL, only_run, refused, refused_by

import eval
import train
from analysis import __main__ as analysis
from tl import lock, program
from tl.backbones.locate import foreign
from tl.checkpoint import __main__ as checkpoint
from tl.checkpoint.state import load_state
from tl.data.corpus import __main__ as corpus
from tl.loop import Trainer
from tl.out_of_memory import out_of_memory
from tl.program import Outlet

ROOT = Path(__file__).parents[1]
PROGRAMS = {"train": train, "eval": eval, "checkpoint": checkpoint, "corpus": corpus,
            "analysis": analysis}  # fmt: skip
each_program = pytest.mark.parametrize("module", PROGRAMS.values(), ids=PROGRAMS)
NO_MEMORY = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 77414400 bytes. Error code 12 (Cannot allocate memory)"
)


def raising(error):
    def work(*_, **__):
        raise error

    return work


def ended(error):
    return program.run("tl", raising(error), [])


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        NO_MEMORY,
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OverflowError("Python int too large to convert to C ssize_t"),
        TypeError("empty(): argument 'size' failed to unpack: Overflow when unpacking long"),
        ImportError("libtorch.so: failed to map segment from shared object"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_too_little_memory_is_a_message_with_what_to_do(error):
    code, said = program.run("tl", raising(error), [], memory="Do this")
    assert code == 2
    assert said.startswith("tl: error: out of memory (")
    assert said.endswith(". Do this.\n")


@pytest.mark.parametrize("size", [2**46, 2**62, 10**30])
def test_what_torch_raises_for_too_large_a_tensor_is_recognised(size):
    with pytest.raises((RuntimeError, TypeError)) as caught:
        torch.zeros(size)
    assert out_of_memory(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), TypeError("x"), KeyError(1)])
def test_a_fault_of_ours_is_not_hidden(error):
    with pytest.raises(type(error)):
        ended(error)


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ValueError("no"), (2, "tl: error: no\n")),
        (argparse.ArgumentError(None, "no"), (2, "tl: error: no\n")),
        (KeyboardInterrupt(), (130, "")),
        (OSError(errno.ENOSPC, "No space"), (2, f"tl: error: [Errno {errno.ENOSPC}] No space\nThe "
         "disk is full; what was saved before is whole.\n")),
    ],
)  # fmt: skip
def test_how_a_program_ends(error, end):
    assert ended(error) == end


@each_program
def test_no_program_ends_with_a_traceback_for_want_of_memory(module, monkeypatch, capsys):
    monkeypatch.setattr(module, "work", raising(MemoryError()))
    refused_by(module.main, [], capsys, "error: out of memory (MemoryError). ")


@each_program
@pytest.mark.parametrize("word", ["a\ud83d", "a\0b"])
def test_a_word_that_is_no_text_is_refused_by_name(word, module, capsys):
    refused_by(module.main, ["--text", word], capsys, f"error: --text {word!a} holds ")


@each_program
def test_without_the_locks_of_posix_there_is_one_message(module, monkeypatch, capsys):
    monkeypatch.setattr(lock, "fcntl", None)
    message = refused_by(module.main, ["--help"], capsys, "needs Linux or macOS", "WSL")
    assert message.count("\n") == 1


@pytest.mark.parametrize("name", ["train", "eval"])
def test_a_python_without_posix_comes_as_far_as_that_message(name):
    code = (
        "import sys; sys.modules['fcntl'] = sys.modules['resource'] = None; "
        f"import {name}; sys.exit({name}.main(['--help']))"
    )
    end = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (end.returncode, end.stdout) == (2, "")
    assert "run it inside WSL" in end.stderr
    assert "Traceback" not in end.stderr


# A run for which memory runs out.


def test_a_run_without_memory_says_what_to_change_and_can_go_on(
    finished, basic, here, tmp_path, capsys, monkeypatch
):
    step = Trainer._step

    def fail_in_epoch_2(trainer, batches):
        if trainer.progress.epoch == 1:
            raise NO_MEMORY
        return step(trainer, batches)

    monkeypatch.setattr(Trainer, "_step", fail_in_epoch_2)
    words = [*basic, *FULL, *here]
    message = refused(words, capsys, "--batch-size", "--accumulate", "--gradient-checkpointing")
    monkeypatch.setattr(Trainer, "_step", step)
    run = only_run(tmp_path / "runs")
    assert f"go on with: python train.py --resume {run.path}" in message
    assert train.main(["--resume", str(run.path)]) == 0
    assert left(run) == left(finished)


@pytest.mark.parametrize("place", ["tl.data.sources.load", "tl.build.load_backbone"])
def test_so_does_one_for_which_there_never_was_enough(place, basic, here, capsys, monkeypatch):
    monkeypatch.setattr(place, raising(MemoryError()))
    message = refused([*basic, *FULL, *here], capsys, "error: out of memory", "--dry-run")
    assert "--resume" not in message


def test_a_checkpoint_that_memory_does_not_suffice_for_is_not_taken_for_a_torn_one(
    finished, tmp_path, monkeypatch
):
    run = type(finished)(tmp_path)
    run.checkpoint.parent.mkdir()
    run.checkpoint.write_bytes(finished.checkpoint.read_bytes())
    run.previous.write_bytes(finished.checkpoint.read_bytes())
    monkeypatch.setattr(torch, "load", raising(NO_MEMORY))
    with pytest.raises(RuntimeError, match="allocate"):
        load_state(run, lambda state: None, lambda line: None)
    assert run.checkpoint.exists()
    assert run.previous.exists()


@pytest.mark.parametrize(
    "error",
    [RuntimeError("std::bad_alloc"), RuntimeError("CUDA error: out of memory")],
    ids=("cpu", "cuda"),
)
def test_a_model_that_memory_does_not_suffice_for_is_not_taken_for_a_broken_one(error):
    with pytest.raises(RuntimeError, match=str(error)):
        foreign(lambda found: ValueError("broken"), raising(error))


def test_a_number_that_is_too_large_is_a_fault_of_the_model():
    with pytest.raises(ValueError, match="broken"):
        foreign(lambda found: ValueError("broken"), raising(OverflowError("int too large")))


# Streams.


def test_what_a_terminal_in_ascii_cannot_show_is_shown_by_its_number(finished, monkeypatch):
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
        monkeypatch.setattr(sys, name, stream)
    assert eval.main([str(finished.path), "--text", "день"]) == 0
    assert train.main(["--help"]) == 0
    assert train.main(["--task", "день"]) == 2
    for stream in (sys.stdout, sys.stderr):
        assert rb"\u0434\u0435\u043d\u044c" in stream.buffer.getvalue()


def test_what_nobody_reads_any_more_goes_nowhere():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        outlet = Outlet(stream)
        outlet.write("seen\n")
        outlet.flush()
        assert os.read(reading, 100) == b"seen\n"
        os.close(reading)
        for _ in range(3):
            print("not seen", file=outlet, flush=True)
    assert outlet.encoding == "utf-8"


@pytest.mark.slow
def test_a_run_outlives_the_reader_of_its_lines(finished, basic, tmp_path):
    """`train.py 2>&1 | head -1`"""
    words = [sys.executable, "train.py", *basic, *FULL, "--runs-dir", str(tmp_path / "runs")]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait() == 0
    assert left(only_run(tmp_path / "runs")) == left(finished)


def test_a_full_disk_in_a_thread_is_said_once(capfd):
    hook = threading.excepthook
    try:
        assert program.run("tl", raising(OSError(errno.ENOSPC, "full")), [])[0] == 2
        for error in (OSError(errno.ENOSPC, "full"), ValueError("another")):
            thread = threading.Thread(target=raising(error))
            thread.start()
            thread.join()
    finally:
        threading.excepthook = hook
    message = capfd.readouterr().err
    assert "full" not in message
    assert "another" in message
