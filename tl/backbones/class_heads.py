"""Our heads in the form of the classes of transformers that classify texts, family by family."""

import torch
from torch import Tensor, nn

from tl.backbones.family import PlainHead, Weights

Form = tuple[Weights, dict[str, object]]  # weights by name, and options of the configuration
SMALL = 2.0**-12


def _require_first_token(head: PlainHead) -> None:
    if head.pool != "cls":
        raise ValueError(
            f"the class of transformers that classifies with this family looks at the first token, "
            f"this head at {head.pool!r}; it takes a run with --task.pool cls"
        )


def _through_tanh(head: PlainHead) -> tuple[Tensor, Tensor, Tensor]:
    """W_dense, its bias and W_out of a head with tanh between them, as BERT's class has it.

    A head of ours without that layer is as good as tanh(ε·x)/ε = x·(1 − ε²x²/3 + …).
    """
    if head.dense is not None:
        return head.dense.weight, head.dense.bias, head.out.weight
    d = head.out.in_features
    return SMALL * torch.eye(d), torch.zeros(d), head.out.weight / SMALL


def bert(head: PlainHead) -> Form:
    _require_first_token(head)
    dense, bias, out = _through_tanh(head)
    return {
        "bert.pooler.dense.weight": dense,
        "bert.pooler.dense.bias": bias,
        "classifier.weight": out,
        "classifier.bias": head.out.bias,
    }, {}


def roberta(head: PlainHead) -> Form:
    _require_first_token(head)
    dense, bias, out = _through_tanh(head)
    return {
        "classifier.dense.weight": dense,
        "classifier.dense.bias": bias,
        "classifier.out_proj.weight": out,
        "classifier.out_proj.bias": head.out.bias,
    }, {}


def deberta(head: PlainHead) -> Form:
    """Its pooler's activation is an option, so that a linear head is carried exactly."""
    _require_first_token(head)
    d = head.out.in_features
    dense = head.dense or _identity(d)
    return {
        "pooler.dense.weight": dense.weight,
        "pooler.dense.bias": dense.bias,
        "classifier.weight": head.out.weight,
        "classifier.bias": head.out.bias,
    }, {"pooler_hidden_act": "linear" if head.dense is None else "tanh", "pooler_hidden_size": d}


def _identity(d: int) -> nn.Linear:
    layer = nn.Linear(d, d)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def decoder(head: PlainHead) -> Form:
    if head.pool != "last" or head.dense is not None:
        raise ValueError(
            "the class of transformers that classifies with a decoder has one linear layer over "
            f"the last token; this run has {head.pool!r} pooling"
            + ("" if head.dense is None else " and a hidden layer")
        )
    return {"score.weight": head.out.weight}, {}
