"""What analyses found, as JSON can hold it."""

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass

import numpy as np


def plain(value: object) -> object:
    """Dataclasses and arrays as JSON; what is no number (or infinite) is null."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
