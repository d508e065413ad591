"""One process writes to a run directory at a time; a dead one keeps nobody out."""

import os
import signal
import socket
import time

import pytest

from tl import lock
from tl.lock import only_writer


def locked(folder):
    return only_writer(folder, folder / "lock")


def refused(folder, match):
    with pytest.raises(ValueError, match=match) as error, locked(folder):
        pass
    return str(error.value)


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_the_second_one_is_refused_and_the_first_is_named(tmp_path):
    with locked(tmp_path):
        message = refused(tmp_path, "is being written by")
    assert str(tmp_path) in message
    assert f"process {os.getpid()} on {socket.gethostname()} since 20" in message
    assert "Wait for it, or stop it" in message


def test_a_holder_that_has_not_named_itself_yet_keeps_out_too(tmp_path):
    with locked(tmp_path):
        (tmp_path / "lock").write_text("")
        refused(tmp_path, "by another process")


def test_nothing_is_left_of_a_lock(tmp_path):
    with locked(tmp_path):
        assert (tmp_path / "lock").exists()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass


def test_directories_in_which_nothing_was_written_are_removed_again(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "runs" / "ner" / "run"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "runs" / "ner" / "run"):
        (tmp_path / "runs" / "ner" / "run" / "env.json").touch()
    assert names(tmp_path / "runs" / "ner" / "run") == ["env.json"]


def test_a_place_that_was_there_and_empty_stays(tmp_path):
    (tmp_path / "runs").mkdir()
    with locked(tmp_path / "runs" / "run"):
        pass
    assert names(tmp_path) == ["runs"]


def test_a_place_under_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "run", r"cannot make the run directory .* --runs-dir")


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    refused(tmp_path, r"without locks \(Operation not supported\)")


def child(work):
    """A fork of this process that does one thing; its id."""
    number = os.fork()
    if number == 0:
        try:
            work()
        finally:
            os._exit(0)
    return number


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    def hold():
        with locked(tmp_path):
            time.sleep(60)

    holder = child(hold)
    while not ((tmp_path / "lock").exists() and (tmp_path / "lock").read_text()):
        time.sleep(0.001)
    refused(tmp_path, f"process {holder} ")
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert f"process {holder} " in (tmp_path / "lock").read_text()
    with locked(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / "lock").read_text()


def test_a_lock_that_was_removed_in_between_is_not_taken_for_one(tmp_path, monkeypatch):
    """The holder ends between our opening of the file and our locking it."""
    holder = locked(tmp_path)
    holder.__enter__()
    flock = lock.fcntl.flock

    def late(*arguments):
        monkeypatch.setattr(lock.fcntl, "flock", flock)
        holder.__exit__(None, None, None)
        flock(*arguments)

    monkeypatch.setattr(lock.fcntl, "flock", late)
    with locked(tmp_path):
        refused(tmp_path, "is being written")


def test_of_many_that_want_it_one_has_it_at_a_time(tmp_path):
    """Each of six processes takes it as often as it can; two inside would find each other."""
    inside, twice, lost = (tmp_path / name for name in ("inside", "twice", "lost"))

    def contend():
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            try:
                with locked(tmp_path / "run"):
                    try:
                        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                    except FileExistsError:
                        twice.touch()
                    inside.unlink()
            except ValueError:
                pass
            except FileNotFoundError:  # the directory was removed in between, or the lock
                lost.touch()

    for number in [child(contend) for _ in range(6)]:
        os.waitpid(number, 0)
    assert not twice.exists()
    assert not lost.exists()
