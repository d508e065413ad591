"""Run directories, written and read. Analysis reads them too, so there is no torch here."""

import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from tl.json_files import is_number, read_known, read_objects

PARTIAL = ".partial"  # how the name of a file ends that is not complete yet
# Raised whenever the same options would compute other numbers: a run does not go on in another one.
ARITHMETIC = 2
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "seqeval")

Weights = Literal["trained", "pretrained", "random"]
# Whose weights a model has whose arrays are dumped.
WEIGHTS: dict[Weights, str] = {
    "trained": "of the run's best epoch",
    "pretrained": "of the model before anything was attached to it",
    "random": "drawn anew, for a model of the same form",
}

RESULT = {  # what is read again of a result.json, and its kind
    **dict.fromkeys(("command", "task", "data", "data_name", "data_fingerprint"), str),
    **dict.fromkeys(("strategy", "metric"), str),
    **dict.fromkeys(("seed", "train_examples", "best_epoch", "checkpoint_bytes"), int),
    **dict.fromkeys(("trainable_parameters", "total_parameters"), int),
    **dict.fromkeys(("train_seconds", "evaluation_seconds"), float),
    "evaluation_examples_per_second": float,
    "notes": list,
    "parameter_groups": list,
    **dict.fromkeys(("scores", "scores_before", "baselines", "peak_memory_mib"), dict),
}


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once it is complete; until then `path` is as it was.

    Args:
        path: where to write.
        keep: what the file that is there now is called then; None: it goes.

    Raises:
        OSError: the disk is full or the directory not writable; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + PARTIAL)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
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


def file_name(name: str) -> str:
    """A name that is one of a file: `owner/data:part` of the Hub becomes `owner--data--part`."""
    return name.replace("/", "--").replace(":", "--")


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
    def final(self) -> Path:
        """TensorBoard's events of the best epoch: options and scores."""
        return self.path / "final"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint" / "state.pt"

    @property
    def previous(self) -> Path:
        """The checkpoint before `checkpoint`."""
        return self.path / "checkpoint" / "previous.pt"

    @property
    def lock(self) -> Path:
        """Who writes here now (`tl.lock`)."""
        return self.path / "lock"

    @property
    def learned(self) -> Path:
        return self.path / "learned.safetensors"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    def has_saved(self) -> bool:
        """Whether there is a checkpoint, of any generation: more to go on from than the start."""
        return self.checkpoint.exists() or self.previous.exists()

    def arrays(self, kind: str, split: str, weights: Weights = "trained") -> Path:
        """`predictions/test.npz`, `hidden/test.npz`, `hidden/test--pretrained.npz`, …"""
        mark = "" if weights == "trained" else f"--{weights}"
        return self.path / kind / f"{file_name(split)}{mark}.npz"

    def require(self) -> None:
        """Raise ValueError if this is no run directory."""
        if not self.config.is_file():
            raise ValueError(f"{self.path} is no run directory: it has no config.json")

    def read_env(self) -> dict:
        """Where the run was made; ValueError if that cannot be read."""
        return read_known(self.env, {"device": str, "data_fingerprint": str})

    def read_result(self) -> dict:
        """The result of a finished run.

        Raises:
            ValueError: if the directory is no run, the run is not finished, or what it wrote cannot
                be read.
        """
        self.require()
        if not self.result.is_file():
            raise ValueError(
                f"the run in {self.path} is not finished; go on with: "
                f"python train.py --resume {self.path}"
            )
        result = read_known(self.result, RESULT)
        tables = [(name, result.get(name, {})) for name in ("scores", "scores_before")]
        baselines = result.get("baselines", {}).items()
        tables += [(f"baselines of {split}", found) for split, found in baselines]
        for name, table in tables:
            rows = table.values() if isinstance(table, dict) else [None]
            if not all(isinstance(row, dict) and all(map(is_number, row.values())) for row in rows):
                raise ValueError(f"{self.result}: its {name} are no numbers by name")
        if not is_number(result.get("peak_memory_mib", {"total": 0}).get("total")):
            raise ValueError(f"{self.result}: its peak_memory_mib has no total")
        return result

    def read_metrics(self) -> list[dict]:
        """The lines of `metrics.jsonl`; ValueError if one of them cannot be read."""
        records = read_objects(self.metrics)
        for i, record in enumerate(records, 1):
            if "step" not in record or not all(map(is_number, record.values())):
                raise ValueError(f"{self.metrics}, line {i}: expected a step and numbers by name")
        return records


def check_free(path: Path, *, overwrite: bool) -> Run:
    """The run that may be written to `path`.

    Raises:
        ValueError: if there is one already; the message says how to use or repeat it.
    """
    run = Run(path)
    if overwrite or not (run.result.exists() or run.has_saved()):
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
        OSError: if the disk is full; nothing is left behind.
    """
    if run.config.exists():
        clear(run)
    run.path.mkdir(parents=True, exist_ok=True)
    try:
        write_json(run.env, environment)
        write_atomically(run.config, config_json.encode())  # last: now it is a run
    except OSError:
        run.env.unlink(missing_ok=True)
        with suppress(OSError):  # the lock, or something that is not ours, is in it
            run.path.rmdir()
        raise


def clear(run: Run) -> None:
    """Remove all files of a run but its lock.

    Killed on the way, it leaves a run that starts over: what says that a run is finished, or can go
    on, goes first, and what says that it is one goes last.
    """
    run.result.unlink(missing_ok=True)
    shutil.rmtree(run.checkpoint.parent, ignore_errors=True)
    for path in run.path.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path not in (run.lock, run.config):
            path.unlink()
    run.config.unlink()


def remove_arrays(run: Run) -> None:
    """Remove what was dumped of a run that was not finished: its weights have changed since."""
    others = tuple(f"--{name}" for name in WEIGHTS if name != "trained")
    for path in run.path.glob("*/*.npz"):
        if not path.stem.endswith(others):
            path.unlink()


def remove_partial(run: Run) -> None:
    """Remove what a killed process had not finished writing."""
    for path in run.path.rglob(f"*{PARTIAL}"):
        path.unlink()


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


def check_arithmetic(run: Run, run_name: str) -> None:
    """Raise ValueError if an unfinished run was begun by a program that computed other numbers.

    Args:
        run: one that has saved itself.
        run_name: that of its configuration, from which its directory is found again.
    """
    env = run.read_env() if run.env.is_file() else {}
    if env.get("arithmetic") == ARITHMETIC:
        return
    commit = env.get("git_commit") or "unknown"
    raise ValueError(
        f"the unfinished run in {run.path} was begun at commit {commit} of this program. Since "
        "then the same options compute other numbers, so it cannot go on as it began. To start it "
        f"anew: {_anew(run, run_name)}"
    )


def _anew(run: Run, run_name: str) -> str:
    """The command that trains a run again from its start, in the same place."""
    words = ["python", "train.py", "--config", str(run.config), "--overwrite"]
    folder, name = run.path.absolute(), Path(run_name).parts
    in_its_place = folder.parts[-len(name) :] == name
    parent = folder.parents[len(name) - 1] if in_its_place else folder.parent
    if parent != Path("runs").absolute():
        words += ["--runs-dir", str(parent)]
    return shlex.join(words)


def environment() -> dict:
    """Where and from what a run was made: code, command line, machine, versions."""
    return {
        "command": sys.argv,
        "arithmetic": ARITHMETIC,
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": None if (changes := _git("status", "--porcelain")) is None else changes != "",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": versions(*PACKAGES),
    }


def versions(*packages: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in packages}


def _git(*arguments: str) -> str | None:
    """The answer of git about this project; None where it is no checkout or git is missing."""
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
