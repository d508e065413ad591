"""Gains and losses of groups: numbers, verdicts, words, files."""

import json

import numpy as np
import pytest
from remembered import AFTER, BEFORE, arrays, write_run
from running import refused_by
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from analysis import __main__ as command_line
from analysis.forgetting import command as forgetting
from analysis.forgetting.gains import Change, _macro_f1, compute, judge, role
from analysis.forgetting.ridge import out_of_fold
from analysis.seeds import draw_texts
from analysis.statistics import Difference, Sample
from tl.runs import Run, write_arrays

NO_GROUP = {"own": np.array([""]), "domain": np.array("")}


def judged(before, after, n_seeds=2):
    """The changes of seeds that found the same."""
    return judge([compute("run", dict.fromkeys(range(n_seeds), (before, after)))]).results[0]


def change(measure, gain, low, high, p):
    found = Difference(gain, low, high, p, ((0, 1, 2),), 1, ())
    gains = Sample((0, 1, 2), np.full(3, gain))
    return Change("texts", measure, "control", 9, 0.5, 0.5, True, gains, found)


def main(*words):
    return command_line.main(["forgetting", *map(str, words)])


def test_scores_are_those_of_other_libraries():
    found = {c.measure: c for c in compute("run", {0: (BEFORE, AFTER)}).changes}
    for when, some in (("before", BEFORE), ("after", AFTER)):
        labels = some["labels/emotion test"]
        predicted = out_of_fold(some["states/emotion test"], labels, np.arange(200))
        expected = f1_score(labels, predicted, average="macro")
        assert getattr(found["probe"], when) == pytest.approx(expected, abs=1e-12)
        rho = spearmanr(some["cosines/newsroom headlines"], some["grades/newsroom headlines"])
        assert getattr(found["pairs"], when) == pytest.approx(rho.statistic, abs=1e-12)
        loss = np.nanmean(some["losses/newsroom"])
        assert getattr(found["language"], when) == pytest.approx(loss, abs=1e-12)


def test_a_model_that_finds_all_pairs_alike_knows_nothing_of_them():
    key = "cosines/newsroom headlines"
    collapsed = {**AFTER, key: np.ones_like(AFTER[key])}
    (pairs,) = [c for c in judged(BEFORE, collapsed).changes if c.measure == "pairs"]
    assert pairs.after == 0.0
    assert pairs.verdict == "lost"


def test_learned_the_new_and_lost_the_old():
    found = judged(BEFORE, AFTER)
    told = {c.measure: (c.role, c.verdict) for c in found.changes}
    assert told == {
        "probe": ("target", "learned"),
        "pairs": ("control", "lost"),
        "language": ("control", "lost"),
    }
    loss = next(c for c in found.changes if c.measure == "language")
    assert loss.gain == pytest.approx(-0.5)  # a loss that grew is no gain
    for one in found.changes:
        assert one.found.low <= one.gain <= one.found.high
        assert one.found.n_claims == 3


def test_one_seed_gives_numbers_and_no_verdict():
    """Its intervals are over texts alone; another seed may have done the opposite."""
    found = compute("run", {0: (BEFORE, AFTER)})
    assert judge([found]).results == (found,)
    assert {one.verdict for one in found.changes} == {"this run only"}
    assert {one.found.p for one in found.changes} == {None}
    text = forgetting.words(found)
    assert "Of what it was trained for, this run only, without a verdict: emotion test" in text
    assert "each 95% interval is by itself, and over texts alone" in text
    assert all(one.found.low < one.gain < one.found.high for one in found.changes)


def test_nothing_moved_is_exactly_nothing():
    """F3."""
    for one in judged(BEFORE, BEFORE).changes:
        assert (one.gain, one.found.low, one.found.high, one.found.p) == (0.0, 0.0, 0.0, 1.0)
        assert one.verdict == "kept"


def test_what_a_group_is_to_a_run():
    some = {"own": np.array(["newsroom test"]), "domain": np.array("newsroom")}
    roles = {"newsroom test": "target", "newsroom": "domain", "newsroom sentiment": "domain",
             "newsroom train": "seen", "newsroom validation": "domain",
             "newsroom-ru": "control", "newsroom-ru names": "control"}  # fmt: skip
    assert {group: role(some, group) for group in roles} == roles


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [(0.1, 0.2, 0.01, "learned"), (-0.2, -0.1, 0.01, "lost"), (-0.01, 0.01, 0.9, "kept"),
     (0.001, 0.015, 0.01, "kept"), (-0.1, 0.1, 1.0, "unclear"), (-0.015, 0.03, 0.4, "unclear"),
     (0.01, 0.03, 0.01, "learned"), (-0.01, 0.2, 0.04, "learned"), (-0.2, 0.01, 0.06, "unclear"),
     (0.1, 0.2, None, "this run only")],
)  # fmt: skip
def test_verdicts(low, high, p, verdict):
    """By p, which Holm makes smaller than Bonferroni's interval says; "kept" by the interval."""
    assert change("probe", (low + high) / 2, low, high, p).verdict == verdict


def test_what_was_never_known_is_neither_kept_nor_lost():
    blind = arrays(0.0, 1e6, 2.0)
    verdicts = {c.measure: c.verdict for c in judged(blind, blind).changes}
    assert verdicts == {"probe": "absent", "pairs": "absent", "language": "kept"}
    found = judged(blind, arrays(1.5, 1e6, 2.0))
    assert found.changes[0].verdict == "learned"
    assert "it knows nothing, before and after: newsroom headlines" in forgetting.words(found)


def test_a_class_that_a_draw_has_no_text_of_is_no_error_of_it():
    """A perfect model of 9 classes, some with one text, is perfect in every draw."""
    labels = np.repeat(np.arange(9), [60, 30, 9, 4, 3, 1, 1, 1, 1])
    weights = draw_texts(len(labels))
    np.testing.assert_allclose(_macro_f1(labels, labels, weights), 1.0)
    wrong = np.where(labels == 1, 0, labels)
    ones = np.ones((1, len(labels)))
    expected = f1_score(labels, wrong, average="macro", zero_division=0.0)
    np.testing.assert_allclose(_macro_f1(labels, wrong, ones), expected)


def test_macro_f1_of_a_draw_is_that_of_scikit_learn():
    """A class that is predicted, but not drawn, is a zero; one that is neither is left out."""
    chance = np.random.default_rng(0)
    labels, predicted = chance.integers(0, 6, (2, 12))
    weights = draw_texts(12)[:50]
    for row, found in zip(weights, _macro_f1(labels, predicted, weights), strict=True):
        drawn = np.repeat(np.arange(12), row.astype(int))
        expected = f1_score(labels[drawn], predicted[drawn], average="macro", zero_division=0.0)
        assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gain", "shown"),
    [(-10.12, "−10.12 lost"), (-20.4, "−20.40 lost"), (-0.117, "−.12 lost"), (-1.0, "−1.00 lost"),
     (0.999, "+1.00 learned"), (0.004, "+.00 unclear"), (-0.004, "+.00 unclear")],
)  # fmt: skip
def test_a_cell_of_the_overview_shows_all_digits(gain, shown):
    p = 0.01 if abs(gain) > 0.01 else 1.0
    assert forgetting.cell(change("language", gain, gain - 1, gain + 1, p)) == shown


@pytest.mark.slow
def test_intervals_hold_the_truth():
    """The mean of a gain of 0.05 nats over 100 texts, 300 times: 95 % intervals."""
    random, hits = np.random.default_rng(1), 0
    for _ in range(300):
        base = random.normal(2, 0.5, size=100)
        gains = random.normal(0.05, 0.2, size=100)
        some = [{**NO_GROUP, "losses/x": x} for x in (base, base - gains)]
        (one,) = compute("run", {0: tuple(some)}).changes
        hits += one.found.low <= 0.05 <= one.found.high
    assert 0.91 <= hits / 300 <= 0.985


def test_words_name_what_changed_and_why_there_is_no_language_model():
    reason = {"no_language_model": np.array("minilm has no head")}
    without = [{k: v for k, v in some.items() if not k.startswith("losses")} | reason
               for some in (BEFORE, AFTER)]  # fmt: skip
    (found,) = judge([compute("lora (r 4)", dict.fromkeys((0, 1), tuple(without)))]).results
    text = forgetting.words(found)
    assert text.startswith(
        "lora (r 4) (mean of 2 seeds). Of what it was trained for, it knows more: emotion test "
        "(probe 0."
    )
    assert text.endswith("p by Holm, and a verdict where p < .05.")
    assert "Corrected for all 2 claims together" in text
    assert "Of the rest, it knows less: newsroom headlines (pairs 0." in text
    assert "No language model was asked: minilm has no head" in text


def test_command_line_writes_picture_numbers_and_words(tmp_path, capsys):
    folder = write_run(tmp_path / "run")
    about = {"data": np.array("pairs/rte"), "data_name": np.array("rte")}
    for weights, loss, some in (
        ("pretrained", 3.0, {}),
        ("trained", 4.0, about),
        ("random", 9, about),
    ):
        path = Run(folder).arrays("source", "rte-test", weights)
        write_arrays(path, {"losses/rte": np.full(9, loss), **some})
    assert main(folder) == 0
    out = folder / "analysis"
    assert (out / "forgetting.png").read_bytes().startswith(b"\x89PNG")
    (numbers,) = json.loads((out / "forgetting.json").read_text(encoding="utf-8"))["runs"]
    assert numbers["run"] == "lora"
    by_group = {change["group"]: change for change in numbers["changes"]}
    assert (by_group["rte"]["verdict"], by_group["rte"]["p"]) == ("this run only", None)
    assert by_group["rte"]["gains"] == [by_group["rte"]["gain"]] == [-1.0]
    shown = capsys.readouterr().out
    assert numbers["words"] in shown
    assert "Of the rest, this run only, without a verdict: " in shown


def test_a_missing_dump_of_other_data_is_asked_for_by_what_was_typed(tmp_path, capsys):
    folder = write_run(tmp_path / "run")
    about = {"data": np.array("my pairs/rte"), "data_name": np.array("rte")}
    path = Run(folder).arrays("source", "rte-test", "random")
    write_arrays(path, {"losses/rte": np.full(9, 3.0), **about})
    refused_by(command_line.main, ["forgetting", str(folder)], capsys,
               "has no source/rte-test--pretrained.npz",
               "--dump source --data 'my pairs/rte' --split test --weights")  # fmt: skip


def test_strategies_side_by_side(tmp_path):
    """A row of one run only stays empty in the other's panel."""
    short = {k: v for k, v in BEFORE.items() if not k.startswith("losses")}
    results = [
        compute("full (lr 1)", dict.fromkeys((0, 1), (BEFORE, AFTER))),
        compute("lora (lr 1)", dict.fromkeys((0, 1), (short, short))),
    ]
    drawn = forgetting.figure(judge(results).results, "ner, wnut17")
    titles = [axes.get_title(loc="left") for axes in drawn.axes[:2]]
    assert titles == [f"{name}\n(lr 1)\nmean of 2 seeds (|)" for name in ("full", "lora")]
    texts = [[text.get_text().partition(":")[0] for text in axes.texts] for axes in drawn.axes]
    assert texts == [["learned", "lost"], ["kept", "kept"], ["lost"], []]


def test_bad_input_is_answered_in_words(tmp_path, capsys):
    one = {**AFTER, "grades/newsroom headlines": np.ones(100)}
    other = {**AFTER, "labels/emotion test": 1 - AFTER["labels/emotion test"]}
    odd = {**AFTER, "losses/x": np.ones(3)}
    none = {**AFTER, "losses/newsroom": np.full(3, np.nan)}
    few = {key: x[:4] if "emotion" in key else x for key, x in AFTER.items()}
    alike = {**AFTER, "labels/emotion test": np.zeros(200, dtype=int)}
    diverged = {
        key: {**AFTER, key: np.append(AFTER[key][:-1] + 0, [AFTER[key][-1] * np.inf], axis=0)}
        for key in ("states/emotion test", "cosines/newsroom headlines")
    } | {"losses/newsroom": {**AFTER, "losses/newsroom": np.full(51, np.nan)}}
    for folder, answer in (
        (tmp_path / "nowhere", "no run directory"),
        (write_run(tmp_path / "unfinished", result=None), "not finished"),
        (
            write_run(tmp_path / "bare", dumps=()),
            "--dump forgetting --split test --weights",
        ),
        (write_run(tmp_path / "half", dumps=(BEFORE,)), "has no forgetting/test.npz"),
        (write_run(tmp_path / "one", dumps=(one, one)), "same label"),
        (write_run(tmp_path / "none", dumps=(none, none)), "no text has a word piece"),
        (write_run(tmp_path / "other", dumps=(BEFORE, other)), "labels/emotion test is not that"),
        (write_run(tmp_path / "odd", dumps=(BEFORE, odd)), "losses/x"),
        (write_run(tmp_path / "few", dumps=(few, few)), "texts are too few for 5 folds"),
        (write_run(tmp_path / "alike", dumps=(alike, alike)), "a probe needs two classes"),
        *(
            (write_run(tmp_path / key, dumps=(BEFORE, nan)), f"seed 3: some of its {key} are no")
            for key, nan in diverged.items()
        ),
    ):
        assert main(folder) == 2
        assert answer in capsys.readouterr().err
    good = write_run(tmp_path / "good")
    assert main(good, good) == 2
    assert "--out" in capsys.readouterr().err
