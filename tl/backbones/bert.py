"""BERT, RoBERTa and XLM-R encoders."""

from torch import Tensor, nn

from tl.backbones.base import Backbone, Block, Family, Slot


class FeedForward(nn.Module):
    """The whole feed-forward sublayer, x -> FFN(x): transformers spreads it over two modules."""

    def __init__(self, inner: nn.Module, outer: nn.Module) -> None:
        super().__init__()
        self.dense_in, self.activation = inner.dense, inner.intermediate_act_fn
        self.dense_out, self.dropout = outer.dense, outer.dropout

    def forward(self, x: Tensor) -> Tensor:  # [b, t, d] -> [b, t, d]
        return self.dropout(self.dense_out(self.activation(self.dense_in(x))))


class AddNorm(nn.Module):
    """What follows it: LayerNorm(FFN(x) + x)."""

    def __init__(self, outer: nn.Module) -> None:
        super().__init__()
        self.LayerNorm = outer.LayerNorm

    def forward(self, update: Tensor, x: Tensor) -> Tensor:
        return self.LayerNorm(update + x)


def cut_layer(layer: nn.Module) -> Block:
    # The layer calls output(intermediate(x), x), so the two modules can share the work anew.
    layer.intermediate = FeedForward(layer.intermediate, layer.output)
    layer.output = AddNorm(layer.output)
    attention = layer.attention
    return Block(
        module=layer,
        query=Slot(attention.self, "query"),
        key=Slot(attention.self, "key"),
        value=Slot(attention.self, "value"),
        attention_out=Slot(attention.output, "dense"),
        ffn_in=Slot(layer.intermediate, "dense_in"),
        ffn_out=Slot(layer.intermediate, "dense_out"),
        attention_exit=Slot(attention.output, "dropout"),
        ffn=Slot(layer, "intermediate"),
        norms=[attention.output.LayerNorm, layer.output.LayerNorm],
    )


def cut(model: nn.Module) -> Backbone:
    positions = model.embeddings.position_embeddings
    # RoBERTa numbers positions from the one after its padding index; BERT has no such index.
    unused = 0 if positions.padding_idx is None else positions.padding_idx + 1
    return Backbone(
        model,
        "encoder",
        stem=[model.embeddings],
        blocks=[cut_layer(layer) for layer in model.encoder.layer],
        top=[],
        norms=[model.embeddings.LayerNorm],
        hidden_size=model.config.hidden_size,
        n_positions=positions.num_embeddings - unused,
    )


# The pooler is not loaded: nothing here uses it, and it would "learn" without ever getting a
# gradient. RoBERTa's tokenizer must put a space before a word that comes alone, as in running
# text; BERT's ignores that.
FAMILY = Family(cut, {"add_pooling_layer": False}, {"add_prefix_space": True})
