"""Runs in processes of their own, killed by SIGKILL at a known moment of what they do to files."""

import os
import re
import signal
from collections import Counter
from pathlib import Path

import train

STRATEGIES = {
    "full": ["--strategy", "full"],
    "lora": ["--strategy", "lora"],
    "gradual_unfreezing": ["--strategy", "gradual_unfreezing", "--strategy.per-epoch", "1"],
}
# With accumulation and patience, and a checkpoint after every step: 3 steps in an epoch.
OFTEN = ["--accumulate", "2", "--batch-size", "4", "--patience", "2", "--save-minutes", "0"]
CUT = (0, 30, 300)  # which writes to a file are moments: an archive takes hundreds


class Moments:
    """Counts what a process does to files; before the moment `last` it kills itself.

    A moment is a word and the name of a file, and how often it has come before. A write that is
    the last one is cut in the middle.
    """

    def __init__(self, log, last):
        self.log, self.last, self.counts = log, last, Counter()

    def passes(self, what, path, half=b"", file=None):
        moment = f"{what} {plain_name(path)}"
        with self.log.open("a") as log:
            log.write(f"{moment}\n")
        if (moment, self.counts[moment]) == self.last:
            if file is not None:
                file.write(half)
                file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.counts[moment] += 1


def plain_name(path):
    """`state.pt.partial` of `state.pt.4711-3.partial`, as each process calls its own."""
    return re.sub(r"\.\d+-\d+\.partial$", ".partial", path.name)


class Watched:
    """A file some of whose writes are moments."""

    def __init__(self, file, path, moments):
        self.file, self.path, self.moments = file, path, moments
        self.n_writes = 0

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        if self.n_writes in CUT:
            self.moments.passes("write", self.path, content[: len(content) // 2], self.file)
        self.n_writes += 1
        return self.file.write(content)


def watch(moments):
    """From now on, what this process does to files are moments; it cannot be undone."""
    opened, synced = Path.open, os.fsync

    def watched_open(path, mode="r", *args, **options):
        file = opened(path, mode, *args, **options)
        known = mode[0] == "r" or path == moments.log
        return file if known else Watched(file, path, moments)

    def watched_fsync(number):
        moments.passes("fsync", Path(f"/proc/self/fd/{number}").readlink())
        synced(number)

    def watched(what, real):
        def call(path, *args, **options):
            moments.passes(what, path)
            return real(path, *args, **options)

        return call

    Path.open, os.fsync = watched_open, watched_fsync
    Path.replace, Path.unlink = watched("replace", Path.replace), watched("unlink", Path.unlink)


def fork(words, log, last=None):
    """Run a command line in a fork of this process.

    Args:
        words: for train.py.
        log: a new file for the moments; what it prints goes beside it.
        last: the moment before which the process kills itself: ("replace state.pt", 2).

    Returns:
        the exit code, negative for a signal; and the moments, each with its number.
    """
    log.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            output = os.open(log.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            watch(Moments(log, last))
            code = train.main(words)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    counts, moments = Counter(), []
    for moment in log.read_text().splitlines():
        moments.append((moment, counts[moment]))
        counts[moment] += 1
    return code, moments


def go_on(folder, words):
    """The command line that goes on with the run in a folder; the first one, if it never began."""
    begun = [path.parent for path in folder.rglob("config.json")]
    if not begun:
        return [*words, "--runs-dir", str(folder)]
    return ["--resume", str(begun[0]), "--save-minutes", "0"]


def left(run):
    """What a run leaves that must not depend on where it was killed."""
    result = run.read_result()
    same = ("scores", "scores_before", "best_epoch", "epochs", "baselines", "parameter_groups")
    paths = [run.learned, run.metrics, *sorted((run.path / "predictions").iterdir())]
    assert not list(run.path.rglob("*.partial"))
    assert not run.lock.exists()
    return {p.name: p.read_bytes() for p in paths} | {name: result[name] for name in same}
