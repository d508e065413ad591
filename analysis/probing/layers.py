"""What a probe finds in a layer, and all layers of all models at once on several processors."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from analysis.probing import probe
from analysis.states import Shown
from tl.bars import bar

STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # values of C, of which held-out examples choose one
WORTH_THREADS = 2000  # rows


@dataclass(frozen=True)
class Parts:
    """How rows are cut: no example has rows in two parts. [n] of bool each."""

    train: np.ndarray
    held_out: np.ndarray  # of train: those that choose C

    @property
    def test(self) -> np.ndarray:
        return ~self.train


@dataclass(frozen=True)
class Question:
    """What a probe is asked of the rows, the same in every layer of every model."""

    labels: np.ndarray  # [n]
    n_classes: int
    parts: Parts
    control: np.ndarray | None  # [n] labels of the control task, for words
    order: np.ndarray  # of the rows in the online code


@dataclass(frozen=True)
class Layer:
    """What a probe finds in one layer."""

    hits: np.ndarray  # [n_test] of bool: which labels are right
    f1: float  # the mean over the classes that are tested, a rare one as much as any other
    strength: float
    control: float | None
    compression: float


def probe_layer(states: np.ndarray, asked: Question) -> Layer:
    """Fit and test the probe of one layer, [n, d], its control task and its code."""
    h, y, n_classes = probe.standardise(states, asked.parts.train), asked.labels, asked.n_classes
    train, test, held_out = asked.parts.train, asked.parts.test, asked.parts.held_out
    C = probe.choose_strength(h[train], y[train], held_out[train], n_classes, STRENGTHS)
    predicted = probe.fit(h[train], y[train], n_classes, C).predict(h[test])
    control_score = None
    if asked.control is not None:
        remembered = probe.fit(h[train], asked.control[train], n_classes, C)
        control_score = remembered.accuracy(h[test], asked.control[test])
    bits = probe.online_bits(h, y, n_classes, C, asked.order)
    return Layer(
        predicted == y[test], macro_f1(y[test], predicted), C, control_score,
        probe.compression(bits, len(asked.order), n_classes),
    )  # fmt: skip


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The mean of F1 over the classes that occur in `labels` or `predicted`, as in tl.metrics."""
    return float(f1_score(labels, predicted, average="macro", zero_division=0))


def alone(states: np.ndarray, asked: Question) -> Layer:
    """`probe_layer` on one thread: its sums have one order, and so one result."""
    torch.set_num_threads(1)  # holds for the thread that says it
    return probe_layer(states, asked)


def probe_layers(
    asked: Question, shown: Shown, title: str, n_workers: int
) -> dict[str, list[list[Layer]]]:
    """Probe every layer of every seed of every model; the number of workers changes nothing.

    Layers that are the same, as frozen ones before and after adaptation, are probed once.

    Returns:
        for each model a list of its seeds, of which each is a list of layers.
    """
    layers = {
        (name, seed, i): states[:, i]
        for name, seeds in shown.items()
        for seed, states in enumerate(seeds)
        for i in range(states.shape[1])
    }
    keys = {place: hashlib.sha256(h.tobytes()).digest() for place, h in layers.items()}
    once = {keys[place]: h for place, h in layers.items()}
    jobs = (delayed(alone)(h, asked) for h in once.values())
    # Threads: the products let go of the interpreter, and processes would each import torch first.
    # Of few rows they are so short that threads would only wait for each other.
    n_threads = n_workers if len(asked.labels) >= WORTH_THREADS else 1
    at_once = Parallel(n_threads, prefer="threads", return_as="generator")
    with threadpool_limits(1):  # numpy's, of all threads
        answers = bar(at_once(jobs), title, len(once))
        found = dict(zip(once, answers, strict=True))
    return {
        name: [[found[keys[name, seed, i]] for i in range(states.shape[1])]
               for seed, states in enumerate(seeds)]
        for name, seeds in shown.items()
    }  # fmt: skip
