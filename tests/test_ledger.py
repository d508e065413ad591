"""The memory ledger: what is predicted is what is held, and equals what a formula says."""

import functools

import pytest
import torch
from adapted import adapted, config_of, examples
from torch import nn
from transformers import BertConfig

from tl import build, ledger, optim
from tl.build import Setup
from tl.config import Config
from tl.device import MIB, choose_device, choose_precision
from tl.registry import STRATEGIES, TASKS, options_of
from tl.tasks.classification import Classification

CPU = torch.device("cpu")
LENGTHS = [5, 2, 7, 3]
FLOAT, HALF = torch.float32, torch.bfloat16
PAIRS = [
    ("full", "bert", FLOAT), ("full", "bert", HALF), ("lora", "bert", HALF),
    ("adapter houlsby", "llama", HALF), ("prompt random", "bert", FLOAT),
    ("prefix", "deberta-v2", FLOAT), ("features mlp mix", "bert", HALF),
]  # fmt: skip


def setup_of(variant="full", family="bert", dtype=FLOAT, task="ner", **options):
    model, made = adapted(variant, family, task, **options)
    model.store_frozen(dtype)
    return Setup(config_of(task, variant, **options), made, model, "", CPU, dtype)


def batch_of(setup):
    return setup.task.collate(examples(setup.task, LENGTHS))


def in_bytes(found):
    return {name: round(value * MIB) for name, value in found.items()}


def predicted(setup, batch=None):
    return in_bytes(ledger.predicted(setup, batch or batch_of(setup)))


@functools.cache
def plain(variant="full", dtype=FLOAT):
    """The prediction of a run without further options."""
    return predicted(setup_of(variant, dtype=dtype))


def held(setup, batch):
    """The same walk over the real model, its real tensors counted one by one."""
    model, meter = setup.model.train(), ledger.Meter()
    learns = [p for p in model.parameters() if p.requires_grad]
    with meter:
        for tensor in [*model.parameters(), *model.buffers()]:
            meter.count(tensor, is_copy=False)
            meter.weights[tensor.untyped_storage()] = None
        state = [(torch.zeros_like(p), torch.zeros_like(p), torch.zeros(())) for p in learns]
        for tensor in [*batch.inputs.values(), batch.labels]:
            meter.count(tensor, is_copy=False)
        found = ledger.walk(meter, lambda: setup.share(batch), learns, ledger.n_walked(setup))
    assert state
    return found


@pytest.mark.parametrize(("variant", "family", "dtype"), PAIRS)
def test_tensors_without_memory_take_what_real_ones_take(variant, family, dtype):
    """To the byte, at every moment; and what is kept for the backward pass, as autograd tells."""
    setup = setup_of(variant, family, dtype)
    batch = batch_of(setup)
    found = predicted(setup, batch)
    real = held(setup, batch)
    for name in ("forward", "backward", "update", "gradients", "copies"):
        assert found[name] == real[name], name
    setup.model.zero_grad()
    optimizer = optim.adamw(setup.groups())
    setup.share(batch).backward()
    optimizer.step()
    setup.model.zero_grad()
    kept = in_bytes(ledger.measured(setup, batch, optimizer))
    for name in ("weights", "gradients", "optimizer"):
        assert found[name] == kept[name], name
    beside = 4  # bytes: the loss, which autograd does not keep
    if (family, dtype) != ("deberta-v2", HALF):
        assert found["activations"] - kept["activations"] == beside


def test_what_gets_no_gradient_takes_none():
    setup = setup_of()
    batch, before = batch_of(setup), plain()["gradients"]
    setup.model.register_parameter("unused", nn.Parameter(torch.zeros(10)))
    optimizer = torch.optim.AdamW(setup.model.parameters())
    assert predicted(setup, batch)["gradients"] == before
    assert in_bytes(ledger.measured(setup, batch, optimizer))["gradients"] == before
    assert all(p.grad is None for p in setup.model.parameters())


def test_the_parts_by_formula():
    """Full fine-tuning in bfloat16: 4 bytes of weight, 4 of gradient, 8 of moments, 2 of copy."""
    setup = setup_of(dtype=HALF)
    n = sum(p.numel() for p in setup.model.parameters())
    n_tensors = len(list(setup.model.parameters()))
    buffers = sum(b.nbytes for b in setup.model.buffers())
    found = predicted(setup)
    assert found["weights"] == 4 * n + buffers
    assert found["gradients"] == 4 * n
    assert found["optimizer"] == 8 * n + 4 * n_tensors  # AdamW counts the steps of each tensor
    multiplied = setup.model.backbone.modules()  # the head computes in float32
    linear = [m.weight.numel() for m in multiplied if isinstance(m, nn.Linear)]
    assert found["copies"] == 2 * sum(linear)  # those of biases are let go of: no gradient needs it
    assert found["step"] == max(found[name] for name in ("forward", "backward", "update"))


def test_lora_saves_gradients_and_moments_but_few_activations():
    """It learns little, so all that goes with learning is small; its gradients pass every layer."""
    full, lora, features = (plain(v) for v in ("full", "lora", "features mlp last"))
    for name in ("gradients", "optimizer"):
        assert lora[name] < 0.05 * full[name]
    assert 0.5 * full["activations"] < lora["activations"] < full["activations"]
    assert features["activations"] < 0.2 * full["activations"]


def test_frozen_layers_are_counted_as_they_are_stored():
    half = setup_of("lora", dtype=HALF)
    n_frozen = sum(p.numel() for p in half.model.parameters() if p.dtype == HALF)
    assert n_frozen > 0
    assert plain("lora")["weights"] - predicted(half)["weights"] == 2 * n_frozen


def test_from_the_second_batch_of_a_step_on_gradients_are_there():
    one, many = plain(), predicted(setup_of(accumulate=4))
    assert many["activations"] == one["activations"]
    assert many["forward"] == one["forward"] + one["gradients"]
    assert many["backward"] > one["backward"]


def test_gradient_checkpointing_keeps_less():
    saving = setup_of()
    saving.model.backbone.checkpoint_activations()
    assert predicted(saving)["activations"] < 0.5 * plain()["activations"]


def test_start_values_that_the_decay_pulls_to_are_counted():
    pulled = setup_of(decay_toward="pretrained")
    kept = sum(p.nbytes for p in pulled.model.learning_matrices())
    assert predicted(pulled)["update"] - plain()["update"] == kept


def test_a_prediction_leaves_model_and_chance_as_they_were():
    setup = setup_of("lora all")
    before = {name: p.detach().clone() for name, p in setup.model.named_parameters()}
    state = torch.get_rng_state()
    predicted(setup)
    assert torch.equal(torch.get_rng_state(), state)
    for name, parameter in setup.model.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None


@pytest.mark.parametrize("block", [1, 512])
def test_the_meter_counts_by_hand(block):
    meter = ledger.Meter(block)
    size = {1: 40, 512: 512}[block]
    with meter:
        x = torch.zeros(10)
        view = x.view(2, 5).T
        assert meter.now == size
        y = view + 1
        assert (meter.now, meter.peak) == (2 * size, 2 * size)
        del x, view
        assert (meter.now, meter.peak) == (size, 2 * size)
        meter.restart()
        assert meter.peak == size
        del y
    assert meter.now == 0


@pytest.mark.parametrize("task", ["classification", "ner", "summarization"])
def test_a_blank_batch_has_the_form_of_a_real_one(task):
    """A dry run has no tokenizer; what it measures has the shapes of the longest examples."""
    _, made = adapted("full", "bert", task)
    n = made.options.max_length
    real = made.collate(examples(made, [n] * 3))
    made.tokenizer = None
    blank = made.collate([made.blank(n)] * 3)
    assert blank.inputs.keys() == real.inputs.keys()
    assert blank.inputs["input_ids"].shape == real.inputs["input_ids"].shape == (3, n)
    assert blank.labels.ndim == real.labels.ndim
    assert 0 < blank.n_targets <= blank.labels.numel()


FIVE = ("full", "lora", "adapter", "prompt", "feature_extraction")


@pytest.mark.gpu
@pytest.mark.parametrize("size", ["small", "base"])
@pytest.mark.parametrize("strategy", FIVE)
def test_on_a_gpu_the_peak_is_within_five_percent(strategy, size, tmp_path, capsys):
    """32 texts of up to 128 word pieces, some shorter, so that there is a mask."""
    setup = gpu_setup(strategy, size, tmp_path)
    task = setup.task
    lengths = [128] * 16 + list(range(64, 128, 4))
    batch = task.collate([task.blank(n) for n in lengths]).to(setup.device)
    foretold = ledger.predicted(setup, batch)
    optimizer = optim.adamw(setup.groups())
    for _ in range(2):
        setup.share(batch).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    found = ledger.measured(setup, batch, optimizer)
    with capsys.disabled():
        print(f"\n{size} {strategy} on {torch.cuda.get_device_name()}")
        for name in foretold:
            print(f"  {name:12} {foretold[name]:9.1f} {found[name]:9.1f}")

        print(f"workspaces {ledger.workspace_bytes(setup.device) / MIB:.1f}")
    assert foretold["step"] == pytest.approx(found["step"], rel=0.05)


SIZES = {
    "small": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},  # MiniLM
    "base": {},
}


def gpu_setup(strategy, size, folder):
    """A run as the command line would set it up on the GPU, but with random weights."""
    BertConfig(**SIZES[size]).save_pretrained(folder)
    made = options_of(STRATEGIES, strategy, "strategy")()
    config = Config(
        task="classification", strategy=strategy, strategy_options=made, lr=made.default_lr,
        task_options=options_of(TASKS, "classification", "task")(), device="cuda",
        model=str(folder), init="random",
    )  # fmt: skip
    where = choose_device("cuda")
    dtype = choose_precision("auto", where)
    task = Classification(config.task_options, build.load_data(config), None)
    model = build.adapt(build.load_backbone(config), config, task)
    model.store_frozen(dtype)
    return Setup(config, task, model.to(where), "", where, dtype)
