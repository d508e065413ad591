"""Dumps of what a model knows of groups of texts, made by hand, and runs that hold them."""

import made_runs
import numpy as np

RESULT = {
    "task": "classification",
    "data_name": "emotion",
    "strategy": "lora",
    "seed": 3,
    "scores": {"validation": {}, "test": {}},
    "command": "python train.py --task classification --strategy lora --strategy.r 4 --seed 3",
}


def arrays(shift, noise, loss, seed=0):
    """Own texts that can be read as far as `shift`, pairs as well as `noise` lets them be."""
    random = np.random.default_rng(0)
    labels = random.integers(2, size=200)
    states = random.normal(size=(200, 8))
    states[:, 0] += shift * (2 * labels - 1)
    grades = np.arange(100) % 2.0
    cosines = grades + noise * np.random.default_rng(seed).normal(size=100)
    losses = np.append(loss + 0.1 * random.normal(size=50), np.nan)  # the last has no gap
    return {
        "own": np.array(["emotion test"]),
        "domain": np.array("emotion"),
        "states/emotion test": states.astype(np.float16),
        "labels/emotion test": labels,
        "items/emotion test": np.arange(200),
        "cosines/newsroom headlines": cosines.astype(np.float32),
        "grades/newsroom headlines": grades,
        "losses/newsroom": losses,
    }


BEFORE, AFTER = arrays(0.6, 0.5, 2.0), arrays(1.5, 3.0, 2.5, seed=1)


def write_run(folder, result=RESULT, dumps=(BEFORE, AFTER)):
    return made_runs.write_run(folder, result, "forgetting", dumps)
