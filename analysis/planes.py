"""From many dimensions to two: t-SNE and UMAP, behind principal components."""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from analysis.states import SEED

N_COMPONENTS = 50  # of PCA, before anything else
N_NEIGHBORS = 15  # of UMAP


def reduced(X: np.ndarray) -> np.ndarray:
    """The first principal components: distances in fewer dimensions are quick, and less noisy."""
    n_components = min(N_COMPONENTS, *X.shape)
    return PCA(n_components, svd_solver="full", random_state=SEED).fit_transform(X)


def tsne(X: np.ndarray) -> np.ndarray:
    """[n, d] -> [n, 2] (van der Maaten & Hinton, 2008), from PCA, so that a repetition is equal."""
    perplexity = min(30.0, (len(X) - 1) / 3)
    return TSNE(
        n_components=2, perplexity=perplexity, init="pca", learning_rate="auto", max_iter=1000,
        random_state=SEED, n_jobs=1,
    ).fit_transform(X)  # fmt: skip


def umap(X: np.ndarray) -> np.ndarray:
    """[n, d] -> [n, 2] (arXiv 1802.03426); equal states are one point.

    A graph of neighbours that are all copies falls apart, and its layout is another each time.

    Raises:
        ValueError: if umap-learn is not installed, or there are too few different states.
    """
    rounded = np.round(X / (np.abs(X).max() or 1.0), 9)  # PCA moves equal states by a last digit
    _, first, place = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    if len(first) <= N_NEIGHBORS:
        raise ValueError(
            f"--method umap needs more than {N_NEIGHBORS} different states; of these {len(X)}, "
            f"{len(first)} differ. Take --method tsne, or another --layer"
        )
    order = np.sort(first)  # without copies, X as it is
    points = _umap(X[order])
    if not np.isfinite(points).all():
        raise ValueError("UMAP found no place for some states; take --method tsne")
    return points[np.searchsorted(order, first)[place.ravel()]]


def _umap(X: np.ndarray) -> np.ndarray:
    """UMAP of states that all differ."""
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--method umap needs the package umap-learn ({error}); install it with: "
            "pip install -r requirements-extra.txt, or take --method tsne"
        ) from None
    return UMAP(
        n_components=2, n_neighbors=N_NEIGHBORS, min_dist=0.1, metric="cosine", init="spectral",
        random_state=SEED, n_jobs=1,
    ).fit_transform(X)  # fmt: skip


METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"tsne": tsne, "umap": umap}
SHOWN = {"tsne": "t-SNE", "umap": "UMAP"}
