"""What is known of the heads of a run, or of a configuration: what they do before and after."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Heads:
    """What each head does on average over the real tokens of a text, and over texts: [L, h]."""

    entropy: np.ndarray  # of the row of a token, in nats
    distance: np.ndarray  # Σ weight · |i − j|, in tokens


@dataclass(frozen=True)
class Attention:
    """The heads of one run before and after; `divergence` is that of their rows, [L, h].

    Of a configuration with several seeds, all but `before` are means over them.
    """

    label: str
    n_seeds: int
    n_texts: int
    n_tokens: int
    uniform: float  # the entropy of a head that looks alike at all that tokens may see
    before: Heads
    after: Heads
    divergence: np.ndarray  # Jensen-Shannon, in nats: from 0 to log 2
