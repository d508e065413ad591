"""What is saved comes back exactly, or is refused with a reason."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tl.checkpoint import (
    fingerprint,
    load_learned,
    read_metadata,
    save_learned,
)

METADATA = {"labels": ["плохо", "good"], "backbone": "b0", "columns": ["text", "label"]}


@pytest.fixture
def learned():
    torch.manual_seed(0)
    return {"heads.x.weight": torch.randn(3, 4), "A": torch.randn(2, 2)}


@pytest.fixture
def path(tmp_path, learned):
    save_learned(tmp_path / "learned.safetensors", learned, METADATA)
    return tmp_path / "learned.safetensors"


def empty(learned):
    return {name: torch.zeros_like(tensor) for name, tensor in learned.items()}


def test_weights_come_back_to_the_last_bit_in_place(path, learned):
    target = empty(learned)
    before = {name: id(tensor) for name, tensor in target.items()}
    load_learned(path, target, "b0")
    assert {name: id(tensor) for name, tensor in target.items()} == before
    for name, tensor in learned.items():
        assert torch.equal(target[name], tensor)


def test_a_transposed_view_is_saved_as_it_reads(tmp_path, learned):
    view = {"A": learned["heads.x.weight"].T}
    save_learned(tmp_path / "f", view, METADATA)
    target = {"A": torch.zeros(4, 3)}
    load_learned(tmp_path / "f", target, "b0")
    assert torch.equal(target["A"], view["A"])


def test_the_metadata_come_back(path):
    assert read_metadata(path) == METADATA


def test_files_of_before_name_no_columns(tmp_path, learned):
    save_learned(tmp_path / "f", learned, {k: v for k, v in METADATA.items() if k != "columns"})
    assert read_metadata(tmp_path / "f") == METADATA | {"columns": []}


def test_the_same_weights_make_the_same_file(path, tmp_path, learned):
    save_learned(tmp_path / "again", learned, METADATA)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_weights_of_another_backbone_are_refused(path, learned):
    with pytest.raises(ValueError, match="fingerprint b0, this one has b1; use the --model"):
        load_learned(path, empty(learned), "b1")


def missing(target):
    del target["A"]


def left_over(target):
    target["B"] = torch.zeros(2)


def reshaped(target):
    target["A"] = torch.zeros(4)


def renamed(target):
    target["C"] = target.pop("A")


@pytest.mark.parametrize("change", [missing, left_over, reshaped, renamed])
def test_a_model_that_does_not_fit_is_refused_and_left_alone(change, path, learned):
    target = empty(learned)
    change(target)
    with pytest.raises(ValueError, match="differ in name or shape"):
        load_learned(path, target, "b0")
    assert not any(tensor.any() for tensor in target.values())


@pytest.mark.parametrize("keep", [0, 4, 20, 100, -1])
def test_a_truncated_file_is_refused(keep, path, learned):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="cannot be read as learned weights"):
        load_learned(path, empty(learned), "b0")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="were not kept"):
        read_metadata(tmp_path / "learned.safetensors")


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"tl": '{"labels": ["a"]}'}], ids=["none", "other", "half"]
)
def test_a_file_of_another_program_is_refused(metadata, tmp_path, learned):
    save_file(learned, tmp_path / "f", metadata)
    with pytest.raises(ValueError, match="was not written by tl"):
        read_metadata(tmp_path / "f")


def test_a_file_with_torn_metadata_is_refused(tmp_path, learned):
    save_file(learned, tmp_path / "f", {"tl": '{"labels": '})
    with pytest.raises(ValueError, match="cannot be read as learned weights"):
        read_metadata(tmp_path / "f")


@pytest.mark.parametrize(
    "metadata",
    [
        *(f'{{"labels": {labels}, "backbone": "b"}}' for labels in (
            "5", "null", "[1, 2]", '{"a": 1}', '[["a"], ["b"]]', '["a", "a"]', '"ab"')),
        '{"labels": [], "backbone": 5}',
        "[" * 100_000,
        '{"labels": ' + "[" * 100_000 + "]" * 100_000 + ', "backbone": "b"}',
        '{"labels": [], "backbone": "b", "n": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_tampered_metadata_are_refused_with_the_name_of_the_file(metadata, tmp_path, learned):
    save_file(learned, tmp_path / "f", {"tl": metadata})
    with pytest.raises(ValueError, match=rf"^{tmp_path / 'f'}"):
        read_metadata(tmp_path / "f")


def test_a_fingerprint_tells_networks_apart():
    def network(seed, width=4, name="a"):
        torch.manual_seed(seed)
        return nn.ModuleDict({name: nn.Linear(width, 600)})

    marks = [
        fingerprint(network(*arguments)) for arguments in [(0,), (0,), (1,), (0, 5), (0, 4, "b")]
    ]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 4
    assert all(len(mark) == 16 for mark in marks)


def test_a_fingerprint_does_not_depend_on_what_learns():
    layer = nn.Linear(3, 3)
    before = fingerprint(layer)
    assert fingerprint(layer.requires_grad_(False).eval()) == before
