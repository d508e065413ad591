"""The feed-forward sublayer as one module, where transformers spreads it over its neighbours."""

from collections.abc import Callable

from torch import Tensor, nn


class FeedForward(nn.Module):
    """x -> dropout(W_out·dropout(activation(W_in·x))), without the residual sum."""

    def __init__(
        self,
        dense_in: nn.Linear,
        activation: Callable[[Tensor], Tensor],
        dense_out: nn.Linear,
        *,
        dropout: float,
        inner_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dense_in, self.activation, self.dense_out = dense_in, activation, dense_out
        self.inner_dropout, self.dropout = nn.Dropout(inner_dropout), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # [b, t, d] -> [b, t, d]
        inner = self.inner_dropout(self.activation(self.dense_in(x)))
        return self.dropout(self.dense_out(inner))


class AddNorm(nn.Module):
    """What follows it in BERT: LayerNorm(update + x)."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.LayerNorm = norm

    def forward(self, update: Tensor, x: Tensor) -> Tensor:
        return self.LayerNorm(update + x)


def recut(layer: nn.Module) -> None:
    """Give a BERT-like layer its feed-forward sublayer as the one module `intermediate`.

    The layer calls output(intermediate(x), x), so the two modules can share the work anew.
    """
    inner, outer = layer.intermediate, layer.output
    layer.intermediate = FeedForward(
        inner.dense, inner.intermediate_act_fn, outer.dense, dropout=outer.dropout.p
    )
    layer.output = AddNorm(outer.LayerNorm)


def restore(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `recut` layers under the names that they had before."""
    return {
        name.replace(".intermediate.dense_in.", ".intermediate.dense.").replace(
            ".intermediate.dense_out.", ".output.dense."
        ): weight
        for name, weight in weights.items()
    }
