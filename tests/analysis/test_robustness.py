"""Robustness: known answers, intervals over source texts, files and words."""

import json

import numpy as np
import pytest
from drawn import texts_outside
from rewritten import AFTER, BEFORE, LABELS, arrays, logits_of, tagged_arrays, write_run

from analysis import __main__ as command_line
from analysis.robustness import command as robustness
from analysis.robustness import figure
from analysis.robustness.counts import Sentence, Tally, of_entities, of_labels, spans
from analysis.robustness.dump import count
from analysis.robustness.results import compare, compute
from analysis.seeds import draw_texts
from tl.metrics import entity_scores
from tl.rewriting.filters import choose
from tl.rewriting.rules import RuleRewriter


def test_known_answers_of_five_texts():
    """R1."""
    found = compute("some", {0: count(arrays(LABELS, BEFORE, AFTER))})
    assert found.before.value == pytest.approx(0.8)
    assert found.success.value == pytest.approx(0.5)
    assert found.worst.value == pytest.approx(0.4)
    assert found.after.value == pytest.approx(0.6)
    assert found.same.value == pytest.approx(2 / 3)
    assert found.drop.value == pytest.approx(0.2)
    moved = np.exp(2) / (1 + np.exp(2)) - 1 / (1 + np.exp(2))  # of 5 answers that changed
    assert found.shift.value == pytest.approx(moved * 5 / 15)
    assert (found.n_texts, found.n_rewrites, found.n_missing, found.n_without) == (5, 15, 0, 0)
    assert found.rejected == {"near-duplicate": 4, "numbers": 1}


def test_texts_without_a_rewrite_count_in_no_score():
    found = compute("some", {0: count(arrays([*LABELS, 1], [*BEFORE, 0], [*AFTER, []]))})
    assert found.before.value == pytest.approx(0.8)
    assert (found.n_without, found.n_missing) == (1, 3)


def test_the_worst_case_is_what_the_attack_leaves():
    rng = np.random.default_rng(0)
    labels, before = rng.integers(2, size=(2, 50))
    after = rng.integers(2, size=(50, 3)).tolist()
    found = compute("x", {0: count(arrays(labels, before, after))})
    left = found.before.value * (1 - found.success.value)
    assert found.worst.value == pytest.approx(left)


def test_kinds_stand_beside_their_own_sources():
    kinds = ["typo", "case", "case"] * 5
    found = compute("some", {0: count(arrays(LABELS, BEFORE, AFTER, kinds))})
    typo, case = found.kinds["typo"], found.kinds["case"]
    assert (typo.n, case.n) == (5, 10)
    assert typo.after.value == pytest.approx(3 / 5)
    assert case.after.value == pytest.approx(6 / 10)
    assert typo.before.value == case.before.value == pytest.approx(0.8)
    assert list(found.kinds) == sorted(found.kinds, key=lambda k: -found.kinds[k].drop.value)


def test_a_model_that_sees_one_word_is_broken_by_the_rewrites_that_touch_it():
    """R5: the attack succeeds as often as some rewrite loses the word, counted by hand."""
    fillers = "we walked along a river and talked about films until evening came".split()
    texts = [" ".join([*fillers[i:], "wonderful", *fillers[:i]]) for i in range(12)]
    rewrites, source = [], []
    for i, text in enumerate(texts):
        for one in choose(text, RuleRewriter().rewrite(text, 16, 0), 4).rewrites:
            rewrites.append(one.text)
            source.append(i)
    answers = [int("wonderful" in text) for text in rewrites]
    touched = {s for s, text in zip(source, rewrites, strict=True) if "wonderful" not in text}
    assert 0 < len(touched) < 12
    counts = of_labels(
        np.ones(12, dtype=int), logits_of(np.ones(12, dtype=int)), logits_of(answers),
        np.array(source), np.array(["any"] * len(source)),
    )  # fmt: skip
    assert counts.success.value == pytest.approx(len(touched) / 12)


def test_intervals_are_over_texts_and_not_over_their_rewrites():
    """Rewrites that fail together are no more evidence than one."""
    rng = np.random.default_rng(1)  # not the stream of the draws
    right = rng.random(400) < 0.7
    one, many = Tally(right * 1.0, np.ones(400)), Tally(right * 5.0, np.full(400, 5.0))
    draws = draw_texts(400)
    np.testing.assert_allclose(one.replicates(draws), many.replicates(draws))
    expected = right.std() / np.sqrt(400)
    assert one.replicates(draws).std() == pytest.approx(expected, rel=0.1)


def test_a_run_loses_nothing_against_itself_and_more_than_a_steadier_one():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=300)
    steady = np.repeat(labels, 3).reshape(300, 3)
    shaky = np.where(rng.random((300, 3)) < 0.2, 1 - steady, steady)
    dumps = {
        name: {0: count(arrays(labels, labels, after.tolist()))}
        for name, after in (("steady", steady), ("shaky", shaky), ("shaky too", shaky))
    }
    first, second = compare(dumps, "steady")
    assert (first.against, second.against) == ("steady", "steady")
    assert 0.1 < first.drop.low < first.drop.value < first.drop.high < 0.3
    assert first.clear
    (itself,) = compare({name: dumps[name] for name in ("shaky", "shaky too")}, "shaky")
    assert (itself.drop.value, itself.drop.low, itself.drop.high) == (0, 0, 0)
    assert not itself.clear
    (steadier,) = compare({name: dumps[name] for name in ("shaky", "steady")}, "shaky")
    assert steadier.clear
    assert "Rewrites cost steady +" in robustness.difference(steadier)
    assert "less than shaky: a difference beyond chance (of these two trainings" in (
        robustness.difference(steadier)
    )


def test_equal_models_seldom_differ_beyond_chance_however_many_there_are():
    """Seven that break at random: 60 comparisons of six with one, each of 200 texts."""
    chance, wrong = np.random.default_rng(0), 0
    for _ in range(60):
        counts = [np.where(chance.random((200, 3)) < 0.1, 0, 1).tolist() for _ in range(7)]
        dumps = {str(i): {0: count(arrays([1] * 200, [1] * 200, c))} for i, c in enumerate(counts)}
        wrong += any(one.clear for one in compare(dumps, "0"))
    assert wrong <= 6  # 3 are expected; each by its own interval, 10


def test_a_kind_with_few_texts_is_not_judged():
    """One rewrite that fails is no harm beyond chance, though all draws that have it agree."""
    labels, kinds = [0, 1] * 20, ["typo"] + ["case"] * 39
    after = [[1]] + [[label] for label in labels[1:]]
    found = compute("lora", {0: count(arrays(labels, labels, after, kinds))})
    assert found.kinds["typo"].harmful is None
    assert found.kinds["case"].harmful is False
    text = robustness.words(found)
    assert "Of 1 kinds judged at once, harm beyond chance is done by no kind." in text
    assert "Too few texts to judge: typo (1)." in text


TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def test_f1_over_entities_is_that_of_seqeval():
    rng = np.random.default_rng(0)
    gold, predicted = (
        [[TAGS[i] for i in rng.integers(5, size=8)] for _ in range(60)] for _ in "12"
    )
    pairs = [
        Sentence(("w",) * 8, tuple(g), tuple(p), (1.0,) * 8).overlap()
        for g, p in zip(gold, predicted, strict=True)
    ]
    hits, every = np.sum(pairs, axis=0)
    assert hits / every == pytest.approx(entity_scores(gold, predicted)["f1"])


def test_spans_begin_with_b():
    tags = "I-PER B-PER I-PER I-LOC B-LOC B-LOC O I-LOC".split()
    assert spans(tags) == [(1, 3, "PER"), (4, 5, "LOC"), (5, 6, "LOC")]


def test_entities_of_two_sentences_counted_by_hand():
    dump = count(tagged_arrays())
    found = compute("some", {0: dump})
    assert found.before.value == pytest.approx(2 * 2 / (3 + 2))
    # The first sentence has two rewrites, and counts once as the second does.
    assert found.after.value == pytest.approx(2 * ((1 + 2) / 2 + 0) / ((3 + 5) / 2 + 1))
    assert found.worst.value == pytest.approx(1 / 3)  # Anna, of Anna, Oslo and Boris
    assert found.success.value == pytest.approx(1 / 2)  # Oslo, of Anna and Oslo
    assert found.same.value == pytest.approx(2 * (1 + 2) / (2 + 1 + 2 + 3))
    assert found.shift.value == pytest.approx(1 / 5, abs=1e-3)  # Oslo, once, of 5 entities
    (failure,) = dump.failures
    assert (failure.right, failure.answer, failure.kind) == ("Oslo LOC", "Anna PER", "discourse")
    assert found.kinds["typo"].after.value == pytest.approx(2 * 2 / (3 + 3))


def test_words_that_were_cut_off_are_predicted_o():
    cut = tagged_arrays()
    keep = ~((cut["ids"] == "0") & (cut["words"] == 2))  # Oslo is beyond the limit
    for name in ("ids", "words", "labels", "logits"):
        cut[name] = cut[name][keep]
    assert compute("some", {0: count(cut)}).before.value == pytest.approx(2 * 1 / (3 + 1))


@pytest.mark.parametrize("seed", range(5))
def test_whoever_answers_each_rewrite_as_its_source_loses_nothing(seed):
    """F8: not on average, in no draw, of no kind, and against no other run."""
    rng = np.random.default_rng(seed)
    labels, answers = rng.integers(2, size=(2, 60))
    numbers = rng.integers(0, 5, size=60)
    kinds = rng.choice(["typo", "case", "swap"], size=numbers.sum()).tolist()
    made = [
        arrays(labels, some, [[a] * k for a, k in zip(some, numbers, strict=True)], kinds)
        for some in (answers, 1 - answers, labels)
    ]
    dumps = {str(i): {0: count(one), 1: count(one)} for i, one in enumerate(made)}
    for name, by_seed in dumps.items():
        check_nothing_is_lost(compute(name, by_seed))
    for found in compare(dumps, "0"):
        assert (found.drop.value, found.drop.low, found.drop.high, found.clear) == (0, 0, 0, False)
    has = numbers > 0
    assert compute("0", dumps["0"]).before.value == np.mean((answers == labels)[has])


def check_nothing_is_lost(found):
    for one in (found, *found.kinds.values()):
        assert (one.drop.value, one.drop.low, one.drop.high) == (0, 0, 0)
        assert one.before == one.after
        assert one.same.value == 1
    assert found.success.value == 0
    assert "a change of +0.0 points (95% interval +0.0 to +0.0)" in robustness.words(found)
    assert "that to its source in 100.0%" in robustness.words(found) or found.item != "texts"


@pytest.mark.parametrize("seed", range(5))
def test_whoever_tags_each_rewrite_as_its_source_loses_nothing(seed):
    """F8."""
    rng = np.random.default_rng(seed)
    gold, said = ([[TAGS[i] for i in rng.integers(5, size=6)] for _ in range(30)] for _ in "12")
    pairs = zip(gold, said, strict=True)
    old = [Sentence(tuple("abcdef"), *map(tuple, both), (0.5,) * 6) for both in pairs]
    source = rng.permutation(np.repeat(np.arange(30), rng.integers(0, 5, size=30)))
    kinds = rng.choice(["typo", "case"], size=len(source))
    counts = of_entities(old, [old[s] for s in source], source, kinds)
    draws = draw_texts(30)
    for one in (counts, *counts.kinds.values()):
        assert one.before.value == one.after.value
        np.testing.assert_array_equal(one.before.replicates(draws), one.after.replicates(draws))
        assert one.same.value == 1


def test_failures_are_right_answers_that_turned_wrong():
    found = count(arrays(LABELS, BEFORE, AFTER)).failures
    assert {(f.text, f.right, f.answer) for f in found} == {
        ("text 1", "good", "bad"), ("text 4", "bad", "good")
    }  # fmt: skip
    assert all(f.drop > 0.5 for f in found)


def test_words_say_what_the_numbers_say():
    text = robustness.words(compute("lora", {0: count(arrays(LABELS, BEFORE, AFTER))}))
    for part in (
        "lora: accuracy is 80.0% on 5 texts and 60.0% on their 15 rewrites by rules",
        "a change of -20.0 points", "40.0% of the texts are right in every form",
        "some rewrite breaks 50.0%", "in 66.7% of cases", "moves by 0.254",
        "Too few texts to judge: typo (15).",
        "refused 5 proposals (near-duplicate 4, numbers 1); 0 of 15 rewrites are missing",
    ):  # fmt: skip
        assert part in text


def test_words_name_the_kinds_that_do_harm_beyond_chance():
    labels = [0, 1] * 40
    after = [[1 - label, label] for label in labels]
    found = compute("lora", {0: count(arrays(labels, labels, after, ["typo", "case"] * 80))})
    assert "Of 2 kinds judged at once, harm beyond chance is done by typo, -100.0 points" in (
        robustness.words(found)
    )


def main(*words):
    return command_line.main(["robustness", *map(str, words)])


@pytest.mark.parametrize("dump", [arrays(LABELS, BEFORE, AFTER), tagged_arrays()])
def test_command_line_writes_picture_numbers_and_words(dump, tmp_path, capsys):
    folder = write_run(tmp_path / "run", dump)
    assert main(folder) == 0
    printed = capsys.readouterr().out
    assert (folder / "analysis" / "robustness.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((folder / "analysis" / "robustness.json").read_text(encoding="utf-8"))
    assert numbers["words"] in printed
    assert numbers["runs"][0]["before"]["value"] == pytest.approx(0.8)
    assert numbers["runs"][0]["failures"][0]["rewrite"] in printed


def test_several_runs_are_compared_and_drawn_side_by_side(tmp_path, capsys):
    one = write_run(tmp_path / "one", arrays(LABELS, BEFORE, AFTER))
    same = [[answer] * 3 for answer in BEFORE]
    other = write_run(tmp_path / "other", arrays(LABELS, BEFORE, same), "full")
    assert main(one, other, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "Rewrites cost lora +20.0 points (95% interval " in printed
    assert main(one, other, "--out", tmp_path / "out", "--against", "lora") == 0
    assert "Rewrites cost full +20.0 points (95% interval " in capsys.readouterr().out
    numbers = json.loads((tmp_path / "out" / "robustness.json").read_text(encoding="utf-8"))
    assert [run["label"] for run in numbers["runs"]] == ["lora", "full"]


def test_all_and_nothing_are_told_apart():
    assert [figure.short(x) for x in (1.0, 0.0, 0.8004)] == ["1.000", ".000", ".800"]
    assert [figure.short(x, "+") for x in (-0.0004, -1.0, 0.12)] == [".000", "−1.000", "+.120"]


def test_figure_has_a_row_for_every_kind_and_a_panel_for_every_run():
    kinds = ["typo", "case", "case"] * 5
    found = compute("some", {0: count(arrays(LABELS, BEFORE, AFTER, kinds))})
    panels = robustness.figure([found, found], "title").axes
    assert len(panels) == 2
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    rows = [f"{kind} ({found.kinds[kind].n})" for kind in found.kinds]
    assert names == ["as they are", "all rewrites", "texts right in all forms", *rows]
    shown = [text.get_text() for text in panels[0].texts]
    assert shown[:3] == [".800", ".600 (−.200)", ".400"]


def test_no_interval_is_cut_whatever_its_number_of_texts():
    """Two texts of a kind have an interval that is wider than all others."""
    random = np.random.default_rng(0)
    labels, before = np.ones(60, dtype=int), (random.random(60) < 0.8).astype(int)
    before[:2] = 1, 0
    kinds = ["number"] * 6 + ["typo"] * 174
    found = compute("some", {0: count(arrays(labels, before, [[b] * 3 for b in before], kinds))})
    rare = found.kinds["number"].after
    drawn = robustness.figure([found], "a title by some rewriter with a name " + "x" * 70)
    (axes,) = drawn.axes
    low, high = axes.get_xlim()
    assert low < rare.low < found.after.low
    assert rare.high < high
    assert texts_outside(drawn) == []


@pytest.mark.parametrize("right", [0, 1])
def test_scores_that_are_all_equal_have_an_axis_to_be_read(right):
    labels = np.ones(40, dtype=int)
    before = np.full(40, right)
    found = compute("some", {0: count(arrays(labels, before, [[b] * 3 for b in before]))})
    drawn = figure.figure([found], "title")
    (axes,) = drawn.axes
    low, high = axes.get_xlim()
    assert low < right < high
    assert high - low > figure.NARROWEST
    assert len(axes.get_xticks()) > 1


@pytest.mark.parametrize("n_panels", [1, 3])
def test_a_long_name_of_a_rewriter_stays_within_the_figure(n_panels):
    """F11: directories of models have long names, without a space to break them at."""
    found = compute("some", {0: count(arrays(LABELS, BEFORE, AFTER))})
    by = "seq2seq:/home/student/models/" + "paraphraser_" * 16
    drawn = figure.figure([found] * n_panels, f"classification, data: rewrites by {by}")
    drawn.draw_without_rendering()
    title = drawn._suptitle
    box, page = title.get_window_extent(), drawn.bbox
    assert "".join(title.get_text().split()).endswith("".join(by.split()))
    assert page.x0 <= box.x0 < box.x1 <= page.x1
    assert box.y1 <= page.y1
    assert all(axes.title.get_window_extent().y1 <= box.y0 for axes in drawn.axes)


def test_bad_input_is_answered_in_words(tmp_path, capsys):
    good = write_run(tmp_path / "good", arrays(LABELS, BEFORE, AFTER))
    other = write_run(tmp_path / "other", arrays(LABELS[:4], BEFORE[:4], AFTER[:4]), "full")
    broken = arrays(LABELS, BEFORE, AFTER)
    broken["rewritten_logits"][0, 0] = np.nan
    none = arrays(LABELS, BEFORE, [[]] * 5)
    others = arrays(LABELS, BEFORE, AFTER) | {"rewritten_texts": ["another"] * 15}
    reworded = write_run(tmp_path / "reworded", others, "full")
    unfinished = write_run(tmp_path / "unfinished", broken)
    (unfinished / "result.json").unlink()
    cases = (
        ([tmp_path / "nowhere"], "no run directory"),
        ([unfinished], "not finished"),
        ([write_run(tmp_path / "none", none)], "5 texts and no rewrite of them"),
        ([write_run(tmp_path / "bare", None)], "--split test --dump rewrites"),
        ([good, "--split", "validation"], "--split validation --dump rewrites"),
        ([write_run(tmp_path / "nan", broken)], "rewritten_logits are no numbers"),
        ([write_run(tmp_path / "sum", None, task="summarization")], "not summarization"),
        ([good, other], "--out"),
        ([good, other, "--out", tmp_path], "full saw other texts or other rewrites than lora"),
        ([good, reworded, "--out", tmp_path], "full saw other texts or other rewrites than lora"),
        ([good, good, "--out", tmp_path], "both called 'lora'"),
        ([good, "--against", "full"], "a comparison takes two"),
    )
    for words, answer in cases:
        assert main(*words) == 2
        assert answer in capsys.readouterr().err
