"""Layers have one numbering: that of options, of groups of parameters, and of modules."""

import itertools
import json

import numpy as np
import pytest
from made_runs import made_texts
from running import refused_by
from tiny import tiny_backbone

from analysis import __main__ as command_line
from analysis import layers
from analysis.plotting import ticks_of_layers
from tl.strategies.base import chosen_blocks


@pytest.mark.parametrize("family", ["bert", "t5", "bart"])
def test_names_are_those_of_groups_and_options(family):
    """Of an encoder-decoder too, whose decoder comes behind its encoder."""
    backbone = tiny_backbone(family)
    parts = [name for name, _ in backbone.parts()]
    of_blocks = [layers.part_in_words(name) for name in parts if name.startswith("block")]
    assert of_blocks == [f"layer {i}" for i in range(len(backbone.blocks))]
    assert layers.part_in_words(parts[0]) == layers.EMBEDDINGS
    names = layers.names_of(1 + len(backbone.blocks))
    assert names[0] == layers.EMBEDDINGS
    for name, block in zip(names[1:], backbone.blocks, strict=True):
        assert chosen_blocks(backbone, (int(name),)) == [block]


def test_a_state_is_found_by_its_name():
    assert [layers.state_of(name, 4) for name in layers.names_of(4)] == [0, 1, 2, 3]
    assert [layers.state_of(name, 4) for name in ("-1", "-3")] == [3, 1]
    for wrong in ("3", "-4", "block00", ""):
        with pytest.raises(ValueError, match=r"has layers 0\.\.2 .* and embeddings below them"):
            layers.state_of(wrong, 4)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([3], "layer 2"),
        ([1, 2, 3, 6], "layers 0–2, 5"),
        ([0], "the embeddings"),
        ([0, 2, 4], "the embeddings and layers 1, 3"),
    ],
)
def test_layers_in_words(states, expected):
    assert layers.listed(states) == expected


@pytest.mark.parametrize("n_states", [2, 7, 13, 25, 33])
def test_an_axis_names_the_embeddings_and_the_last_layer(n_states):
    from matplotlib.figure import Figure

    axes = Figure(figsize=(4, 3)).subplots()
    axes.set_xlim(0, n_states - 1)
    ticks_of_layers(axes.xaxis, n_states)
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert (shown[0], shown[-1]) == ("embeddings", str(n_states - 2))
    assert axes.get_xticks()[1:].tolist() == [int(name) + 1 for name in shown[1:]]
    axes.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert not any(one.x1 > other.x0 for one, other in itertools.pairwise(boxes))


def test_all_analyses_call_a_layer_the_same(tmp_path, capsys):
    """The states of these runs moved in the last of two layers, and nowhere else."""
    run = made_texts(tmp_path / "run")
    for name, said in (
        ("probing", "gained in layer 1: "),
        ("similarity", "moved layer 1 most"),
        ("projection", "mean of the tokens, layer 1 (150 rows"),
    ):
        assert command_line.main([name, str(run.path)]) == 0
        assert said in capsys.readouterr().out
    found = json.loads((run.path / "analysis" / "projection.json").read_text(encoding="utf-8"))
    assert {one["layer"] for one in found["properties"]} == {"1"}
    found = json.loads((run.path / "analysis" / "similarity.json").read_text(encoding="utf-8"))
    assert found["layers"] == ["embeddings", "0", "1"]
    words = ["projection", str(run.path), "--layer", "2"]
    refused_by(
        command_line.main, words, capsys, "--layer 2: this model has layers 0..1", "embeddings"
    )
    assert np.isfinite(found["before_against_after"]["lora"]["mean"]).all()
