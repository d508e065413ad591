"""Entropy, distance, divergence and rollout of attention, on maps that are known; files."""

import json
from dataclasses import replace

import made_runs
import numpy as np
import pytest
from drawn import texts_outside

from analysis import __main__ as command_line
from analysis.attention import command as attention
from analysis.attention import figures as attention_figures
from analysis.attention.heads import Attention, Heads
from analysis.plotting import save

RESULT = {
    "task": "ner",
    "data_name": "wnut17",
    "strategy": "prefix",
    "seed": 0,
    "scores": {"validation": {}, "test": {}},
    "command": "python train.py --task ner --strategy prefix",
}
LENGTHS = (8, 3, 12)


def softmax(scores):
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def dumped(seed=0, mass=1.0, lengths=LENGTHS, n_layers=2, n_heads=3):
    """Padded maps of random heads; what rows lack to 1 goes to a prefix."""
    random, t = np.random.default_rng(seed), max(lengths)
    maps = np.zeros((len(lengths), n_layers, n_heads, t, t), dtype=np.float16)
    tokens = [[f"word{i}" for i in range(n)] + [""] * (t - n) for n in lengths]
    for i, n in enumerate(lengths):
        maps[i, ..., :n, :n] = mass * softmax(2 * random.normal(size=(n_layers, n_heads, n, n)))
    ids = np.array([f"text{i}" for i in range(len(lengths))])
    return {"ids": ids, "tokens": np.array(tokens), "maps": maps}


def uniform(lengths=LENGTHS):
    made = dumped(lengths=lengths)
    for i, n in enumerate(lengths):
        made["maps"][i, ..., :n, :n] = 1 / n
    return made


def write_run(folder, result=RESULT, dumps=None):
    dumps = (dumped(0), dumped(1)) if dumps is None else dumps
    return made_runs.write_run(folder, result, "attention", dumps)


def main(*words):
    return command_line.main(["attention", *map(str, words)])


def test_the_entropy_of_looking_everywhere_is_log_n_and_padding_does_not_count():
    """A4."""
    found = attention.compute("run", uniform(), uniform())
    expected = np.mean(np.log(LENGTHS))
    np.testing.assert_allclose(found.after.entropy, expected, atol=1e-3)  # of float16 weights
    assert found.uniform == pytest.approx(expected)
    far = [np.abs(np.subtract.outer(range(n), range(n))).mean() for n in LENGTHS]
    np.testing.assert_allclose(found.after.distance, np.mean(far), rtol=1e-3)
    assert found.n_tokens == sum(LENGTHS)


def test_the_level_of_looking_everywhere_is_that_of_the_mask():
    """F9: a causal token sees itself and those before it."""
    made, t = uniform(), max(LENGTHS)
    for i, n in enumerate(LENGTHS):
        made["maps"][i, ..., :n, :n] = np.tri(n) / np.arange(1, n + 1)[:, None]
    found = attention.compute("run", made, made)
    expected = np.mean([np.log(np.arange(1, n + 1)).mean() for n in LENGTHS])
    assert found.uniform == pytest.approx(expected)
    np.testing.assert_allclose(found.after.entropy, expected, atol=1e-3)
    assert attention.numbers(found)["entropy_of_uniform"] == found.uniform
    drawn = attention_figures.heads(found, "ner, wnut17").axes[1].lines
    assert [found.uniform] * 2 in [list(line.get_ydata()) for line in drawn]
    half = made["maps"] / 2  # a prefix takes the rest: its positions are no tokens in sight
    moved = attention.compute("run", made, made | {"maps": half})
    assert moved.uniform == found.uniform
    assert f"may see: {expected:.2f})" in attention.words(moved)
    both = made["maps"] + np.float16(0.01) * (made["tokens"] != "")[:, None, None, None]
    assert attention.compute("run", made, made | {"maps": both}).uniform > found.uniform
    assert found.n_tokens < len(LENGTHS) * t


def test_a_frozen_model_has_no_divergence_and_none_exceeds_log_2():
    """A4."""
    same = attention.compute("run", dumped(), dumped())
    assert not same.divergence.any()
    assert "no head looks anywhere else" in attention.words(same)
    maps = np.eye(4)[None, None]
    apart = attention.divergence(*map(attention.distributions, (maps, np.roll(maps, 1, axis=-1))))
    assert apart[0, 0] == pytest.approx(np.log(2))
    found = attention.compute("run", dumped(0), dumped(1)).divergence
    assert (found > 0).all()
    assert (found <= np.log(2)).all()


def test_numbers_are_those_of_the_definitions():
    """Head by head, row by row, against scipy."""
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import entropy

    before, after = dumped(0), dumped(1, mass=0.75)
    found = attention.compute("run", before, after)
    for layer, head in np.ndindex(2, 3):
        divergences, entropies = [], []
        for i, n in enumerate(LENGTHS):
            p, q = (some["maps"][i, layer, head, :n, :n].astype(float) for some in (before, after))
            q = np.column_stack([q, 1 - q.sum(axis=1)])  # a quarter goes to the prefix
            p = np.column_stack([p / p.sum(axis=1, keepdims=True), np.zeros(n)])
            rows = [jensenshannon(*pair) ** 2 for pair in zip(p, q, strict=True)]
            divergences.append(np.mean(rows))
            entropies.append(np.mean([entropy(row) for row in q]))
        assert found.divergence[layer, head] == pytest.approx(np.mean(divergences), abs=1e-4)
        assert found.after.entropy[layer, head] == pytest.approx(np.mean(entropies), abs=1e-3)


def test_rollout_of_uniform_heads():
    """A3."""
    rolled = attention.rollout(np.full((3, 2, 8, 8), 1 / 8))
    expected = np.where(np.eye(8), 0.234375, 0.109375)
    np.testing.assert_allclose(rolled, expected, atol=1e-12)


def test_rollout_of_heads_that_look_at_themselves():
    """A3."""
    heads = np.broadcast_to(np.eye(5), (4, 2, 5, 5))
    np.testing.assert_allclose(attention.rollout(heads), np.eye(5), atol=1e-12)


def test_rows_of_a_rollout_sum_to_one_where_a_prefix_takes_a_part():
    maps = attention.real(dumped(mass=0.5), 0)[1]
    np.testing.assert_allclose(attention.rollout(maps).sum(axis=1), 1.0, atol=1e-9)


def test_layers_of_a_rollout_are_multiplied_in_their_order():
    """Layer 1 copies token 0 everywhere; layer 2 looks at itself: all states hold token 0."""
    first, second = np.zeros((1, 3, 3)), np.eye(3)[None]
    first[..., 0] = 1
    rolled = attention.rollout(np.stack([first, second]))
    np.testing.assert_allclose(rolled, (first[0] + np.eye(3)) / 2)


def test_the_figures_show_every_head_and_every_token():
    found = attention.compute("run", dumped(0), dumped(1))
    drawn = attention_figures.heads(found, "ner, wnut17")
    numbers = [f"{value:.3f}".removeprefix("0") for value in found.divergence.ravel()]
    assert [text.get_text() for text in drawn.axes[0].texts] == numbers
    tokens, maps = attention.real(dumped(0), 1)
    mosaic = attention_figures.mosaic(maps)
    assert mosaic.shape == (2 * 4, 3 * 4)  # 3 tokens and a gap
    np.testing.assert_array_equal(mosaic[4:7, 8:11], maps[1, 2])
    pair = attention_figures.rollouts("run", tokens, *[attention.rollout(maps)] * 2)
    assert [label.get_text() for label in pair.axes[0].get_xticklabels()] == tokens


def test_figures_of_a_long_text_are_no_larger_and_no_text_is_cut():
    n = 120
    tokens, rows = [f"##{i}щ" for i in range(n)], np.full((n, n), 1 / n)
    rolled = attention_figures.rollouts("lora (train-size 200, epochs 3)", tokens, rows, rows)
    assert rolled.get_figwidth() * rolled.dpi <= 1310
    assert [text.get_text() for text in rolled.axes[0].get_xticklabels()] == tokens[:28]
    assert "Of 120 tokens the first 28 are drawn" in rolled.get_supxlabel()
    maps = attention_figures.maps("lora", tokens, *[np.broadcast_to(rows, (2, 12, n, n))] * 2)
    assert "… (120 tokens)" in maps.get_supxlabel()
    heads = attention_figures.heads(
        attention.compute("lora (r 8)", dumped(0), dumped(1)), "ner, wnut17"
    )
    for drawn in (rolled, maps, heads):
        assert texts_outside(drawn) == []


def test_before_is_seen_where_a_configuration_equals_it():
    found = attention.compute("feature_extraction", dumped(0), dumped(0))
    _, entropy, _ = attention_figures.overview([found, found], "ner, wnut17").axes
    _, before, after = entropy.lines
    np.testing.assert_array_equal(before.get_ydata(), after.get_ydata())
    assert before.get_zorder() > after.get_zorder()
    assert before.get_linewidth() < after.get_linewidth()


def test_command_line_writes_pictures_numbers_page_and_words(tmp_path, capsys):
    folder = write_run(tmp_path / "run")
    assert main(folder, "--example", "1") == 0
    out = folder / "analysis"
    for name in ("attention.png", "attention-maps.png", "attention-rollout.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    (numbers,) = json.loads((out / "attention.json").read_text(encoding="utf-8"))
    assert np.array(numbers["jensen_shannon"]).shape == (2, 3)
    shown = capsys.readouterr().out
    assert numbers["words"] in shown
    assert "not why the model answered" in numbers["words"]
    page = (out / "attention-view.html").read_text(encoding="utf-8")
    assert page.index("text1") < page.index("text0") < page.index("text2")  # asked for first


def test_seeds_of_a_configuration_are_averaged_head_by_head():
    runs = [attention.compute("run", dumped(0), dumped(seed)) for seed in (1, 2)]
    both = attention.mean(runs)
    for of in (lambda one: one.divergence, lambda one: one.after.entropy):
        np.testing.assert_allclose(of(both), (of(runs[0]) + of(runs[1])) / 2)
    np.testing.assert_array_equal(both.before.distance, runs[0].before.distance)
    assert "run (mean of 2 seeds), 3 texts: " in attention.words(both)


def test_strategies_side_by_side(tmp_path):
    lora = {"strategy": "lora", "command": "python train.py --task ner --strategy lora"}
    runs = [
        write_run(tmp_path / f"run{i}{seed}", RESULT | {"seed": seed} | other)
        for seed in range(2)
        for i, other in enumerate(({}, lora))
    ]
    assert main(*runs, "--out", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "attention.json", "attention.png",
    ]  # fmt: skip
    numbers = json.loads((tmp_path / "out" / "attention.json").read_text(encoding="utf-8"))
    assert [(one["run"], one["seeds"]) for one in numbers] == [("prefix", 2), ("lora", 2)]


def test_the_overview_has_a_line_for_each_configuration():
    found = attention.compute("run", dumped(0), dumped(1))
    change, entropy, _ = attention_figures.overview([found, found], "ner, wnut17").axes
    np.testing.assert_allclose(change.lines[0].get_ydata(), found.divergence.mean(axis=1))
    shown = {text.get_text() for text in entropy.texts}
    assert shown == {"run", "before", "looking everywhere"}


def test_colours_have_one_scale_and_a_head_at_0_stands_on_no_edge():
    """A small change is pale whatever the largest is; a head that looks at one token is seen."""
    for most in (0.01, 0.6):
        found = replace(made(), divergence=np.array([[0.0, most], [most, 0.0]]))
        top, middle, bottom = attention_figures.heads(found, "about").axes[:3]
        (image,) = top.images
        assert image.get_clim() == (0, pytest.approx(np.log(2)))
        assert [label.get_text() for label in top.get_yticklabels()] == ["0", "1"]
        assert middle.get_ylim()[0] < 0 > bottom.get_ylim()[0]
    maps = np.full((2, 2, 5, 5), 0.2)
    for drawn in (
        attention_figures.maps("label", list("abcde"), maps, maps),
        attention_figures.rollouts("label", list("abcde"), maps[0, 0], maps[0, 0]),
    ):
        assert {image.get_clim() for axes in drawn.axes for image in axes.images} == {(0, 1)}
        bars = [axes for panel in drawn.axes for axes in panel.child_axes]
        assert [label.get_text() for label in bars[0].get_yticklabels()][-1] == "1"


def made():
    """What is known of two heads of two layers, one of which looks at one token alone."""
    some = Heads(np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.0, 1.0], [1.0, 2.0]]))
    return Attention("lora", 1, 9, 99, 2.0, some, some, np.zeros((2, 2)))


def test_the_title_of_a_rollout_touches_no_panel_and_no_token_the_caption(tmp_path):
    tokens = [*"abcdefghijkl", "ambitious"]
    rolled = np.full((13, 13), 1 / 13)
    drawn = attention_figures.rollouts(
        "a task, some data: a strategy (with options 1)", tokens, rolled, rolled
    )
    save(drawn, tmp_path / "rollout.png")
    title, note = drawn._suptitle.get_window_extent(), drawn._supxlabel.get_window_extent()
    for axes in drawn.axes[:2]:
        assert axes.title.get_window_extent().y1 < title.y0
        assert axes._left_title.get_window_extent().y1 + 5 < title.y0
        lowest = min(label.get_window_extent().y0 for label in axes.get_xticklabels())
        assert lowest > note.y1 + 5
    assert texts_outside(drawn) == []  # last, since it draws again


def test_bad_input_is_answered_in_words(tmp_path, capsys):
    broken = dumped(1)
    broken["maps"][0, 0, 0, 0, 0] = np.nan
    other = dumped(1, lengths=(4, 3, 12))
    good = write_run(tmp_path / "good")
    apart = dumped(0, lengths=(4, 3, 12)), other
    alone = write_run(tmp_path / "alone", RESULT | {"seed": 1}, apart)
    for words, answer in (
        ([tmp_path / "nowhere"], "no run directory"),
        ([write_run(tmp_path / "unfinished", result=None)], "not finished"),
        (
            [write_run(tmp_path / "bare", dumps=())],
            "--dump attention --split test --weights",
        ),
        ([write_run(tmp_path / "nan", dumps=(dumped(0), broken))], "not finite"),
        ([write_run(tmp_path / "other", dumps=(dumped(0), other))], "other texts"),
        ([good, good], "--out"),
        ([good, alone, "--out", tmp_path, "--example", "1"], "--bertviz take one run"),
        ([good, alone, "--out", tmp_path], "maps of other texts"),
        ([good, "--example", "3"], "examples 0 to 2"),
    ):
        assert main(*words) == 2
        assert answer in capsys.readouterr().err
