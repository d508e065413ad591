"""A training state comes back exactly, or is refused with a reason."""

import hashlib
import io
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from tl.checkpoint import state as states
from tl.checkpoint.state import FORMAT, NAME, SEAL_BYTES, load_state, read_state, save_state
from tl.runs import Run

STATE = {
    "progress": {"epoch": 2, "best_score": float("-inf")},
    "learned": {"A": torch.arange(6.0).reshape(2, 3)},
    "best": None,
    "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]},
    "random": torch.get_rng_state(),
    "random_gpu": None,
    "n_threads": 1,
    "n_bytes": [10, 20],
    "scores_before": {"test": {"f1": 0.5}},
    "belongs_to": {"--lr": 0.1},
}


@pytest.fixture
def run(tmp_path):
    """A run with two generations, of epochs 2 and 1."""
    run = Run(tmp_path)
    save_state(run, STATE | {"progress": {"epoch": 1}})
    save_state(run, STATE)
    return run


def sealed(archive):
    return archive + NAME + f"{FORMAT:04d} sha256 {hashlib.sha256(archive).hexdigest()}\n".encode()


def accept(state):
    pass


def loaded(run, check=accept):
    """The epoch of the state that is gone on from, and what the user is told."""
    notes = []
    return load_state(run, check, notes.append)["progress"]["epoch"], notes


def test_a_state_comes_back(run):
    back = read_state(run.checkpoint)
    assert back.keys() == STATE.keys()
    for name in ("progress", "best", "optimizer", "n_bytes", "scores_before", "belongs_to"):
        assert back[name] == STATE[name]
    assert torch.equal(back["random"], STATE["random"])
    assert torch.equal(back["learned"]["A"], STATE["learned"]["A"])


def test_the_state_of_an_optimizer_comes_back(tmp_path):
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW([{"params": layer.parameters(), "base_lr": 0.1, "name": "top"}])
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save_state(Run(tmp_path), STATE | {"optimizer": optimizer.state_dict()})
    back = read_state(Run(tmp_path).checkpoint)["optimizer"]
    assert back["param_groups"] == optimizer.state_dict()["param_groups"]
    moments = optimizer.state_dict()["state"][0]
    assert all(torch.equal(back["state"][0][name], moments[name]) for name in moments)


def test_the_newest_is_gone_on_from(run):
    assert loaded(run) == (2, [])


def test_the_seal_is_the_digest_of_what_stands_before_it(run):
    content = run.checkpoint.read_bytes()
    assert content == sealed(content[:-SEAL_BYTES])


@pytest.mark.parametrize("place", [0, 1, 200, 0.5, 0.9, -200, -SEAL_BYTES, -40, -1])
def test_a_flipped_bit_is_noticed_wherever_it_is(place, run):
    content = bytearray(run.checkpoint.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 4
    run.checkpoint.write_bytes(content)
    epoch, (note,) = loaded(run)
    assert epoch == 1
    assert str(run.checkpoint) in note
    assert "Going on from the one before it, previous.pt" in note


def test_torch_alone_does_not_notice_it(tmp_path):
    """Why there is a seal. Once this fails, it may go."""
    torch.save(torch.zeros(10000), tmp_path / "x.pt")
    content = bytearray((tmp_path / "x.pt").read_bytes())
    content[20000] ^= 4
    (tmp_path / "x.pt").write_bytes(content)
    assert torch.load(tmp_path / "x.pt", weights_only=True).any()


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99, -1])
def test_a_torn_state_is_refused(keep, run):
    content = run.checkpoint.read_bytes()
    run.checkpoint.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else keep])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint: it was cut short"):
        read_state(run.checkpoint)
    assert loaded(run)[0] == 1


@pytest.mark.parametrize("content", [b"hello", b"\x80\x02a", b"u\n", b"{}", b"\x00" * 400])
def test_another_file_is_refused_with_or_without_a_seal(content, run):
    for written in (content, sealed(content)):
        run.checkpoint.write_bytes(written)
        with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
            read_state(run.checkpoint)


def test_another_format_is_named_beside_our_own(run, monkeypatch):
    monkeypatch.setattr(states, "FORMAT", FORMAT + 1)
    with pytest.raises(ValueError, match=f"it has format {FORMAT}, this .* reads {FORMAT + 1}"):
        read_state(run.checkpoint)


@pytest.mark.parametrize("name", STATE)
def test_a_state_without_one_of_its_parts_is_refused(name, run):
    for changed in (STATE | {name: "text"}, {k: v for k, v in STATE.items() if k != name}):
        save_state(run, changed)
        with pytest.raises(ValueError, match=f"has no {name} of the known form"):
            read_state(run.checkpoint)


def test_the_one_before_takes_the_place_of_a_torn_one(run):
    """Else the next save would move the torn one over it, and a kill leave nothing."""
    run.checkpoint.write_bytes(b"torn")
    loaded(run)
    assert not run.previous.exists()
    assert loaded(run) == (1, [])


def test_the_one_before_is_used_where_the_newest_is_of_another_run(run):
    def check(state):
        if state["progress"]["epoch"] == 2:
            raise ValueError("was saved with --lr 1, now it is 2")

    epoch, (note,) = loaded(run, check)
    assert epoch == 1
    assert f"note: {run.checkpoint} was saved with --lr 1, now it is 2. Going on" in note


def test_where_only_the_one_before_is_there_it_is_used(run):
    run.checkpoint.unlink()
    epoch, (note,) = loaded(run)
    assert epoch == 1
    assert "state.pt is missing" in note


def test_where_none_can_be_used_both_reasons_are_named_and_nothing_is_changed(run):
    run.checkpoint.write_bytes(b"torn")
    run.previous.unlink()
    run.previous.write_bytes(sealed(b"foreign"))
    with pytest.raises(ValueError, match=r"state\.pt cannot .*; .*previous\.pt cannot .*overwrite"):
        loaded(run)
    assert run.checkpoint.read_bytes() == b"torn"
    assert run.previous.read_bytes() == sealed(b"foreign")


def test_a_missing_state_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"state\.pt is missing.*--overwrite"):
        loaded(Run(tmp_path))


class Trap:
    """Unpickling it calls `Path.touch`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def as_archive(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def as_pickle(value):
    return pickle.dumps(value, protocol=2)


@pytest.mark.parametrize("write", [as_archive, as_pickle])
def test_code_in_a_pickle_is_refused_and_not_run(write, run, tmp_path):
    trap = write(STATE | {"progress": Trap(tmp_path / "was run")})
    for content in (trap, sealed(trap)):
        run.checkpoint.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
            read_state(run.checkpoint)
        run.previous.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
            loaded(run)
    assert not (tmp_path / "was run").exists()
