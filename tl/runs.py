"""Run directories, written and read. Analysis reads them too, so there is no torch here."""

import glob
import importlib.metadata
import itertools
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from tl.json_files import is_number, read_known, read_objects
from tl.lock import hold

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

# How a run directory came about, as its env.json says: only what was trained can be resumed.
Origin = Literal["trained", "folded", "imported"]
MAKERS: dict[Origin, str] = {
    "folded": "python -m tl.checkpoint fold",
    "imported": "python -m tl.checkpoint import",
}

# All that this program writes into a run directory beside config.json, env.json and the lock, in
# the order in which it is cleared: what says that a run is finished, or can go on, goes first.
ARRAYS = (
    *("predictions", "hidden", "attention", "forgetting", "source", "rewrites", "words", "texts"),
)
PAGES = (  # how the names of what an analysis writes begin
    *("attention", "calibration", "curves", "forgetting", "layers", "probing", "projection"),
    *("robustness", "similarity"),
)
WRITTEN = (
    *("result.json", "checkpoint/state.pt", "checkpoint/previous.pt", "learned.safetensors"),
    *("metrics.jsonl", "timings.jsonl", "events.out.tfevents.*", "final/events.out.tfevents.*"),
    *("figures/curves.png", "figures/layers.png", "evaluations/*.json"),
    *(f"{kind}/*.npz" for kind in ARRAYS),
    *(f"analysis/{page}*.{form}" for page in PAGES for form in ("png", "json", "csv", "html")),
)
FOLDERS = ("checkpoint", "final", "figures", "evaluations", "analysis", *ARRAYS)

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


_numbers = itertools.count()


def _open_partial(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, which no other process or call writes to.

    It is locked while it is open, which tells it from what a killed process left.
    """
    while True:
        name = f"{path.name}.{os.getpid()}-{next(_numbers)}{PARTIAL}"
        temporary = path.with_name(name)
        with suppress(FileExistsError):  # of a process with our number, on another machine or dead
            file = temporary.open("xb")
            if hold(file) and temporary.exists():
                return temporary, file
            file.close()  # it was taken for a dead one's before we had locked it


def _remove_dead(partial: Iterable[Path]) -> None:
    """Remove those files that no living process is writing."""
    for path in partial:
        with suppress(FileNotFoundError), path.open("rb") as file:
            if hold(file):
                path.unlink()


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once it is complete; until then `path` is as it was.

    Several processes may write one file at once: the last to end has it, and all of it.

    Args:
        path: where to write.
        keep: what the file that is there now is called then; None: it goes.

    Raises:
        OSError: the disk is full or the directory not writable; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_dead(path.parent.glob(f"{glob.escape(path.name)}.[0-9]*-[0-9]*{PARTIAL}"))
    temporary, opened = _open_partial(path)
    try:
        with opened as file:
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

    def read_env(self, *needed: str) -> dict:
        """Read where the run was made; ValueError if that, or a value that is needed, cannot be."""
        found = read_known(self.env, {"device": str, "data_fingerprint": str, "origin": str})
        for name in needed:
            if name not in found:
                raise ValueError(
                    f"{self.env} has no {name}: it is not as the run left it; put it back, or "
                    "train the run again"
                )
        return found

    def made_by(self) -> str | None:
        """The command that made the directory without training; None: it was trained."""
        origin = self.read_env().get("origin") if self.env.is_file() else None
        if origin is None:  # an earlier version did not say
            trained = self.metrics.exists() or self.result.exists() or self.has_saved()
            made = self.learned.exists() and not trained
            return "python -m tl.checkpoint fold or import" if made else None
        if origin != "trained" and origin not in MAKERS:
            raise ValueError(
                f"{self.env}: origin must be one of trained, {', '.join(MAKERS)}; got {origin!r}"
            )
        return MAKERS.get(origin)

    def why_unfinished(self) -> str:
        """Say why a run has no result, and what to do."""
        made_by = self.made_by()
        if made_by is not None:
            return (
                f"{self.path} was made by {made_by}, not trained here: eval.py and "
                "python -m tl.checkpoint take it, but it has no result and cannot be resumed"
            )
        return (
            f"the run in {self.path} is not finished; go on with: "
            f"python train.py --resume {self.path}"
        )

    def notes(self) -> list[str]:
        """Say what a user of its weights should know: whether they are of a finished run."""
        if self.result.is_file() or self.made_by() is not None:
            return []
        return [
            f"the run in {self.path} has not finished; these are the weights of its best "
            "epoch so far"
        ]

    def read_result(self) -> dict:
        """The result of a finished run.

        Raises:
            ValueError: if the directory is no run, the run is not finished, or what it wrote cannot
                be read.
        """
        self.require()
        if not self.result.is_file():
            raise ValueError(self.why_unfinished())
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
        ValueError: if there is one already, and the message says how to use or repeat it; or
            something that is no run, which is never replaced.
    """
    run = Run(path)
    if run.config.exists() and not run.env.exists():
        raise ValueError(
            f"{path} has a config.json, but no env.json: it is no run directory, as that of a "
            "model is none, and nothing is removed there; choose another --runs-dir"
        )
    refuse_in_the_way(run)
    if overwrite:
        return run
    if (made_by := run.made_by()) is not None:
        raise ValueError(
            f"{path} was made by {made_by}; eval.py and python -m tl.checkpoint take it. To train "
            "in its place, which removes it: the same command with --overwrite; beside it: another "
            "--seed or another --runs-dir"
        )
    if run.result.exists():
        raise ValueError(
            f"the run in {path} is finished. To evaluate it: python eval.py {path}; to repeat it: "
            "the same command with --overwrite, another --seed or another --runs-dir"
        )
    if run.has_saved():
        raise ValueError(
            f"there is an unfinished run in {path}. To go on: python train.py --resume {path}; "
            "to start over: the same command with --overwrite"
        )
    return run  # a run that never saved itself has nothing to lose


def start(run: Run, config_json: str, environment: dict, *, origin: Origin = "trained") -> None:
    """Make the directory of a new run, in place of an old one if there is any.

    Killed on the way, it leaves a run that starts over, the old one or the new.

    Raises:
        OSError: if the disk is full; nothing is left behind.
        ValueError: if what is there is no run.
    """
    check_free(run.path, overwrite=True)
    if run.env.exists():
        clear(run)
    run.path.mkdir(parents=True, exist_ok=True)
    try:
        write_json(run.env, environment | {"origin": origin})
        write_atomically(run.config, config_json.encode())  # last: now it is a run
    except OSError:
        run.config.unlink(missing_ok=True)
        run.env.unlink(missing_ok=True)
        with suppress(OSError):  # the lock, or something that is not ours, is in it
            run.path.rmdir()
        raise


def refuse_in_the_way(run: Run) -> None:
    """Raise ValueError if a folder stands where a file of the run will be, or the other way."""
    files = [name for name in ("lock", "config.json", "env.json", *WRITTEN) if "*" not in name]
    wrong = [name for name in files if (run.path / name).is_dir()]
    wrong += [name for name in FOLDERS if (run.path / name).is_file()]
    if wrong:
        raise ValueError(
            f"{run.path / wrong[0]} is in the way of what a run writes there; move it, or choose "
            "another --runs-dir"
        )


def clear(run: Run) -> None:
    """Remove what this program wrote into a run directory, but for its lock and what makes it one.

    What else is there stays, and so do links that nobody but the user can have made.
    """
    unlink_folders(run, FOLDERS)
    for path in written(run, WRITTEN):
        path.unlink()
    remove_partial(run)
    for name in FOLDERS:
        with suppress(OSError):  # it holds something that is not ours, or is not there
            (run.path / name).rmdir()


def written(run: Run, patterns: Iterable[str]) -> Iterator[Path]:
    """The files, and links to files, that have such names in a run; never through a link."""
    for pattern in patterns:
        for path in run.path.glob(pattern):
            inside = path.parent == run.path or not path.parent.is_symlink()
            if inside and (path.is_symlink() or path.is_file()):
                yield path


def unlink_folders(run: Run, names: Iterable[str]) -> None:
    """Remove links that stand where the program has a folder; what they lead to stays."""
    for name in names:
        if (run.path / name).is_symlink():
            (run.path / name).unlink()


def remove_arrays(run: Run) -> None:
    """Remove what was dumped of a run that was not finished: its weights have changed since."""
    others = tuple(f"--{name}" for name in WEIGHTS if name != "trained")
    unlink_folders(run, ARRAYS)
    for path in written(run, (f"{kind}/*.npz" for kind in ARRAYS)):
        if not path.stem.endswith(others):
            path.unlink()


def remove_final(run: Run) -> None:
    """Remove TensorBoard's final scores: of a run that was killed at its end, and goes on."""
    unlink_folders(run, ("final",))
    for path in written(run, ("final/events.out.tfevents.*",)):
        path.unlink()


def remove_partial(run: Run) -> None:
    """Remove what a killed process had not finished writing; what is being written stays."""
    names = [name for name in ("config.json", "env.json", *WRITTEN) if not name.endswith("*")]
    _remove_dead(written(run, (f"{name}*{PARTIAL}" for name in names)))


def unfinished(path: Path) -> Run:
    """The run in `path`, to go on with.

    Raises:
        ValueError: if there is none, or it is finished, or was not made by training.
    """
    run = Run(path)
    for needed in (run.config, run.env):
        if not needed.is_file():
            raise ValueError(f"--resume {path}: no run directory (it has no {needed.name})")
    if run.result.is_file():
        raise ValueError(
            f"the run in {path} is finished. To evaluate it: python eval.py {path}; for more "
            f"epochs: python train.py --config {run.config} --epochs N"
        )
    if run.made_by() is not None:
        raise ValueError(f"--resume {path}: {run.why_unfinished()}")
    for place in (run.metrics, run.timings, run.checkpoint.parent, run.figures):
        if place.is_symlink():
            raise ValueError(
                f"{place} is a symbolic link, which would be written through; put what it leads to "
                "there"
            )
    return run


def check_arithmetic(run: Run, run_name: str) -> None:
    """Raise ValueError if an unfinished run was begun by a program that computed other numbers.

    Args:
        run: one that has saved itself.
        run_name: that of its configuration, from which its directory is found again.
    """
    env = run.read_env()
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
