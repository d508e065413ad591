"""Run directories: whole files or none, and messages that say what to do."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis.registry import ANALYSES
from tl import runs
from tl.dumps import DUMPS
from tl.runs import (
    Run,
    check_free,
    clear,
    remove_arrays,
    remove_partial,
    replacing,
    start,
    unfinished,
    write_arrays,
    write_atomically,
    write_json,
)


def fail(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


WRITERS = {
    "bytes": lambda path: write_atomically(path, b"new"),
    "json": lambda path: write_json(path, {"new": 1}),
    "arrays": lambda path: write_arrays(path, {"new": np.ones(3)}),
}


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path / "task" / "run")
    start(made, "{}", {"git_commit": None})
    return made


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_write_makes_the_directory_and_leaves_one_file(write, tmp_path):
    path = tmp_path / "deep" / "file"
    write(path)
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("broken", ["write", "rename"])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(
    write, broken, tmp_path, monkeypatch
):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    if broken == "rename":
        monkeypatch.setattr("pathlib.Path.replace", fail)
    else:
        monkeypatch.setattr(os, "fsync", fail)
        monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        write(path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_json_keeps_cyrillic_and_ends_its_last_line(tmp_path):
    write_json(tmp_path / "file", {"label": "хорошо"})
    text = (tmp_path / "file").read_text(encoding="utf-8")
    assert json.loads(text) == {"label": "хорошо"}
    assert "хорошо" in text
    assert text.endswith("}\n")


def test_arrays_are_read_back_under_their_names(tmp_path):
    write_arrays(tmp_path / "a.npz", {"ids": np.array(["x", "y"]), "logits": np.eye(2)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert list(arrays["ids"]) == ["x", "y"]
        np.testing.assert_array_equal(arrays["logits"], np.eye(2))


def test_arrays_of_a_data_set_of_the_hub_lie_in_no_directory_of_their_own(run):
    path = run.arrays("texts", "owner/news:en-test", "random")
    assert path == run.path / "texts" / "owner--news--en-test--random.npz"


def test_a_path_without_a_run_is_free(tmp_path):
    assert check_free(tmp_path / "new", overwrite=False) == Run(tmp_path / "new")


def test_a_run_that_never_saved_itself_is_in_nobodys_way(run):
    assert check_free(run.path, overwrite=False) == run


def test_an_unfinished_run_is_in_the_way_and_says_how_to_go_on(run):
    write_atomically(run.checkpoint, b"saved")
    resume = re.escape(f"python train.py --resume {run.path}")
    with pytest.raises(ValueError, match=f"unfinished.*{resume}.*--overwrite"):
        check_free(run.path, overwrite=False)
    assert unfinished(run.path) == run
    with pytest.raises(ValueError, match=f"not finished.*{resume}"):
        run.read_result()


def test_a_finished_run_is_in_the_way_and_says_how_to_repeat_it(run):
    write_json(run.result, {"status": "finished"})
    evaluate = re.escape(f"python eval.py {run.path}")
    with pytest.raises(ValueError, match=f"finished.*{evaluate}.*--overwrite.*--seed"):
        check_free(run.path, overwrite=False)
    with pytest.raises(ValueError, match=f"finished.*{evaluate}.*--epochs"):
        unfinished(run.path)
    assert run.read_result() == {"status": "finished"}


def test_a_directory_without_a_configuration_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"no run directory.*config\.json"):
        unfinished(tmp_path)
    with pytest.raises(ValueError, match=r"no run directory.*config\.json"):
        Run(tmp_path).read_result()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"[1]", "must hold one JSON object, got a list"),
        (b"[" * 5000, "is not JSON: maximum recursion"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b"\xff", "is not UTF-8"),
        (b'{"task": 3}', "task must be a str, got 3"),
        (b'{"seed": true}', "seed must be a int, got True"),
        (b'{"seed": "0"}', "seed must be a int, got '0'"),
        (b'{"data": "\\ud800"}', "half a surrogate pair"),
        (b'{"seed": 1.5}', "seed must be a int, got 1.5"),
        (b'{"train_seconds": NaN}', "train_seconds must be a float, got nan"),
        (b'{"train_seconds": -1}', "train_seconds must be a float, got -1"),
        (b'{"scores": {"test": {"f1": "x"}}}', "its scores are no numbers"),
        (b'{"scores_before": {"test": 1}}', "its scores_before are no numbers"),
        (
            b'{"baselines": {"test": {"majority": {"f1": null}}}}',
            "baselines of test are no numbers",
        ),
        (b'{"baselines": {"test": 1}}', "baselines of test are no numbers"),
        (b'{"peak_memory_mib": {}}', "peak_memory_mib has no total"),
    ],
)
def test_a_result_that_no_run_wrote_is_refused(content, message, run):
    run.result.write_bytes(content)
    with pytest.raises(ValueError, match=rf"result\.json.*{message}"):
        run.read_result()


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (b'{"step": 1}\n{"step": 2', "line 2 is not JSON"),
        (b'{"loss": 1}', "line 1: expected a step"),
        (b'{"step": 1, "loss": "x"}', "line 1: expected a step and numbers"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_metrics_that_no_run_wrote_are_refused(lines, place, run):
    run.metrics.write_bytes(lines)
    with pytest.raises(ValueError, match=rf"metrics\.jsonl.*{place}"):
        run.read_metrics()


def test_a_run_that_is_cleared_halfway_can_start_over(run, monkeypatch):
    """Killed anywhere on the way, it is a run still, neither finished nor with a checkpoint."""
    write_json(run.result, {})
    write_atomically(run.checkpoint, b"saved")
    run.metrics.touch()
    unlink, removed = Path.unlink, []

    def watched(path, **options):
        removed.append(path.name)
        unlink(path, **options)
        assert run.config.exists()
        assert run.env.exists()
        assert not run.result.exists()
        assert path.name == "result.json" or not run.has_saved()

    monkeypatch.setattr(Path, "unlink", watched)
    clear(run)
    assert removed == ["result.json", "state.pt", "metrics.jsonl"]


def test_overwriting_takes_the_place_of_all_old_files(run):
    write_json(run.result, {})
    run.learned.write_bytes(b"old")
    start(check_free(run.path, overwrite=True), '{"new": 1}', {})
    assert sorted(p.name for p in run.path.iterdir()) == ["config.json", "env.json"]
    assert run.config.read_text() == '{"new": 1}'


def test_arrays_of_a_run_without_its_configuration_are_no_arrays_of_the_next(run):
    write_arrays(run.arrays("hidden", "test"), {"old": np.ones(1)})
    run.config.unlink()
    start(run, "{}", {})
    assert not run.arrays("hidden", "test").exists()


@pytest.mark.parametrize("n_whole", [0, 1])
def test_a_run_that_cannot_be_started_leaves_no_directory(n_whole, tmp_path, monkeypatch):
    whole = []

    def full(number):
        if len(whole) == n_whole:
            fail()
        whole.append(number)

    monkeypatch.setattr(os, "fsync", full)
    run = Run(tmp_path / "run")
    with pytest.raises(OSError, match="No space left"):
        start(run, "{}", {})
    assert not run.path.exists()


def test_the_environment_names_code_machine_and_versions():
    environment = runs.environment()
    assert set(runs.PACKAGES) <= set(environment["packages"])
    assert environment["git_commit"] is None or len(environment["git_commit"]) == 40
    json.dumps(environment)


def test_the_environment_does_without_git(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr("subprocess.run", missing)
    assert runs.environment()["git_commit"] is None


# Only what this program wrote is removed.


def put(run, *names):
    for name in names:
        path = run.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)


def left_in(folder):
    return sorted(
        str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()
    )


OURS = ("result.json", "learned.safetensors", "metrics.jsonl", "timings.jsonl",
        "events.out.tfevents.1.host.1.0", "checkpoint/state.pt", "checkpoint/previous.pt",
        "predictions/test.npz", "hidden/test--pretrained.npz", "figures/curves.png",
        "figures/layers.png", "evaluations/news-test.json", "analysis/curves.json",
        "analysis/attention-view.html", "analysis/projection.csv",
        "learned.safetensors.12-3.partial", "checkpoint/state.pt.12-3.partial",
        "checkpoint/state.pt.partial")  # fmt: skip
THEIRS = ("NOTES.txt", "figures/mine.png", "checkpoint/model.pt", "data/train.npz",
          "analysis/summary.md", "mine.partial")  # fmt: skip


def test_what_the_program_wrote_is_cleared_and_what_it_did_not_stays(run):
    put(run, *OURS, *THEIRS)
    clear(run)
    assert left_in(run.path) == sorted(["config.json", "env.json", *THEIRS])
    assert not (run.path / "predictions").exists()


def test_nothing_is_left_of_a_whole_run(finished, tmp_path):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    clear(run)
    assert left_in(run.path) == ["config.json", "env.json"]


def test_what_is_dumped_and_what_analyses_write_is_known_by_name():
    assert {*DUMPS, "predictions"} == set(runs.ARRAYS)
    of_many = {"all", "tables", "compare", "transfer", "abilities"}
    assert ANALYSES.keys() - of_many <= set(runs.PAGES)


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_directory_of_a_model_is_never_taken_for_a_run(overwrite, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_text("weights")
    with pytest.raises(ValueError, match=r"no env\.json: it is no run directory.*--runs-dir"):
        check_free(tmp_path, overwrite=overwrite)
    with pytest.raises(ValueError, match=r"no env\.json"):
        start(Run(tmp_path), "{}", {})
    with pytest.raises(ValueError, match=r"no run directory \(it has no env\.json\)"):
        unfinished(tmp_path)
    assert left_in(tmp_path) == ["config.json", "model.safetensors"]


LINKED = ["figures", "checkpoint", "predictions", "analysis"]


@pytest.fixture
def elsewhere(run, tmp_path):
    """What links in a run lead to."""
    put(run, *OURS)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in LINKED:
        (run.path / name).rename(folder / name)
        (run.path / name).symlink_to(folder / name)
    (folder / "metrics.jsonl").write_text("{}")
    run.metrics.unlink()
    run.metrics.symlink_to(folder / "metrics.jsonl")
    (run.path / "mine").symlink_to(folder)
    return folder


def test_links_are_removed_before_anything_else_and_what_they_lead_to_stays(
    elsewhere, run, monkeypatch
):
    before, unlink, removed = left_in(elsewhere), Path.unlink, []

    def watched(path, **options):
        removed.append(path.name)
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", watched)
    clear(run)
    assert set(removed[: len(LINKED)]) == set(LINKED)
    assert left_in(elsewhere) == before
    assert left_in(run.path) == ["config.json", "env.json", "mine"]


def test_arrays_and_partial_files_behind_a_link_stay(elsewhere, run):
    before = left_in(elsewhere)
    assert "checkpoint/state.pt.12-3.partial" in before
    remove_partial(run)
    remove_arrays(run)
    assert left_in(elsewhere) == before
    assert not run.arrays("predictions", "test").exists()
    assert run.arrays("hidden", "test", "pretrained").exists()


def test_a_run_directory_that_is_a_link_is_cleared_where_it_is(run, tmp_path):
    """So a user puts a run on another disk: the link is their own, and stays."""
    put(run, *OURS, "NOTES.txt")
    link = tmp_path / "link"
    link.symlink_to(run.path)
    start(check_free(link, overwrite=True), '{"new": 1}', {})
    assert link.is_symlink()
    assert left_in(run.path) == ["NOTES.txt", "config.json", "env.json"]
    assert run.config.read_text() == '{"new": 1}'


def test_a_link_that_training_would_write_through_is_refused(elsewhere, run):
    run.result.unlink()
    with pytest.raises(ValueError, match=r"metrics\.jsonl is a symbolic link"):
        unfinished(run.path)


# How it came about.


@pytest.mark.parametrize("origin", ["folded", "imported"])
def test_what_was_not_trained_says_by_what_it_was_made(origin, tmp_path):
    run = Run(tmp_path / "run")
    start(run, "{}", {}, origin=origin)
    run.learned.touch()
    how = f"was made by python -m tl.checkpoint {origin.removesuffix('ed')}"
    for refused in (
        lambda: check_free(run.path, overwrite=False),
        lambda: unfinished(run.path),
        run.read_result,
    ):
        with pytest.raises(ValueError, match=how):
            refused()
    assert run.notes() == []
    assert check_free(run.path, overwrite=True) == run


def test_before_runs_said_so_it_is_seen_by_what_training_leaves(run):
    write_json(run.env, {})
    assert run.made_by() is None
    run.learned.touch()
    assert run.made_by() == "python -m tl.checkpoint fold or import"
    run.metrics.touch()
    assert run.made_by() is None


@pytest.mark.parametrize("origin", ["made", 3])
def test_another_origin_is_refused(origin, run):
    write_json(run.env, {"origin": origin})
    with pytest.raises(ValueError, match=r"env\.json.*origin must be "):
        run.made_by()


# Several processes at once.


def test_two_that_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as one:
        one.write(b"A" * 1000)
        one.flush()
        with replacing(path) as other:
            other.write(b"B" * 10)
        assert path.read_bytes() == b"B" * 10
    assert path.read_bytes() == b"A" * 1000
    assert left_in(tmp_path) == ["file"]


def test_what_is_being_written_is_no_remainder_of_a_killed_process(run):
    put(run, "learned.safetensors.12-3.partial")
    with replacing(run.learned) as file:
        file.write(b"whole")
        remove_partial(run)
        assert len(left_in(run.path)) == 3
    assert run.learned.read_bytes() == b"whole"
    assert left_in(run.path) == ["config.json", "env.json", "learned.safetensors"]


def test_what_a_killed_process_left_goes_with_the_next_write(run):
    put(run, "predictions/test.npz.12-3.partial", "predictions/test.npz.mine.partial")
    write_arrays(run.arrays("predictions", "test"), {"a": np.ones(1)})
    assert left_in(run.path / "predictions") == ["test.npz", "test.npz.mine.partial"]


def test_processes_that_write_one_file_all_end_well(tmp_path):
    """Real ones; a reader never sees anything but a whole file of one of them."""
    path, children = tmp_path / "a.npz", []
    for number in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for _ in range(25):
                    write_arrays(path, {"a": np.full(1000 + number, number)})
                    with np.load(path) as arrays:
                        assert len(arrays["a"]) == 1000 + arrays["a"][0]
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert left_in(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("name", ["result.json", "learned.safetensors", "metrics.jsonl", "lock"])
def test_a_folder_in_the_way_of_a_file_is_told_before_anything_is_removed(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=f"{name} is in the way"):
        check_free(tmp_path, overwrite=True)


@pytest.mark.parametrize("name", ["checkpoint", "final", "figures", "predictions"])
def test_a_file_in_the_way_of_a_folder_is_told_before_anything_is_removed(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=f"{name} is in the way"):
        check_free(tmp_path, overwrite=True)
