"""A linear probe in closed form: which labels can be read from states by a linear map.

Least squares onto indicators of the classes, with an L2 penalty, is convex and has one solution, so
that the same states give the same answer to the last bit.
"""

import numpy as np

STRENGTHS = (0.003, 0.03, 0.3, 3.0)  # λ, of features with variance 1
FOLDS = 5


def out_of_fold(states: np.ndarray, labels: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Predict the label of every row by a probe that saw neither the row nor its text.

    The strength of the penalty is chosen inside the rows that a probe may see.

    Args:
        states: [n, d].
        labels: [n] class indices.
        items: [n] which text a row belongs to.

    Returns:
        [n] class indices.

    Raises:
        ValueError: if there is one class only, or there are fewer texts than folds.
    """
    if len(np.unique(labels)) < 2:
        raise ValueError("all labels are the same; a probe needs two classes")
    texts = np.unique(items)
    if len(texts) < FOLDS:
        raise ValueError(f"{len(texts)} texts are too few for {FOLDS} folds; dump more")
    if not np.isfinite(states).all():
        raise ValueError("the states hold numbers that are not finite")
    order = np.random.default_rng(0).permutation(len(texts))
    folds = order[np.searchsorted(texts, items)] % FOLDS
    predicted = np.empty_like(labels)
    for fold in range(FOLDS):
        out, inner = folds == fold, folds == (fold + 1) % FOLDS
        seen = ~out & ~inner
        answers = fit_predict(states[seen], labels[seen], states[inner], STRENGTHS)
        right = [macro_recall(labels[inner], answer) for answer in answers]
        best = STRENGTHS[int(np.argmax(right))]
        (predicted[out],) = fit_predict(states[~out], labels[~out], states[out], (best,))
    return predicted


def fit_predict(
    states: np.ndarray, labels: np.ndarray, others: np.ndarray, strengths: tuple[float, ...]
) -> list[np.ndarray]:
    """For each λ, the classes of other states: W = (XᵀX + λn·I)⁻¹XᵀY on standardised features.

    Args:
        states: [n, d].
        labels: [n].
        others: [m, d].
        strengths: λ, as many as there are answers [m].
    """
    mean, deviation = states.mean(axis=0, dtype=float), states.std(axis=0, dtype=float)
    deviation[deviation == 0] = 1.0
    x, x_others = ((some - mean) / deviation for some in (states, others))
    classes = np.unique(labels)
    y = (labels[:, None] == classes).astype(float)
    share = y.mean(axis=0)
    values, vectors = np.linalg.eigh(x.T @ x)  # one decomposition serves every λ
    projected, seen = vectors.T @ (x.T @ (y - share)), x_others @ vectors
    return [
        classes[(seen @ (projected / (values + λ * len(x))[:, None]) + share).argmax(axis=1)]
        for λ in strengths
    ]


def macro_recall(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The mean over classes of the share of a class that was found."""
    return float(np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels)]))
