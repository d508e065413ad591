"""Maps with a few parameters that mend probabilities, fitted on answers that are not scored."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize

from analysis.calibration.bins import sigmoid, softmax
from analysis.calibration.scores import one_hot

T_BOUNDS = (0.01, 100.0)
BOUND = 100.0  # of weights and biases
FLAT = 1e-6  # a slope of the loss that is none


@dataclass(frozen=True)
class Temperature:
    """p = softmax(z/T): one T for all classes, so that no answer changes."""

    T: float
    at_bound: bool  # the likelihood still rises there: T is no estimate

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits / self.T)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> Temperature:
    """The T in [0.01, 100] of the greatest likelihood (arXiv 1706.04599, §4.2).

    The NLL is convex in β = 1/T, and its slope, the mean of Σ_k p_k·z_k − z_label, rises with β:
    there is one root, and bracketing finds it for certain. It is sought in log T, where T cannot
    become negative; descent in T, as in the authors' code, can stop early or run away.

    Args:
        logits: [n, c].
        labels: [n] class indices.
    """
    logits = logits - logits.max(1, keepdims=True)
    true = logits[np.arange(len(labels)), labels].mean()

    def slope(log_T: float) -> float:
        return (softmax(logits / np.exp(log_T)) * logits).sum(1).mean() - true

    low, high = np.log(T_BOUNDS)
    if slope(low) <= 0:  # even the surest answers are not sure enough: all are right
        return Temperature(T_BOUNDS[0], at_bound=True)
    if slope(high) >= 0:  # nothing is doubtful enough: the logits point away from the truth
        return Temperature(T_BOUNDS[1], at_bound=True)
    return Temperature(float(np.exp(brentq(slope, low, high, xtol=1e-10))), at_bound=False)


@dataclass(frozen=True)
class Vector:
    """p = softmax(w ⊙ z + b): a weight and a bias for each class, so that answers may change."""

    w: np.ndarray  # [c]
    b: np.ndarray  # [c], of mean 0: a constant changes nothing
    at_bound: bool

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits * self.w + self.b)


def fit_vector(logits: np.ndarray, labels: np.ndarray) -> Vector:
    """Vector scaling (1706.04599, §4.2): a convex problem; |w|, |b| ≤ 100.

    Args:
        logits: [n, c].
        labels: [n] class indices.
    """
    n, c = logits.shape
    truth = one_hot(labels, c)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        z = logits * flat[:c] + flat[c:]
        top = z.max(1, keepdims=True)
        log_p = z - top - np.log(np.exp(z - top).sum(1, keepdims=True))
        slope = (np.exp(log_p) - truth) / n  # [n, c]
        slopes = np.concatenate([(slope * logits).sum(0), slope.sum(0)])
        return float(-(truth * log_p).sum() / n), slopes

    found, at_bound = _minimum(loss, np.concatenate([np.ones(c), np.zeros(c)]))
    return Vector(found[:c], found[c:] - found[c:].mean(), at_bound)


@dataclass(frozen=True)
class Sigmoid:
    """p = σ(a·s + b) of a score s."""

    a: float
    b: float
    at_bound: bool = False

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return sigmoid(self.a * scores + self.b)


def fit_sigmoid(scores: np.ndarray, truth: np.ndarray) -> Sigmoid:
    """Platt's scaling (Platt 1999) with his targets.

    A truth counts as (n₊ + 1)/(n₊ + 2), its contrary as 1/(n₋ + 2): as if one more of each had been
    seen, so that separable scores have a finite optimum too.

    Args:
        scores: [n].
        truth: [n] whether it was so.
    """
    truth = np.asarray(truth, dtype=bool)
    n_true, n_false = truth.sum(), (~truth).sum()
    target = np.where(truth, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = flat[0] * scores + flat[1]
        slope = (sigmoid(x) - target) / len(scores)
        return float((np.logaddexp(0, x) - target * x).mean()), np.array(
            [slope @ scores, slope.sum()]
        )

    (a, b), at_bound = _minimum(loss, np.array([1.0, 0.0]))
    return Sigmoid(float(a), float(b), at_bound)


def _minimum(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Where a convex loss is least inside the bounds, and whether that is at one of them.

    Raises:
        ValueError: if the search did not end where the loss is least.
    """
    options = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-BOUND, BOUND)] * len(start),
        options=options,
    )  # fmt: skip
    # Where rounding allows no lower loss, a search fails too; then nothing slopes any more.
    slopes = found.x - np.clip(found.x - found.jac, -BOUND, BOUND)
    if not np.isfinite(found.fun) or not (found.success or np.abs(slopes).max() < FLAT):
        raise ValueError(
            f"no map can be fitted to these logits, the search for its parameters did not end "
            f"({found.message.strip()}); logits of thousands come from a training that diverged: "
            "train again with a smaller --lr"
        )
    # A loss of nothing: all is right already, and larger weights would still be surer.
    at_bound = found.fun < 1e-9 or (np.abs(found.x) >= BOUND * (1 - 1e-9)).any()
    return found.x, bool(at_bound)
