"""Run directories with made-up states, as `train.py` and `eval.py --dump` would leave them."""

import json

import numpy as np

from tl.runs import Run, write_arrays

N, LAYERS, D = 150, 3, 8


def made_run(folder, task="classification", strategy="lora", seed=0):
    """A finished run without dumps."""
    folder.mkdir(parents=True)
    result = {
        "task": task, "data_name": "reviews", "strategy": strategy, "seed": seed,
        "command": f"python train.py --task {task} --strategy {strategy}",
        "scores": {"validation": {}, "test": {}},
    }  # fmt: skip
    (folder / "config.json").write_text("{}")
    (folder / "result.json").write_text(json.dumps(result))
    return Run(folder)


def write_run(folder, result, kind, dumps):
    """A run with a dump before and, where there is one more, after; unfinished if result is None.

    Args:
        folder: of the run.
        result: what it found.
        kind: of dump.
        dumps: arrays of the pretrained and of the trained weights.
    """
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "env.json").write_text(json.dumps({"device": "cpu"}))
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result))
    for weights, made in zip(("pretrained", "trained"), dumps, strict=False):
        write_arrays(Run(folder).arrays(kind, "test", weights), made)
    return folder


def made_texts(folder, seed=0, moved=True, **run):
    """A run with states of texts: after adaptation the last layer has the label, and nothing else.

    Before, and in the random model, states are noise; where nothing `moved`, after it too.
    """
    found = made_run(folder, seed=seed, **run)
    labels = np.arange(N) % 2
    ids = np.array([f"text-{i}" for i in range(N)])
    names = np.array(["bad", "good"])
    write_arrays(
        found.arrays("predictions", "test"),
        {"ids": ids, "labels": labels, "logits": np.zeros((N, 2)), "label_names": names},
    )
    pretrained, random = (
        np.random.default_rng(s).normal(size=(N, LAYERS, D)).astype(np.float16) for s in (10, 11)
    )
    after = pretrained.copy()
    if moved:
        after[:, -1, seed % D] += (6 * labels).astype(np.float16)
    for weights, states in (("trained", after), ("pretrained", pretrained), ("random", random)):
        write_arrays(
            found.arrays("hidden", "test", weights), {"ids": ids, "mean": states, "first": states}
        )
    return found


def made_others(found, column="topic", split="test", n=90, name="news", **about):
    """Add states of texts of other data to a run: those of all weights have the label."""
    labels = np.arange(n) % 3
    for offset, weights in enumerate(("trained", "pretrained", "random")):
        states = np.random.default_rng(30 + offset).normal(size=(n, LAYERS, D))
        states[..., :3] += 5 * np.eye(3)[labels][:, None]
        half = states.astype(np.float16)
        write_arrays(
            found.arrays("texts", f"{name}-{split}", weights),
            {"ids": np.arange(n).astype(str), "mean": half, "first": half,
             "labels": np.array(["Business", "Sports", "World"])[labels],
             "column": np.array(column), **about},
        )  # fmt: skip
    return found


def made_words(found, entity=False):
    """Add states of words to a run: 40 sentences of 5 words, whose form says what they are."""
    ids = np.repeat([f"sentence-{i}" for i in range(40)], 5)
    generator = np.random.default_rng(3)
    kind = generator.integers(0, 4, 200)
    forms = np.array(["Rome", "sings", "the", "well"])[kind]
    known = {"entity": np.array(["LOC", "O", "O", "O"])[kind]}
    if not entity:
        known = {
            "upos": np.array(["PROPN", "VERB", "DET", "ADV"])[kind],
            "depth": (kind * 3).astype(str),
        }
    for offset, weights in enumerate(("trained", "pretrained", "random")):
        noise = np.random.default_rng(20 + offset).normal(size=(200, LAYERS, D))
        if weights != "random":
            noise[..., :4] += 5 * np.eye(4)[kind][:, None]
        states = noise.astype(np.float16)
        name = "towns-test" if entity else "trees-test"
        write_arrays(
            found.arrays("words", name, weights),
            {"ids": ids, "words": np.tile(np.arange(5), 40), "forms": forms, **known,
             "word_states": states},
        )  # fmt: skip
    return found
