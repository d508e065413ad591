"""Files of arrays that cannot be used are named, by every analysis that reads them."""

import numpy as np
import pytest
from made_runs import made_texts
from running import refused_by

from analysis import __main__ as command_line
from analysis import dumped
from tl.runs import write_arrays

READS = {
    "calibration": "predictions", "probing": "hidden", "similarity": "hidden",
    "projection": "predictions", "robustness": "rewrites", "forgetting": "forgetting",
    "attention": "attention",
}  # fmt: skip


BOTH = ("forgetting", "attention")  # of which the pretrained weights are read first


def first(run, kind):
    return run.arrays(kind, "test", "pretrained" if kind in BOTH else "trained")


@pytest.fixture
def run(tmp_path):
    """A run with every file that an analysis asks for."""
    made = made_texts(tmp_path / "run")
    for kind in ("rewrites", "forgetting", "attention"):
        for weights in ("trained", "pretrained"):
            write_arrays(made.arrays(kind, "test", weights), {"x": np.zeros(1)})
    return made


@pytest.mark.parametrize(("name", "kind"), READS.items())
@pytest.mark.parametrize("content", [b"", b"no archive", "half", "one array"])
def test_a_file_that_is_torn_or_something_else_is_named(name, kind, content, run, capsys):
    path = first(run, kind)
    whole = path.read_bytes()
    if content == "one array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    refused_by(command_line.main, [name, str(run.path)], capsys, f"{path} is damaged", "eval.py")


@pytest.mark.parametrize(("name", "kind"), READS.items())
def test_a_file_without_what_is_needed_is_named(name, kind, run, capsys):
    path = first(run, kind)
    write_arrays(path, {"logits": np.zeros((3, 2))})
    refused_by(command_line.main, [name, str(run.path)], capsys, f"{path} has no", "only logits")


def test_a_flipped_bit_is_found(tmp_path):
    path = tmp_path / "some.npz"
    write_arrays(path, {"x": np.arange(1000)})
    content = bytearray(path.read_bytes())
    content[4000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        dumped.load(path)


def test_predictions_of_other_examples_than_the_states_are_refused(run, capsys):
    path = run.arrays("predictions", "test")
    arrays = dumped.load(path)
    write_arrays(path, arrays | {"ids": np.char.add(arrays["ids"], "-other")})
    for name in ("probing", "projection"):
        refused_by(command_line.main, [name, str(run.path)], capsys, "other examples")


def test_of_repeated_ids_a_dump_holds_the_first_rows(run):
    """Splits of some data number their texts anew in each file."""
    path = run.arrays("predictions", "test")
    arrays = dumped.load(path)
    twice = {name: np.concatenate([arrays[name]] * 2) for name in ("ids", "labels", "logits")}
    write_arrays(path, arrays | twice)
    assert command_line.main(["projection", str(run.path)]) == 0
