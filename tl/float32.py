"""Layers that compute in float32 where autocast computes in bfloat16: those that make logits."""

import torch
from torch import Tensor, nn


class InFloat32(nn.Module):
    """A layer that computes in the type of its weights, float32, also under autocast.

    It stands before the class that says what is computed. Logits in bfloat16 have 8 bits: the best
    words of a vocabulary tie, and the lower id wins.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class Float32Linear(InFloat32, nn.Linear):
    """y = Wx + b in float32."""


def compute_in_float32(head: nn.Module) -> None:
    """Make the linear layers of a language head compute in float32.

    Each changes its class and stays the same object, so that its name and its place in the network
    stay as they were, and the matrix that it may share with the embeddings too.
    """
    for module in head.modules():
        if type(module) is nn.Linear:
            module.__class__ = Float32Linear
