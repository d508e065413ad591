"""Multi-task runs against runs of one task: paired by seed, with a verdict that needs evidence."""

from pathlib import Path

import pytest

from analysis.tables import Finished
from analysis.transfer import compute, words


def single(task, seed, score, strategy="lora", data="newsroom"):
    metric = {"ner": "f1", "classification": "f1_macro"}[task]
    result = {
        "task": task, "strategy": strategy, "seed": seed, "data_name": data, "metric": metric,
        "scores": {"validation": {metric: 0.0}, "test": {metric: score}},
    }  # fmt: skip
    return Finished(Path(f"{task}-{strategy}-{seed}"), result, "cpu")


def joint(seed, ner, classification, strategy="lora", data="newsroom"):
    scores = {"mean": 0.5, "classification/f1_macro": classification, "ner/f1": ner}
    result = {
        "task": "multitask", "strategy": strategy, "seed": seed, "data_name": data,
        "metric": "mean", "scores": {"validation": {}, "test": scores},
    }  # fmt: skip
    return Finished(Path(f"multi-{seed}"), result, "cpu")


def test_gains_are_paired_by_seed():
    alone = [single("ner", seed, score) for seed, score in enumerate((0.5, 0.6, 0.7))]
    together = [joint(seed, score, 0.1) for seed, score in enumerate((0.52, 0.63, 0.74))]
    (found,) = compute([*alone, *together])
    assert (found.task, found.metric, found.seeds) == ("ner", "f1", (0, 1, 2))
    assert found.gain == pytest.approx(0.03)
    assert found.error == pytest.approx(0.01 / 3**0.5)
    assert found.verdict == "positive transfer"
    assert "a gain of +0.030 ± 0.006 (standard error) over 3 seed(s): positive" in words([found])


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ((0.5, 0.6), "no clear transfer"),  # one up, one down
        ((0.4, 0.49), "negative transfer"),
    ],
)
def test_a_verdict_needs_more_than_two_standard_errors(scores, verdict):
    alone = [single("classification", 0, 0.55), single("classification", 1, 0.65)]
    alone[1] = single("classification", 1, 0.55 if verdict[0] == "n" and scores[0] == 0.5 else 0.65)
    found = compute([*alone, *(joint(i, 0.1, score) for i, score in enumerate(scores))])
    assert found[0].verdict == verdict


def test_one_seed_gives_no_verdict():
    (found,) = compute([single("ner", 0, 0.1), joint(0, 0.9, 0.1)])
    assert found.error is None
    assert found.verdict == "no clear transfer"


def test_only_equals_are_compared():
    runs = [
        single("ner", 0, 0.1, strategy="full"),
        single("ner", 1, 0.1),
        single("ner", 0, 0.1, data="other"),
        joint(0, 0.5, 0.5),
    ]
    with pytest.raises(ValueError, match="no member of the multi-task runs has a run alone"):
        compute(runs)
    (found,) = compute([*runs, single("classification", 0, 0.4)])
    assert (found.task, found.gain) == ("classification", pytest.approx(0.1))


def test_members_may_have_data_of_their_own():
    runs = [single("ner", 0, 0.4, data="wnut17"), joint(0, 0.5, 0.5, data="emotion+wnut17")]
    (found,) = compute(runs)
    assert found.task == "ner"


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="no run of --task multitask"):
        compute([single("ner", 0, 0.1)])
    with pytest.raises(ValueError, match="two runs of lora on ner with seed 0"):
        compute([single("ner", 0, 0.1), single("ner", 0, 0.2), joint(0, 0.5, 0.5)])
