"""Mixout: pretrained weights stand in for some of those that learn (arXiv 1909.11299)."""

from collections.abc import Set
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tl.float32 import InFloat32

Form = Literal["column", "element"]


class MixoutLinear(nn.Linear):
    """y = x·W̃ᵀ + b, where training draws W̃ anew at every call (arXiv 1909.11299, §3):

        W̃ = ((1 − m) ⊙ W₀ + m ⊙ W − p·W₀) / (1 − p) = W₀ + m ⊙ (W − W₀) / (1 − p)

    with m ~ Bernoulli(1 − p): one draw for each input unit ("column", the paper's mixout, which
    replaces all outgoing weights of a neuron) or for each weight ("element", its mixconnect).

    E[W̃] = W, and a weight that has not moved stays W₀ exactly. In evaluation mode, W̃ = W. Where
    W₀ = 0, the column form is dropout of the inputs. Autograd gives W the gradient m/(1 − p) of
    these equations; the authors' code gives it m alone.

    Args:
        linear: the layer to take the place of; its parameters keep their names, W₀ is what they
            are now.
        p: how probably a weight is replaced, in [0, 1).
        form: what a draw replaces.
    """

    def __init__(self, linear: nn.Linear, p: float, form: Form) -> None:
        d_out, d_in = linear.weight.shape
        super().__init__(d_in, d_out, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.register_buffer("pretrained", linear.weight.detach().clone(), persistent=False)
        self.p, self.form = p, form

    def mixed(self) -> Tensor:
        """A draw of W̃, [d_out, d_in]."""
        shape = self.weight.shape if self.form == "element" else self.weight.shape[1:]
        mask = torch.empty(shape, device=self.weight.device).bernoulli_(1 - self.p)
        return self.pretrained + mask * (self.weight - self.pretrained) / (1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_in] -> [..., d_out]."""
        return F.linear(x, self.mixed() if self.training else self.weight, self.bias)


class Float32Mixout(InFloat32, MixoutLinear):
    """Mixout of a layer of a language head."""


def mix(network: nn.Module, pretrained: Set[nn.Parameter], p: float, form: Form) -> int:
    """Put mixout into every linear layer whose weight learns and is a pretrained one.

    Returns:
        the number of layers.
    """
    made: dict[nn.Linear, MixoutLinear] = {}  # a layer may have two parents
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if not isinstance(layer, nn.Linear) or isinstance(layer, MixoutLinear):
                continue
            if layer.weight.requires_grad and layer.weight in pretrained:
                if layer not in made:
                    kind = Float32Mixout if isinstance(layer, InFloat32) else MixoutLinear
                    made[layer] = kind(layer, p, form)
                setattr(parent, name, made[layer])
    return len(made)
