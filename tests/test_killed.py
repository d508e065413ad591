"""A run that is killed, at whatever moment, and gone on with ends as one that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killing import OFTEN, STRATEGIES, fork, go_on, left
from running import only_run, trained

ROOT = Path(__file__).parents[1]
KILLED = -signal.SIGKILL
# The n-th time (from 0) that a process comes to a moment. A chain of them for each strategy.
CHAINS = {
    "full": [
        ("write state.pt.partial", 1),  # before there is any checkpoint
        ("write state.pt.partial", 13),  # the newest is half-written
        ("unlink learned.safetensors.partial", 0),  # weights without their checkpoint
    ],
    "lora": [
        ("replace state.pt.partial", 2),  # between two renames: only the previous one is there
        ("write metrics.jsonl", 1),  # half a line
        ("write result.json.partial", 0),  # all but the result
    ],
    "gradual_unfreezing": [
        ("fsync state.pt.partial", 5),
        ("replace learned.safetensors.partial", 0),
        ("write test.npz.partial", 0),  # in the midst of the last evaluation
    ],
}
EPOCHS = {"full": "2", "lora": "2", "gradual_unfreezing": "3"}


@pytest.fixture(scope="module")
def words_of(basic):
    """The command line of a strategy."""
    return {
        name: [*basic, *STRATEGIES[name], *OFTEN, "--epochs", EPOCHS[name]] for name in STRATEGIES
    }


@pytest.fixture(scope="module")
def whole(words_of, tmp_path_factory):
    """What a run leaves that was never killed; `whole(strategy)`."""
    known = {}

    def end_of(name):
        if name not in known:
            # Saved less often, too: when a run is saved changes nothing.
            words = [*words_of[name], "--save-minutes", "10"]
            known[name] = left(trained(words, tmp_path_factory.mktemp(name)))
        return known[name]

    return end_of


@pytest.mark.parametrize("name", CHAINS)
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(
    name, words_of, whole, tmp_path
):
    end, runs = whole(name), tmp_path / "runs"
    for moment in CHAINS[name]:
        code, moments = fork(go_on(runs, words_of[name]), tmp_path / "log", moment)
        assert (code, moments[-1]) == (KILLED, moment), (tmp_path / "log.txt").read_text()
    code, _ = fork(go_on(runs, words_of[name]), tmp_path / "log")
    assert code == 0, (tmp_path / "log.txt").read_text()
    assert left(only_run(runs)) == end


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_there_is_no_moment_at_which_a_run_could_not_be_killed(name, words_of, whole, tmp_path):
    end = whole(name)
    code, moments = fork(go_on(tmp_path / "runs", words_of[name]), tmp_path / "log")
    assert code == 0
    assert left(only_run(tmp_path / "runs")) == end
    assert len(moments) > 90
    for number, moment in enumerate(moments):
        runs = tmp_path / str(number)
        code, _ = fork(go_on(runs, words_of[name]), tmp_path / "log", moment)
        assert code == KILLED
        if any(runs.rglob("result.json")):  # finished, but for taking the lock away
            assert moment[0] in ("unlink result.json.partial", "unlink previous.pt", "unlink lock")
            continue
        code, _ = fork(go_on(runs, words_of[name]), tmp_path / "log")
        assert code == 0, (moment, (tmp_path / "log.txt").read_text())
        assert left(only_run(runs)) == end, moment


class Chance:
    """Waits for a moment by chance in a run of another process: one in three is while it saves."""

    def __init__(self, seed, seconds):
        self.random, self.seconds = random.Random(seed), seconds

    def wait(self, folder, process):
        """Return at that moment, or when the process has ended."""
        deadline = None
        delay = self.random.uniform(0, self.seconds)
        pattern = self.random.choice(["state.pt.*.partial", None, None])
        while process.poll() is None:
            (run,) = [lock.parent for lock in folder.glob("*/*/lock")] or [None]
            if run is None or not (run / "config.json").exists():
                time.sleep(0.001)  # it is still importing, or reading data
                continue
            deadline = deadline or time.monotonic() + delay
            if time.monotonic() >= deadline:
                while pattern and process.poll() is None:
                    if any((run / "checkpoint").glob(pattern)):
                        return
                return


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_processes_killed_at_25_moments_by_chance(name, words_of, whole, tmp_path):
    """Real ones: `python train.py`, and `--resume` of what it left, until 25 were killed."""
    words = [*words_of[name], "--epochs", "8"]
    end = left(trained(words, tmp_path / "whole"))
    chance = Chance(f"moments of {name}", seconds=0.5)
    n_killed, n_torn, n_finished = 0, 0, 0
    while n_killed < 25 or not n_finished:
        runs = tmp_path / f"runs{n_finished}"
        process = subprocess.Popen(
            [sys.executable, "train.py", *go_on(runs, words)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if n_killed < 25:
            chance.wait(runs, process)
            process.kill()
        errors = process.communicate()[1].decode()
        assert process.returncode in (0, KILLED), errors
        n_killed += process.returncode == KILLED
        n_torn += any(runs.rglob("state.pt.*.partial"))
        if any(runs.rglob("result.json")):
            run = only_run(runs)
            run.lock.unlink(missing_ok=True)
            assert left(run) == end
            n_finished += 1
    assert n_torn >= 5  # killed while a checkpoint was being written
