"""Task heads: from token states to logits. All strategies share them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Pool = Callable[[Tensor, Tensor], Tensor]


def mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: [b, t, d], [b, t] -> [b, d]."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def first(hidden: Tensor, mask: Tensor) -> Tensor:
    """State of the first real token, [CLS] in BERT: [b, t, d], [b, t] -> [b, d]."""
    return hidden[torch.arange(len(hidden), device=hidden.device), mask.argmax(dim=1)]


def last(hidden: Tensor, mask: Tensor) -> Tensor:
    """State of the last real token, under either side of padding: [b, t, d], [b, t] -> [b, d]."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return hidden[torch.arange(len(hidden), device=hidden.device), (mask * positions).argmax(dim=1)]


def each(hidden: Tensor, mask: Tensor) -> Tensor:
    """No pooling, for tasks that label tokens: [b, t, d] -> [b, t, d]."""
    return hidden


POOLS = {"mean": mean, "cls": first, "last": last, "each": each}


class Contextualize(nn.Module):
    """One transformer encoder layer over the token states: [b, t, d] -> [b, t, d].

    Its heads are 64 wide, as in BERT; where d is no multiple of 64, it has one.
    """

    def __init__(self, d: int, dropout: float = 0.1) -> None:
        super().__init__()
        n_heads = d // 64 if d % 64 == 0 else 1
        self.layer = nn.TransformerEncoderLayer(
            d, n_heads, dim_feedforward=4 * d, dropout=dropout, activation="gelu", batch_first=True
        )

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        return self.layer(hidden, src_key_padding_mask=mask == 0)


class Head(nn.Module):
    """(contextualize) -> pool -> project: token states [b, t, d] -> logits [b, c] or [b, t, c].

    All of it in float32, also under autocast: logits in bfloat16 have 8 bits, and the best classes
    tie.
    """

    def __init__(
        self, pool: str, project: nn.Module, contextualize: Contextualize | None = None
    ) -> None:
        super().__init__()
        self.pool = pool
        self.project = project
        self.contextualize = contextualize

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.to(next(self.parameters()).dtype)
            if self.contextualize is not None:
                hidden = self.contextualize(hidden, mask)
            return self.project(POOLS[self.pool](hidden, mask))


def make(kind: str, d: int, n_out: int, pool: str) -> Head:
    """A new head: `linear`, `mlp`, or `transformer` (contextualized, then linear).

    On the last token, which decoders are pooled by, it has no bias: so have the classes of
    transformers that classify with decoders, and a run can be exported to them.
    """
    bias = pool != "last"
    if kind == "transformer":
        return Head(pool, linear(d, n_out, bias=bias), Contextualize(d))
    return Head(pool, {"linear": linear, "mlp": mlp}[kind](d, n_out, bias=bias))


def linear(d: int, n_out: int, dropout: float = 0.1, *, bias: bool = True) -> nn.Module:
    """Dropout and one linear layer: d·c parameters, and c for the bias."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(d, n_out, bias=bias))


def mlp(d: int, n_out: int, dropout: float = 0.1, *, bias: bool = True) -> nn.Module:
    """One hidden layer of width d with tanh, as BERT's pooler and RoBERTa's head have it."""
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(d, d),
        nn.Tanh(),
        nn.Dropout(dropout),
        nn.Linear(d, n_out, bias=bias),
    )
