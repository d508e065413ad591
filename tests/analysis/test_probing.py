"""Probing of runs: what is found, what is said of it, what is refused."""

import json

import numpy as np
import pytest
from made_runs import made_others, made_run, made_texts, made_words
from running import refused_by, trained

import eval
from analysis import __main__ as command_line
from analysis import states
from analysis.probing import report
from analysis.probing.figure import figure
from analysis.probing.probed import Change, compute, cut, resamples
from analysis.states import BEFORE, RANDOM, Property, compared, entities
from tl.runs import WEIGHTS

ALL = tuple(WEIGHTS)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return made_texts(tmp_path_factory.mktemp("texts") / "run")


@pytest.fixture(scope="module")
def probed(texts):
    """The label, by the mean of the tokens."""
    prop, shown = next(compared([texts], "test", ALL))
    return compute(prop, shown)


def test_a_probe_finds_the_label_in_the_layer_that_has_it_and_nowhere_else(probed):
    after = probed.curve("after")
    assert (probed.n_train, probed.n_test) == (100, 50)
    assert probed.majority == pytest.approx(0.5, abs=0.1)
    assert after.accuracy[-1] > 0.95
    for curve in (probed.curve(BEFORE), probed.curve(RANDOM)):
        assert (np.abs(curve.accuracy - 0.5) < 0.2).all()
        assert (curve.compression < 1.2).all()
    assert after.compression[-1] > 1.5
    np.testing.assert_array_equal(after.accuracy[:-1], probed.curve(BEFORE).accuracy[:-1])
    assert ((after.low <= after.accuracy) & (after.accuracy <= after.high)).all()


def test_a_change_is_clear_where_its_interval_leaves_out_zero(probed):
    (change,) = probed.changes
    assert change.clear.tolist() == [2]
    np.testing.assert_array_equal(change.mean[:2], 0)
    made = Change("after", np.array([0.1, 0.1, -0.1]), np.array([0.0, 0.05, -0.2]),
                  np.array([0.2, 0.2, -0.01]))  # fmt: skip
    assert made.clear.tolist() == [1, 2]


def test_the_sentence_says_what_the_numbers_say(probed):
    text = report.sentence(probed)
    (change,) = probed.changes
    assert f"a random model at most {probed.curve(RANDOM).accuracy.max():.3f}" in text
    assert (
        f"Afterwards it is read best in layer 1 ({probed.curve('after').accuracy[2]:.3f};" in text
    )
    assert f"gained in layer 1: {change.mean[2]:+.3f} [" in text
    assert "lost" not in text


def test_p5_a_frozen_strategy_gives_the_same_table_before_and_after(
    basic, sentiment_folder, tmp_path
):
    run = trained([*basic, "--strategy", "feature_extraction"], tmp_path / "runs")
    data = tmp_path / "all.jsonl"  # one split alone has too few texts for a probe
    texts = [path.read_text(encoding="utf-8") for path in sorted(sentiment_folder.iterdir())]
    data.write_text("".join(texts), encoding="utf-8")
    words = [str(run.path), "--data", str(data), "--dump", "hidden", "--weights", ",".join(ALL)]
    assert eval.main(words) == 0
    split = f"{tmp_path.name}-all"
    found = [compute(prop, shown) for prop, shown in compared([run], split, ALL)]
    assert len(found) == 2  # the mean and the first token
    for one in found:
        before, after = one.curve(BEFORE), one.curve("after")
        for name in ("accuracy", "low", "high", "compression", "strengths"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
        assert "every layer gives the same as before" in report.sentence(one)


def test_words_of_a_type_have_a_control_label_and_so_a_selectivity(tmp_path):
    run = made_words(made_texts(tmp_path / "run"))
    found = {prop.name: (prop, shown) for prop, shown in compared([run], "test", ALL)}
    assert list(found)[2:] == ["part of speech, trees", "depth in the tree, trees"]
    prop, shown = found["part of speech, trees"]
    curve = compute(prop, shown).curve("after")
    assert (curve.accuracy > 0.95).all()
    assert (curve.control > 0.95).all()  # 4 forms can be remembered: nothing is selective
    depth, _ = found["depth in the tree, trees"]
    assert depth.label_names == ("0", "3", "5 or more")


def test_as_many_words_outside_of_entities_as_inside():
    kinds = np.array(["O"] * 90 + ["PER"] * 6 + ["LOC"] * 4)
    rows = np.arange(100)
    found = entities(kinds, "news", rows, rows, {"trained": rows[:, None, None]})
    assert np.bincount(found.labels).tolist() == [4, 10, 6]  # LOC, O, PER
    np.testing.assert_array_equal(found.states["trained"][:, 0, 0], found.examples)


def test_no_sentence_is_in_two_parts():
    examples = np.repeat(np.arange(60), 3)
    parts = cut(examples, np.random.default_rng(0))
    chosen = [set(examples[m]) for m in (parts.test, parts.held_out, parts.train & ~parts.held_out)]
    assert [len(part) for part in chosen] == [20, 8, 32]
    assert len(set.union(*chosen)) == 60


def test_an_interval_draws_whole_sentences():
    """All words of a sentence agree, so the variance is that of sentences."""
    generator = np.random.default_rng(0)
    examples = np.repeat(np.arange(100), 9)
    hits = np.repeat(generator.integers(0, 2, 100), 9)
    means = resamples(examples, generator)(hits[None].astype(float))
    assert means.std() == pytest.approx(hits.std() / 10, rel=0.1)


def test_command_line_writes_picture_numbers_and_paragraph(texts, tmp_path, capsys):
    assert command_line.main(["probing", str(texts.path), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "probing.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((tmp_path / "probing.json").read_text(encoding="utf-8"))
    printed = capsys.readouterr().out
    assert numbers["sentence"] in printed
    assert [one["name"] for one in numbers["properties"]] == [
        "label of reviews, mean of the tokens",
        "label of reviews, first token",
    ]
    assert numbers["properties"][0]["curves"][0]["control"] is None


def test_runs_of_two_strategies_are_compared_with_one_model_before(texts, tmp_path):
    other = made_texts(tmp_path / "frozen", moved=False, strategy="full")
    (prop, shown), _ = compared([texts, other], "test", ALL)
    assert list(shown) == [RANDOM, BEFORE, "lora", "full"]
    axes = figure([compute(prop, shown)], "two runs").axes[0]
    assert {text.get_text() for text in axes.texts} == {"majority", RANDOM, BEFORE, "lora", "full"}


def test_what_cannot_be_probed_is_refused(texts, tmp_path, capsys):
    def refused(*words):
        refused_by(command_line.main, ["probing", *map(str, words[:-1])], capsys, *words[-1])

    refused(made_run(tmp_path / "new").path, ("has no hidden/test.npz", "--dump hidden"))
    refused(made_run(tmp_path / "sums", task="summarization").path, ("summarization", "words"))
    refused(texts.path, "--split", "train", ("has no hidden/train.npz", "--split train"))
    refused(texts.path, texts.path, "--out", tmp_path, ("both called 'lora'",))
    refused(texts.path, made_texts(tmp_path / "b", strategy="full").path, ("--out DIR",))
    half = made_words(made_texts(tmp_path / "half"))
    half.arrays("words", "trees-test", "random").unlink()
    refused(half.path, ("has no words/trees-test--random.npz", "--weights"))
    unfinished = made_texts(tmp_path / "unfinished")
    unfinished.result.unlink()
    refused(unfinished.path, ("not finished",))


def test_a_property_that_cannot_be_probed_stops_no_other(tmp_path, capsys):
    run = made_others(made_texts(tmp_path / "run"), n=20)
    assert command_line.main(["probing", str(run.path)]) == 0
    shown = capsys.readouterr().out
    assert "left out: topic, news: 20 examples are too few" in shown
    numbers = json.loads((run.path / "analysis" / "probing.json").read_text(encoding="utf-8"))
    assert len(numbers["properties"]) == 2
    alone = made_others(made_others(made_run(tmp_path / "few"), n=20), name="more", n=9)
    refused_by(command_line.main, ["probing", str(alone.path)], capsys,
               "topic, more: 9 examples", "topic, news: 20 examples", "--limit")  # fmt: skip


def test_too_few_examples_or_classes_are_refused():
    rows = np.arange(40)
    noise = np.random.default_rng(0).normal(size=(40, 2, 4))
    one = Property("label", ("a", "b"), np.zeros(40, dtype=int), rows, None, {})
    with pytest.raises(ValueError, match="one class only, 'a'"):
        compute(one, {BEFORE: [noise]})
    few = one.of(rows[:20])
    with pytest.raises(ValueError, match="20 examples are too few"):
        compute(few, {BEFORE: [noise[:20]]})


def test_states_that_are_not_finite_or_of_other_examples_are_refused(tmp_path):
    run = made_texts(tmp_path / "run")
    path = run.arrays("hidden", "test", "pretrained")
    arrays = dict(np.load(path))
    np.savez(path, **(arrays | {"ids": arrays["ids"][::-1]}))
    with pytest.raises(ValueError, match="other examples"):
        states.read_states(run, "hidden", "test", ("trained", "pretrained"), "mean")
    np.savez(path, **(arrays | {"mean": np.full_like(arrays["mean"], np.nan)}))
    with pytest.raises(ValueError, match="not finite"):
        states.read_states(run, "hidden", "test", ("trained", "pretrained"), "mean")
    large = np.where(arrays["mean"] > 1, np.float16(np.inf), arrays["mean"])
    np.savez(path, **(arrays | {"mean": large}))
    with pytest.raises(ValueError, match=r"beyond 65,504, the range of float16.*write it again"):
        states.read_states(run, "hidden", "test", ("trained", "pretrained"), "mean")
    with pytest.raises(ValueError, match="has no word_states, only ids, mean, first"):
        states.read_states(run, "hidden", "test", ("trained",), "word_states")
