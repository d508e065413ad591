"""A disk that is full at any write loses nothing that was saved before."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from killing import OFTEN, STRATEGIES, go_on, left, plain_name
from running import FULL, files, only_run, put_back_in_time, recorded, refused, scalars, trained

import train


class FullDisk:
    """A disk on which a file finds room for only a part of itself; from then on nothing fits.

    Attributes:
        name: of the file.
        n: how often it was opened for writing before (a file of metrics, for every line).
        room: bytes of it that still fit.
    """

    def __init__(self):
        self.give_room()

    def give_room(self):
        self.name, self.n, self.room = None, 0, 0

    def fill(self, name, n, room):
        self.name, self.n, self.room = name, n, room

    def opened(self, file, path):
        """The file, or one that is about to find the disk full."""
        full = self.name is not None and self.n < 0
        if plain_name(path) == self.name:
            self.n -= 1
            full = full or self.n < 0
        return FullFile(file, self) if full else file


class FullFile:
    def __init__(self, file, disk):
        self.file, self.disk = file, disk

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        fits = content[: self.disk.room]
        self.disk.room -= len(fits)
        self.file.write(fits)
        if len(fits) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(content)


@pytest.fixture
def disk(monkeypatch):
    disk, opened = FullDisk(), Path.open

    def watched_open(path, mode="r", *args, **options):
        file = opened(path, mode, *args, **options)
        return file if mode[0] == "r" else disk.opened(file, path)

    monkeypatch.setattr(Path, "open", watched_open)
    return disk


@pytest.mark.parametrize(
    ("name", "room"), [("lock", 0), ("env.json.partial", 7), ("config.json.partial", 7)]
)
def test_a_disk_that_is_full_at_the_start_leaves_nothing(
    name, room, disk, basic, here, tmp_path, capsys
):
    disk.fill(name, 0, room)
    refused([*basic, *FULL, *here], capsys, "No space left", "The disk is full")
    assert not (tmp_path / "runs").exists()


SLOW = pytest.mark.slow
LATER = {  # which of the files of that name, and how many bytes of it still fit
    "the first metrics": ("metrics.jsonl", 0, 20),
    "metrics of the second epoch": ("metrics.jsonl", 6, 0),
    "the first weights": ("learned.safetensors.partial", 0, 100),
    "the first checkpoint": ("state.pt.partial", 0, 0),
    "the second one, from its first byte": ("state.pt.partial", 1, 0),
    "the second one, amid its weights": ("state.pt.partial", 1, 50_000),
    "the second one, in its seal": ("state.pt.partial", 1, -1),
    "predictions": ("test.npz.partial", 0, 300),
    "the result": ("result.json.partial", 0, 300),
}
TRIED = ("metrics of the second epoch", "the first weights", "the second one, amid its weights")


@pytest.mark.parametrize("place", [
    pytest.param(place, id=name, marks=[] if name in TRIED else SLOW)
    for name, place in LATER.items()
])  # fmt: skip
def test_a_disk_that_is_full_later_spoils_nothing(
    place, disk, finished, basic, here, tmp_path, capsys
):
    name, n, room = place
    room = finished.checkpoint.stat().st_size + room if room < 0 else room
    disk.fill(name, n, room)
    refused([*basic, *FULL, *here], capsys, "No space left", "what was saved before is whole")
    run = only_run(tmp_path / "runs")
    assert not [name for name in files(run.path) if name.endswith(".partial")]
    assert run.checkpoint.exists() == (name not in ("metrics.jsonl", "learned.safetensors.partial",
                                                    "state.pt.partial") or n > 0)  # fmt: skip
    disk.give_room()
    assert train.main(["--resume", str(run.path)]) == 0
    assert left(run) == left(finished)


def test_tensorboard_keeps_the_epoch_that_a_crashed_run_goes_on_from(
    disk, finished, basic, here, tmp_path, capsys
):
    disk.fill("state.pt.partial", 1, 0)
    refused([*basic, *FULL, *here], capsys)
    disk.give_room()
    run = only_run(tmp_path / "runs")
    put_back_in_time(run)
    assert train.main(["--resume", str(run.path)]) == 0
    shown, whole = scalars(run), recorded(finished.metrics)
    assert {key: shown.get(key) for key in whole} == whole


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_real_disk_of_any_size_loses_nothing(basic, tmp_path):
    words = [*basic, *OFTEN, *STRATEGIES["full"]]
    end = left(trained(words, tmp_path / "whole"))
    disk = tmp_path / "disk"
    disk.mkdir()
    n_full = 0
    for kib in range(16, 1200, 12):
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "small", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("a small disk cannot be mounted here")
        try:
            code = train.main([*words, "--runs-dir", str(disk)])
            n_full += code == 2
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
            assert code == 0 or train.main(go_on(disk, words)) == 0
            assert left(only_run(disk)) == end
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    assert n_full > 50
