"""Random streams, derived from one seed by name.

What draws from one stream does not disturb another: two strategies with one seed see the same head,
the same order of examples, and can be compared in pairs.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream_seed(seed: int, name: str) -> int:
    """A 63-bit seed for the stream `name` ("init/head", "data/3", "dropout") of a run."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


def generator(seed: int, name: str) -> torch.Generator:
    """A CPU generator at the start of a stream."""
    return torch.Generator().manual_seed(stream_seed(seed, name))


@contextmanager
def stream(seed: int, name: str) -> Iterator[None]:
    """Inside, torch's global CPU generator stands at the start of a stream; after, where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(stream_seed(seed, name))
        yield
