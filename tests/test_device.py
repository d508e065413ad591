"""Where to compute and in what; and what a forward pass keeps, counted by hand."""

import gc
import resource
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tl.device import (
    MIB,
    autocast,
    choose_device,
    choose_precision,
    peak_mib,
    saved_for_backward_mib,
)

FLOAT = 4  # bytes
CPU = torch.device("cpu")


def kept_bytes(model, *shape, dtype=torch.float32, **options):
    """Bytes kept for the backward pass on a new input of this shape."""
    with autocast(CPU, dtype):
        return saved_for_backward_mib(lambda: model(torch.randn(*shape, **options)).sum()) * MIB


def test_a_network_keeps_its_input_and_each_activation_once():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    # The input for the gradient of the first weight: [5, 4]. What ReLU returns, [5, 8], is kept
    # twice, for ReLU's own gradient and for that of the second weight, but stored once.
    assert kept_bytes(network, 5, 4) == (5 * 4 + 5 * 8) * FLOAT


def test_a_frozen_first_layer_does_not_keep_its_input():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    network[0].requires_grad_(False)
    assert kept_bytes(network, 5, 4) == 5 * 8 * FLOAT


def test_a_view_of_an_activation_costs_nothing():
    class Twice(nn.Linear):
        def forward(self, x):
            y = super().forward(x).exp()
            return y.view(-1, 2).square() + y[:1].sum() * y.flatten()[:1]

    network = Twice(4, 4)
    expected = 5 * 4 + 5 * 4  # the input; what exp returns, for exp, square and the products
    # The sum, one number, is kept for the product with it.
    assert kept_bytes(network, 5, 4) == (expected + 1) * FLOAT


def test_weights_are_not_activations():
    network = nn.Linear(100, 100)
    # The gradient of the input needs the weight; under autocast, a copy of it in bfloat16.
    assert kept_bytes(network, 1, 100, requires_grad=True) == 100 * FLOAT
    in_half = kept_bytes(network, 1, 100, requires_grad=True, dtype=torch.bfloat16)
    assert in_half == 100 * FLOAT / 2


def test_nothing_is_kept_where_nothing_learns():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU()).requires_grad_(False)
    assert kept_bytes(network, 5, 4) == 0


@pytest.mark.parametrize(("has_gpu", "chosen"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_the_gpu_where_there_is_one(monkeypatch, has_gpu, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert choose_device("auto").type == chosen
    assert choose_device("cpu") == CPU


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch sees no GPU here; use --device cpu or auto"):
        choose_device("cuda")


@pytest.mark.parametrize(("native", "chosen"), [(True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_auto_precision_is_bfloat16_where_the_processor_has_it(monkeypatch, device, native, chosen):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation: native or including_emulation,
    )
    where = torch.device(device)
    assert choose_precision("auto", where) == chosen
    assert choose_precision("bf16", where) == torch.bfloat16
    assert choose_precision("fp32", where) == torch.float32


def test_autocast_multiplies_in_the_chosen_type():
    linear, x = nn.Linear(4, 4), torch.randn(2, 4)
    for dtype in (torch.bfloat16, torch.float32):
        with autocast(CPU, dtype):
            assert linear(x).dtype == dtype


@pytest.mark.parametrize(("platform", "peak"), [("linux", 3 * 1024), ("darwin", 3 * MIB)])
def test_the_peak_of_the_process_is_in_mib_whatever_the_system_counts_in(
    monkeypatch, platform, peak
):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=peak))
    assert peak_mib(CPU) == 3


def test_the_peak_holds_at_least_this_interpreter():
    assert 50 < peak_mib(CPU) < 2**20


def test_what_was_counted_is_freed_again():
    made = []

    def forward():
        y = torch.randn(5, requires_grad=True).exp()  # exp keeps what it returns
        made.append(weakref.ref(y))
        return y.sum()

    saved_for_backward_mib(forward)
    gc.collect()
    assert [one() for one in made] == [None, None]
