"""Dumps of rewrites, made by hand: what a model is said to have answered."""

import json

import numpy as np

LABELS, BEFORE = [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]
AFTER = [[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1]]


def logits_of(classes):
    """Logits [n, 2] of answers."""
    return 2 * np.eye(2, dtype=np.float32)[np.asarray(classes, dtype=int)]


def arrays(labels, before, after, kinds=None):
    """A dump of one label per text, from the answers before and after; `after` is [n][k]."""
    source = np.repeat(np.arange(len(labels)), [len(row) for row in after])
    flat = [answer for row in after for answer in row]
    return {
        "labels": np.array(labels),
        "logits": logits_of(before),
        "rewritten_logits": logits_of(flat),
        "source": source,
        "kinds": np.array(kinds or ["typo"] * len(flat)),
        "unseen": np.zeros(len(flat), dtype=bool),
        "label_names": np.array(["bad", "good"]),
        "texts": [f"text {i}" for i in range(len(labels))],
        "rewritten_texts": [f"rewrite {i} of {s}" for i, s in enumerate(source)],
        "reasons": np.array(["numbers", "near-duplicate"]),
        "rejected": np.array([1, 4]),
        "k": np.array(3),
        "by": np.array("rules"),
    }


def tagged_arrays():
    """Two sentences, two rewrites of the first and one of the second."""
    texts = ["Anna saw Oslo", "Boris left"]
    rewritten = ["so Anna saw Oslo", "Anna sww Oslo", "Boris lfet"]
    gold = [["B-PER", "O", "B-LOC"], ["B-PER", "O"]]
    new_gold = [["O", *gold[0]], gold[0], gold[1]]
    said = [["B-PER", "O", "B-LOC"], ["O", "O"]]
    new_said = [["O", "B-PER", "O", "O"], ["B-PER", "B-LOC", "B-LOC"], ["O", "O"]]
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    found = {"label_names": np.array(names)}
    for front, some, tags, answers in (
        ("", texts, gold, said), ("rewritten_", rewritten, new_gold, new_said),
    ):  # fmt: skip
        lengths = [len(row) for row in tags]
        ids = np.array([str(i) for i in range(len(some))])
        found |= {
            f"{front}texts": some,
            f"{front}gold": tags,
            f"{front}example_ids": ids,
            f"{front}ids": np.repeat(ids, lengths),
            f"{front}words": np.concatenate([np.arange(n) for n in lengths]),
            f"{front}labels": np.array([names.index(t) for row in tags for t in row]),
            f"{front}logits": 9 * np.eye(5)[[names.index(t) for row in answers for t in row]],
        }
    return found | {
        "source": np.array([0, 0, 1]), "kinds": np.array(["discourse", "typo", "typo"]),
        "unseen": np.zeros(3, dtype=bool), "reasons": np.array(["entities"]),
        "rejected": np.array([2]), "k": np.array(2), "by": np.array("rules"),
    }  # fmt: skip


def write_run(folder, dump, strategy="lora", task="classification", seed=0):
    """A finished run with a dump of rewrites."""
    result = {"task": task, "strategy": strategy, "seed": seed, "data_name": "made up",
              "scores": {"test": {}},
              "command": f"python train.py --task {task} --strategy {strategy}"}  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "result.json").write_text(json.dumps(result))
    if dump is not None:
        lists = ("texts", "rewritten_texts", "gold", "rewritten_gold")
        packed = {n: np.array(json.dumps(v).encode()) if n in lists else v for n, v in dump.items()}
        (folder / "rewrites").mkdir()
        np.savez(folder / "rewrites" / "test.npz", **packed)
    return folder
