"""Projections: what the picture may show, and what the numbers on it say."""

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import texts_outside
from made_runs import made_texts
from matplotlib.text import Text
from running import refused_by
from sklearn.datasets import make_blobs
from sklearn.manifold import trustworthiness

from analysis import __main__ as command_line
from analysis import projection
from analysis.projection import METHODS, N_NEIGHBOURS, compute, purity, reduced, silhouette
from analysis.states import BEFORE, Property

NO_UMAP = importlib.util.find_spec("umap") is None
BY_METHOD = pytest.mark.parametrize(
    "method",
    [
        "tsne",
        pytest.param("umap", marks=pytest.mark.skipif(NO_UMAP, reason="no umap-learn")),
    ],
)


def labelled(labels, states):
    """A property of rows, and models of one layer with these states."""
    names = tuple(map(str, range(labels.max() + 1)))
    prop = Property("label", names, labels, np.arange(len(labels)), None, {})
    return prop, {name: [rows[:, None].astype(np.float32)] for name, rows in states.items()}


@pytest.mark.slow
@BY_METHOD
def test_u1_blobs_are_blobs_in_the_plane(method):
    states, labels = make_blobs(2000, 64, centers=4, random_state=0)
    points = METHODS[method](reduced(states))
    assert silhouette(points, labels) >= 0.8
    assert trustworthiness(states, points) >= 0.85


@BY_METHOD
def test_u2_a_repetition_gives_the_same_points(method):
    states, _ = make_blobs(120, 8, centers=3, random_state=0)
    np.testing.assert_array_equal(METHODS[method](states), METHODS[method](states))


@pytest.mark.slow
@BY_METHOD
def test_u2_so_does_another_process(method):
    program = (
        "import hashlib; from analysis.projection import METHODS; "
        "from sklearn.datasets import make_blobs; "
        "states, _ = make_blobs(300, 8, centers=3, random_state=0); "
        f"print(hashlib.sha256(METHODS[{method!r}](states).tobytes()).hexdigest())"
    )
    done = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert done[0] == done[1]
    assert len(done[0].strip()) == 64


def test_u3_noise_is_called_noise_whatever_the_picture_shows():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(200, 32))
    prop, shown = labelled(generator.integers(0, 3, 200), {BEFORE: noise, "after": noise})
    found = compute(prop, shown, -1, "tsne")
    assert all(cloud.silhouette <= 0.05 for cloud in found.clouds)
    assert "(before, after), classes are no clusters there" in projection.sentence(found)
    for axes, cloud in zip(projection.figure([found], "noise").axes, found.clouds, strict=True):
        assert f"silhouette {cloud.silhouette:.2f}" in axes.get_xlabel()
        assert {text.get_text() for text in axes.texts} == {"0", "1", "2"}


def test_numbers_are_of_the_original_space_and_the_plane_is_one():
    far, labels = make_blobs(120, 6, centers=2, random_state=1)
    prop, shown = labelled(labels, {BEFORE: np.random.default_rng(0).normal(size=(120, 6)),
                                    "after": far})  # fmt: skip
    found = compute(prop, shown, 0, "tsne")
    before, after = found.clouds
    assert after.purity == 1.0
    assert after.silhouette == pytest.approx(silhouette(shown["after"][0][:, 0], labels), abs=1e-6)
    assert before.purity == pytest.approx(0.5, abs=0.1)
    assert found.chance == pytest.approx(0.5)
    both = np.concatenate([shown[name][0][:, 0] for name in (BEFORE, "after")]).astype(np.float64)
    joint = METHODS["tsne"](reduced(both))
    np.testing.assert_array_equal(np.concatenate([before.points, after.points]), joint)


def test_purity_counts_neighbours_of_the_same_label():
    line = np.arange(22.0)[:, None] + (np.arange(22) >= 11)[:, None] * 1000
    assert purity(line, (np.arange(22) >= 11).astype(int)) == 1.0
    assert N_NEIGHBOURS == 10
    assert purity(line, np.arange(22) % 2) == pytest.approx(5 / 11, abs=0.03)


def test_no_more_points_than_the_limit():
    generator = np.random.default_rng(0)
    prop, shown = labelled(generator.integers(0, 2, 90), {
        BEFORE: generator.normal(size=(90, 4)), "after": generator.normal(size=(90, 4))
    })  # fmt: skip
    limit = projection.MOST_POINTS
    try:
        projection.MOST_POINTS = 80
        found = compute(prop, shown, 0, "tsne")
    finally:
        projection.MOST_POINTS = limit
    assert [len(cloud.points) for cloud in found.clouds] == [40, 40]
    assert len(set(found.examples)) == 40


def test_of_several_seeds_the_lowest_is_drawn_and_the_numbers_are_means():
    generator = np.random.default_rng(0)
    labels = np.arange(90) % 3
    prop, shown = labelled(labels, {BEFORE: generator.normal(size=(90, 4))})
    shown["lora"] = [
        (generator.normal(size=(90, 1, 4)) + shift * labels[:, None, None]).astype(np.float32)
        for shift in (1, 2, 8)
    ]
    found = compute(prop, shown, 0, "tsne")
    cloud = found.clouds[1]
    each = [compute(prop, shown | {"lora": [one]}, 0, "tsne") for one in shown["lora"]]
    assert cloud.silhouettes == tuple(one.clouds[1].silhouette for one in each)
    assert cloud.purities == tuple(one.clouds[1].purity for one in each)
    assert cloud.silhouette == pytest.approx(np.mean(cloud.silhouettes))
    assert cloud.purity == pytest.approx(np.mean(cloud.purities))
    assert len(set(cloud.silhouettes)) == 3
    for one, other in zip(found.clouds, each[0].clouds, strict=True):
        np.testing.assert_array_equal(one.points, other.points)  # the other seeds move nothing
    assert f"(silhouette {cloud.silhouette:.3f}; means of 3 seeds)" in projection.sentence(found)
    before, after = projection.figure([found], "").axes
    assert "means of 3 seeds" in after.get_xlabel()
    assert "seed" not in before.get_xlabel()


def made(n_models, silhouette=0.1):
    """A projection of some models."""
    points = np.random.default_rng(0).normal(size=(40, 2))
    clouds = [
        projection.Cloud(f"feature_extraction {i}", points, (silhouette,) * 3, (0.4,) * 3)
        for i in range(n_models)
    ]
    name = "label of emotion, mean of the tokens"
    labels = np.arange(40) % 4
    return projection.Projection(name, 6, tuple("abcd"), labels, labels, 0.3, tuple(clouds))


@pytest.mark.parametrize(
    ("n_models", "n_columns", "n_rows"), [(2, 2, 1), (4, 4, 1), (6, 3, 2), (7, 4, 2)]
)
def test_panels_wrap_and_no_title_runs_into_the_next(n_models, n_columns, n_rows):
    result = projection.figure([made(n_models), made(n_models)], "ner, wnut17: " + "lora, " * 40)
    assert texts_outside(result) == []
    assert result.get_figwidth() <= 13
    assert len({round(axes.bbox.x0) for axes in result.axes}) == n_columns
    assert len({round(axes.bbox.y0) for axes in result.axes}) == 2 * n_rows
    for axes in result.axes:
        for text in axes.findobj(Text):
            assert text.get_window_extent().width <= axes.bbox.width


def test_nothing_is_less_than_zero():
    found = made(2, silhouette=-0.0004)
    assert "-0.00" not in projection.sentence(found)
    axes = projection.figure([found], "").axes[0]
    assert axes.get_xlabel().startswith("silhouette 0.00,")


def test_command_line_of_seeds_draws_one_panel_for_each_configuration(tmp_path):
    runs = [made_texts(tmp_path / f"r{seed}", seed=seed) for seed in (1, 0)]
    runs.append(made_texts(tmp_path / "full", strategy="full"))
    words = [*(str(run.path) for run in runs), "--out", str(tmp_path / "out")]
    assert command_line.main(["projection", *words]) == 0
    path = tmp_path / "out" / "projection.json"
    first, _ = json.loads(path.read_text(encoding="utf-8"))["properties"]
    counts = {model["name"]: len(model["silhouettes"]) for model in first["models"]}
    assert counts == {BEFORE: 1, "lora": 2, "full": 1}


def test_command_line_writes_picture_points_and_numbers(tmp_path, capsys):
    run = made_texts(tmp_path / "run")
    assert command_line.main(["projection", str(run.path)]) == 0
    out = run.path / "analysis"
    assert (out / "projection.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((out / "projection.json").read_text(encoding="utf-8"))
    assert numbers["sentence"] in capsys.readouterr().out
    rows = list(csv.DictReader((out / "projection.csv").open(encoding="utf-8")))
    assert len(rows) == 2 * 2 * 150  # properties, models, texts
    assert rows[0].keys() == {"property", "model", "example", "label", "x", "y"}
    assert command_line.main(["projection", str(run.path), "--only", "first"]) == 0
    numbers = json.loads((out / "projection.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in numbers["properties"]] == ["label of reviews, first token"]


def test_what_cannot_be_projected_is_refused(tmp_path, capsys):
    run = made_texts(tmp_path / "run")
    words = ["projection", str(run.path), "--layer", "3"]
    refused_by(command_line.main, words, capsys, "--layer 3: this model has layers 0..1")
    words = ["projection", str(run.path), "--only", "topic"]
    refused_by(command_line.main, words, capsys, "none of label of reviews, mean", "first token")
    run.result.unlink()
    refused_by(command_line.main, ["projection", str(run.path)], capsys, "not finished")
    prop, shown = labelled(np.zeros(20, dtype=int), {BEFORE: np.eye(20)})
    with pytest.raises(ValueError, match=r"20 rows of 1 class"):
        compute(prop, shown, 0, "tsne")


def test_states_that_are_all_equal_are_left_out(tmp_path, capsys):
    """As those of the first token are in the embeddings: t-SNE of them ends the process."""
    run = made_texts(tmp_path / "run")
    for weights in projection.WEIGHTS:
        path = run.arrays("hidden", "test", weights)
        arrays = dict(np.load(path))
        arrays["first"][:, 0] = 0.5
        np.savez(path, **arrays)
    assert command_line.main(["projection", str(run.path), "--layer", "embeddings"]) == 0
    out = capsys.readouterr().out
    assert "left out: label of reviews, first token, embeddings, before: all 150 states" in out
    assert "label of reviews, mean of the tokens, embeddings (150 rows" in out
    prop, shown = labelled(np.arange(20) % 2, {BEFORE: np.eye(20), "after": np.ones((20, 20))})
    with pytest.raises(ValueError, match="embeddings, after: all 20 states are equal"):
        compute(prop, shown, 0, "tsne")


@pytest.mark.skipif(not NO_UMAP, reason="umap-learn is installed")
def test_without_its_package_umap_says_what_to_install(tmp_path, capsys):
    run = made_texts(tmp_path / "run")
    words = ["projection", str(run.path), "--method", "umap"]
    refused_by(command_line.main, words, capsys, "pip install -r requirements-extra.txt", "tsne")
    assert not (run.path / "analysis").exists()
