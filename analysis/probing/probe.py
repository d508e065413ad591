"""A linear probe, and what must stand beside its score: a control task and a code length.

What a probe finds may be the probe's own doing. Two measures tell: how much worse it does on labels
that only memory can know (Hewitt & Liang, arXiv 1909.03368), and how few bits the labels take given
the states, a longer code for what is learned late (Voita & Titov, 2003.12298).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

# The portions of online coding, as shares of the data (2003.12298, §3.2; its first is 0.1%).
PORTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
MAX_STEPS = 1000


@dataclass(frozen=True)
class Probe:
    """A multinomial logistic regression: log p(y | h) = log softmax(Wh + b).

    W: [c, d]   b: [c]
    """

    W: np.ndarray
    b: np.ndarray

    def log_probabilities(self, states: np.ndarray) -> np.ndarray:
        """[n, d] -> [n, c]."""
        logits = states @ self.W.T + self.b
        logits = logits - logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def predict(self, states: np.ndarray) -> np.ndarray:
        """The likeliest class, [n, d] -> [n]."""
        return (states @ self.W.T + self.b).argmax(axis=1)

    def accuracy(self, states: np.ndarray, labels: np.ndarray) -> float:
        return float(np.mean(self.predict(states) == labels))


def fit(
    states: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    C: float,
    bias_penalty: float = 1.0,
    start: Probe | None = None,
) -> Probe:
    """The minimum of Σ −log p(yᵢ | hᵢ) + (‖W‖² + bias_penalty·‖b‖²) / 2C, by L-BFGS in float64.

    It is convex: the start changes nothing but the time. C is that of scikit-learn.

    Args:
        states: [n, d].
        labels: [n], of 0 … n_classes − 1; a class may be missing.
        n_classes: how many there are.
        C: the inverse strength of the penalty.
        bias_penalty: that of the bias beside that of the weights. With 0, as in scikit-learn, a
            class that is missing gets a probability of 0, and one that is rare takes many steps.
        start: a probe that is near the answer, as one of another C.
    """
    h, y = torch.from_numpy(states).double(), torch.from_numpy(labels).long()
    if start is None:
        start = Probe(np.zeros((n_classes, h.shape[1])), np.zeros(n_classes))
    W, b = (torch.tensor(array, requires_grad=True) for array in (start.W, start.b))
    solver = torch.optim.LBFGS(
        [W, b], lr=1.0, max_iter=MAX_STEPS, max_eval=2 * MAX_STEPS, tolerance_grad=1e-6,
        tolerance_change=1e-10, history_size=10, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        solver.zero_grad()
        penalty = (W.square().sum() + bias_penalty * b.square().sum()) / (2 * C)
        # A mean over rows: the tolerances then say the same for every size of the data.
        objective = torch.nn.functional.cross_entropy(h @ W.T + b, y) + penalty / len(h)
        objective.backward()
        return objective

    solver.step(closure)
    return Probe(W.detach().numpy(), b.detach().numpy())


def standardise(states: np.ndarray, train: np.ndarray) -> np.ndarray:
    """States with mean 0 and variance 1 over the training part, in each dimension.

    Args:
        states: [n, d], of any precision.
        train: which rows are the training part, [n] of bool; the others change nothing.
    """
    wide = states.astype(np.float64)
    mean, scale = wide[train].mean(axis=0), wide[train].std(axis=0)
    return (wide - mean) / np.where(scale > 0, scale, 1.0)


def choose_strength(
    states: np.ndarray, labels: np.ndarray, held_out: np.ndarray, n_classes: int, grid: tuple
) -> float:
    """The C whose probe has the best likelihood on what is held out, from the lowest upwards.

    Beyond the best one the probe learns its data by heart, and only takes longer: the search ends.

    Args:
        states: of the training part, [n, d].
        labels: [n].
        held_out: which rows choose, [n] of bool; the others are fitted.
        n_classes: see `fit`.
        grid: values of C, rising.
    """
    chosen, least, learned = grid[0], np.inf, None
    for C in grid:
        learned = fit(states[~held_out], labels[~held_out], n_classes, C, start=learned)
        rows = learned.log_probabilities(states[held_out])
        loss = -rows[np.arange(len(rows)), labels[held_out]].sum()
        if loss >= least:
            break
        chosen, least = C, loss
    return chosen


def control_labels(
    types: np.ndarray, labels: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """A label for each type of word, drawn from the distribution of the real ones (1909.03368, §2).

    All words of a type share it, so it can be known by remembering types, and in no other way.

    Args:
        types: of each word, [n].
        labels: the real ones, [n].
        generator: where chance comes from.
    """
    kinds, place = np.unique(types, return_inverse=True)
    return generator.choice(labels, size=len(kinds))[place]


def online_bits(
    states: np.ndarray, labels: np.ndarray, n_classes: int, C: float, order: np.ndarray
) -> float:
    """The length of the online code of the labels given the states, in bits (2003.12298, Eq. 5).

    The first portion is sent by the uniform code; each later one by a probe that has learned from
    all before it. Classes that are missing so far take finitely many bits, since the bias is
    penalised.

    Args:
        states: [n, d].
        labels: [n].
        n_classes: see `fit`.
        C: see `fit`.
        order: in which the labels are sent, [n].
    """
    n = len(order)
    ends = sorted({max(1, round(share * n)) for share in PORTIONS})
    bits, probe = ends[0] * np.log2(n_classes), None
    for start, end in pairwise(ends):
        known, sent = order[:start], order[start:end]
        probe = fit(states[known], labels[known], n_classes, C, start=probe)
        rows = probe.log_probabilities(states[sent])
        bits -= rows[np.arange(len(rows)), labels[sent]].sum() / np.log(2)
    return float(bits)


def compression(bits: float, n: int, n_classes: int) -> float:
    """How many times shorter a code is than the uniform one; 1: the states tell nothing."""
    return n * np.log2(n_classes) / bits
