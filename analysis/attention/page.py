"""A page that shows attention, in one file: it asks nothing of any network.

Weights are kept in 8 bits, so that all heads of a text of 32 tokens, before and after, take less
than half a megabyte for 12 layers of 12 heads.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LARGEST = 1_000_000  # bytes of a page
TEMPLATE = Path(__file__).with_suffix(".html")
MARK = "/*DATA*/null"

Maps = tuple[np.ndarray, np.ndarray]  # [L, h, n, n], and their rollout [n, n]


@dataclass(frozen=True)
class Text:
    """One text: its tokens, and its maps before and after."""

    id: str
    tokens: list[str]
    before: Maps
    after: Maps


def page(label: str, texts: Iterable[Text], caveat: str) -> str:
    """The page, with as many of the texts as fit.

    A text that alone is too long is cut to its first tokens, and the page says so.

    Args:
        label: of the run.
        texts: the first is shown at the start.
        caveat: what a reader should know.
    """
    template = TEMPLATE.read_text(encoding="utf-8")
    room = LARGEST - len(template.encode()) - 2000
    kept, cut = [], 0
    for text in texts:
        n_layers, n_heads, n, _ = text.before[0].shape
        if not kept:  # the first has to fit: 4 bytes for 3 weights, twice
            longest = int((room * 3 / 4 / (2 * (n_layers * n_heads + 1)) * 0.98) ** 0.5)
            cut = max(0, n - longest)
            text = shortened(text, longest)
        packed = pack(text)
        room -= len(json.dumps(packed, ensure_ascii=False).encode())
        if room < 0:
            break
        kept.append(packed)
    data = {"label": label, "caveat": caveat, "cut": cut, "layers": n_layers, "heads": n_heads,
            "texts": kept}  # fmt: skip
    # "</" would end the script that holds the data, "<!--" begin a comment in it.
    written = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return template.replace(MARK, written)


def shortened(text: Text, n: int) -> Text:
    """Its first n tokens."""
    maps = [tuple(some[..., :n, :n] for some in both) for both in (text.before, text.after)]
    return Text(text.id, text.tokens[:n], *maps)


def pack(text: Text) -> dict[str, object]:
    """As JSON: weights in 0..255, row by row, in base64; the rollout comes last."""
    return {
        "id": text.id,
        "tokens": text.tokens,
        **{name: encode(*getattr(text, name)) for name in ("before", "after")},
    }


def encode(maps: np.ndarray, rolled: np.ndarray) -> str:
    weights = np.concatenate([maps.ravel(), rolled.ravel()])
    return base64.b64encode(np.rint(weights * 255).astype(np.uint8).tobytes()).decode()
