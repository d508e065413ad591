"""Run directories, written and read. Analysis reads them too, so there is no torch here."""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

Weights = Literal["trained", "pretrained", "random"]
# Whose weights a model has whose arrays are dumped.
WEIGHTS: dict[Weights, str] = {
    "trained": "of the run's best epoch",
    "pretrained": "of the model before anything was attached to it",
    "random": "drawn anew, for a model of the same form",
}
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "seqeval")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once it is complete; until then `path` is as it was.

    Raises:
        OSError: the disk is full or the directory not writable; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz."""
    with replacing(path) as file:
        np.savez(file, **arrays)


@dataclass(frozen=True)
class Run:
    """A run directory and the names in it."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def env(self) -> Path:
        return self.path / "env.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def timings(self) -> Path:
        return self.path / "timings.jsonl"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint" / "state.pt"

    @property
    def learned(self) -> Path:
        return self.path / "learned.safetensors"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    def arrays(self, kind: str, split: str, weights: Weights = "trained") -> Path:
        """`predictions/test.npz`, `hidden/test.npz`, `hidden/test--pretrained.npz`, …"""
        mark = "" if weights == "trained" else f"--{weights}"
        return self.path / kind / f"{split}{mark}.npz"

    def require(self) -> None:
        """Raise ValueError if this is no run directory."""
        if not self.config.is_file():
            raise ValueError(f"{self.path} is no run directory: it has no config.json")

    def read_env(self) -> dict:
        return json.loads(self.env.read_text(encoding="utf-8"))

    def read_result(self) -> dict:
        """The result of a finished run.

        Raises:
            ValueError: if the directory is no run, or the run is not finished.
        """
        self.require()
        if not self.result.is_file():
            raise ValueError(
                f"the run in {self.path} is not finished; go on with: "
                f"python train.py --resume {self.path}"
            )
        return json.loads(self.result.read_text(encoding="utf-8"))


def check_free(path: Path, *, overwrite: bool) -> Run:
    """The run that may be written to `path`.

    Raises:
        ValueError: if there is one already; the message says how to use or repeat it.
    """
    run = Run(path)
    if overwrite or not (run.result.exists() or run.checkpoint.exists()):
        return run  # a run that never saved itself has nothing to lose
    if run.result.exists():
        raise ValueError(
            f"the run in {path} is finished. To evaluate it: python eval.py {path}; to repeat it: "
            "the same command with --overwrite, another --seed or another --runs-dir"
        )
    raise ValueError(
        f"there is an unfinished run in {path}. To go on: python train.py --resume {path}; "
        "to start over: the same command with --overwrite"
    )


def start(run: Run, config_json: str, environment: dict) -> None:
    """Make the directory of a new run, in place of an old one if there is any.

    Raises:
        ValueError: if it cannot be made there.
        OSError: if the disk is full; nothing is left behind.
    """
    if run.config.exists():
        shutil.rmtree(run.path)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ValueError(
            f"cannot make the run directory {run.path} ({error.strerror}); choose another place "
            "with --runs-dir"
        ) from None
    try:
        write_json(run.env, environment)
        write_atomically(run.config, config_json.encode())
    except OSError:
        shutil.rmtree(run.path)
        raise


def unfinished(path: Path) -> Run:
    """The run in `path`, to go on with.

    Raises:
        ValueError: if there is none, or it is finished.
    """
    run = Run(path)
    if not run.config.is_file():
        raise ValueError(f"--resume {path}: no run directory (it has no config.json)")
    if run.result.is_file():
        raise ValueError(
            f"the run in {path} is finished. To evaluate it: python eval.py {path}; for more "
            f"epochs: python train.py --config {run.config} --epochs N"
        )
    return run


def environment() -> dict:
    """Where and from what a run was made: code, command line, machine, versions."""
    return {
        "command": sys.argv,
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": None if (changes := _git("status", "--porcelain")) is None else changes != "",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _git(*arguments: str) -> str | None:
    """The answer of git about this project; None where it is no checkout or git is missing."""
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
