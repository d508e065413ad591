"""How alike two sets of states are: linear CKA, biased and debiased (arXiv 1905.00414)."""

import numpy as np


def centred(X: np.ndarray) -> np.ndarray:
    """[n, d] in float64 with a mean of 0 in each dimension."""
    wide = X.astype(np.float64)
    return wide - wide.mean(axis=0)


def hsic_biased(X: np.ndarray, Y: np.ndarray) -> float:
    """tr(KHLH) of the linear kernels K = XXᵀ and L = YYᵀ (1905.00414, Eq. 3, but for (n − 1)²).

    For centred states it is ‖XᵀY‖²: no n × n matrix is needed.
    """
    return float(np.square(centred(X).T @ centred(Y)).sum())


def hsic_unbiased(X: np.ndarray, Y: np.ndarray) -> float:
    """The unbiased estimate by Song et al. (2012, Eq. 5), but for n(n − 3); of linear kernels.

        tr(K̃L̃) + 1ᵀK̃1·1ᵀL̃1 / ((n − 1)(n − 2)) − 2·1ᵀK̃L̃1 / (n − 2)

    K̃ is K with zeros on its diagonal: what a text has in common with itself is no evidence. Every
    term is a sum over dimensions, so no n × n matrix is needed here either.

    Raises:
        ValueError: for fewer than 4 rows.
    """
    n = len(X)
    if n < 4:
        raise ValueError(f"similarity needs 4 examples or more, got {n}")
    X, Y = centred(X), centred(Y)
    k, m = np.square(X).sum(axis=1), np.square(Y).sum(axis=1)  # the diagonals of K and L
    trace = np.square(X.T @ Y).sum() - k @ m
    # Rows of centred kernels sum to 0, so those of K̃ sum to −k.
    return float(trace + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k @ m) / (n - 2))


def cka(X: np.ndarray, Y: np.ndarray, *, debiased: bool = True) -> float:
    """Centred kernel alignment, HSIC(K, L) / √(HSIC(K, K)·HSIC(L, L)) (1905.00414, Eq. 4).

    1 for states that differ by a rotation, a shift and one scale; 0 for independent ones, but for
    the biased form, which gives independent ones of dimension d about d / (d + n).

    Args:
        X: [n, d].
        Y: [n, other d], of the same examples.
        debiased: estimate HSIC without bias.

    Returns:
        the similarity; nan where the rows of one side do not differ, or by no more than chance.
    """
    if all_equal(X) or all_equal(Y):
        return float("nan")
    hsic = hsic_unbiased if debiased else hsic_biased
    own, other = hsic(X, X), hsic(Y, Y)
    return hsic(X, Y) / np.sqrt(own * other) if min(own, other) > 0 else float("nan")


def all_equal(X: np.ndarray) -> bool:
    """Whether the rows of [n, d] do not differ."""
    return not np.ptp(X, axis=0).any()
