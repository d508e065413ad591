"""Which layers carry what: where a property is read best, and where what is read of it comes in."""

import numpy as np


def centre(accuracy: np.ndarray) -> float | None:
    """The centre of gravity of the gains over the embeddings, E = Σ l·Δ(l) / Σ Δ(l).

    As the expected layer of arXiv 1905.05950, Eq. 2 and 3. There Δ(l) is what the score gains when
    layer l is added to all below it, in one probe. Ours read one layer each, so that here it is
    what the best of them so far gains, which is never negative: with the state s = l + 1 of layer
    l, Δ(l) = max a(0…s) − max a(0…s−1). The paper counts layers from 1, this project from 0.

    Args:
        accuracy: of the layers, the embeddings first, [L + 1].

    Returns:
        a place between 0 and L − 1; None where no layer gains anything.
    """
    gains = np.diff(np.maximum.accumulate(accuracy))
    if not gains.any():
        return None
    return float(np.average(np.arange(len(gains)), weights=gains))
