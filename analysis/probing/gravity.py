"""Which layers carry what: where a property is read best, and where what is read of it comes in."""

import numpy as np


def centre(accuracy: np.ndarray) -> float | None:
    """The centre of gravity of the gains over the embeddings, E = Σ i·Δ(i) / Σ Δ(i).

    As the expected layer of arXiv 1905.05950, Eq. 2 and 3. There Δ(i) is what the score gains when
    layer i is added to all below it, in one probe. Ours read one layer each, so that here it is
    what the best of them so far gains, which is never negative: Δ(i) = max a(0…i) − max a(0…i−1).

    Args:
        accuracy: of the layers, the embeddings first, [L + 1].

    Returns:
        a place between 1 and L; None where no layer gains anything.
    """
    gains = np.diff(np.maximum.accumulate(accuracy))
    if not gains.any():
        return None
    return float(np.average(np.arange(1, len(accuracy)), weights=gains))
