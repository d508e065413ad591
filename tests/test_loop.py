"""The training loop: what it optimises, what it keeps, where it stops, how it goes on."""

import json
import math
from itertools import chain

import pytest
import torch
from adapted import VARIANTS, adapted, config_of, examples
from safetensors.torch import load_file
from tiny import tiny_backbone
from torch import nn

from tl import loop
from tl.build import Setup
from tl.checkpoint import fingerprint
from tl.checkpoint.state import read_state
from tl.device import autocast
from tl.evaluate import TOKENS, evaluate
from tl.loop import Trainer
from tl.runs import Run

CPU = torch.device("cpu")
TRAIN = [5, 2, 7, 3, 9, 4, 6, 2, 8, 3, 5, 4]  # lengths
HELD_OUT = [4, 6, 3, 5]


def setup_of(task="classification", variant="lora", dtype=torch.float32, **options):
    options = {"epochs": 2, "batch_size": 4, "lr": 1e-2} | options
    model, made = adapted(variant, "bert", task, **options)
    model.store_frozen(dtype)
    mark = fingerprint(tiny_backbone("bert"))
    return Setup(config_of(task, variant, **options), made, model, mark, CPU, dtype)


def trainer_of(path, setup=None, *, stop=lambda: False, report=lambda line: None, resume=False):
    setup = setup or setup_of()
    path.mkdir(exist_ok=True)
    splits = {
        "train": examples(setup.task, TRAIN),
        "validation": examples(setup.task, HELD_OUT, seed=1),
        "test": examples(setup.task, HELD_OUT, seed=2),
    }
    return Trainer(setup, Run(path), splits, stop, report, resume=resume)


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def records(trainer):
    lines = trainer.run.metrics.read_text().splitlines()
    return [json.loads(line) for line in lines]


def scripted(monkeypatch, trainer, scores, losses=None):
    """Let validation give these scores, epoch by epoch; keeps the weights that they were given."""
    seen = []
    losses = losses or [0.5] * len(scores)

    def fake(setup, made, what, stop):
        if "untrained" in what:
            return {setup.task.metric: 0.0}, []
        place = trainer.progress.epoch
        seen.append(weights(setup.model))
        return {setup.task.metric: scores[place], "loss": losses[place]}, []

    monkeypatch.setattr(loop, "evaluate", fake)
    trainer.train()
    return seen


@pytest.mark.parametrize("task", ["classification", "ner"])
@pytest.mark.parametrize("variant", ["full", "adapter houlsby", "lora"])
def test_training_lowers_the_loss(tmp_path, task, variant):
    trainer = trainer_of(tmp_path, setup_of(task, variant, epochs=8, lr=3e-2))
    trainer.train()
    losses = [r["train/loss_of_epoch"] for r in records(trainer) if "epoch" in r]
    assert len(losses) == 8
    assert min(losses[-2:]) < 0.8 * losses[0]


def test_the_reported_loss_of_an_epoch_is_the_mean_over_its_targets(tmp_path):
    setup = setup_of("ner", "full", epochs=1, lr=1e-30)  # nothing moves
    for module in setup.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    trainer = trainer_of(tmp_path, setup)
    scores, _ = evaluate(setup, trainer.splits["train"], "train")
    trainer.train()
    (epoch,) = [record for record in records(trainer) if "epoch" in record]
    assert epoch["train/loss_of_epoch"] == pytest.approx(scores["loss"], rel=1e-5)


def test_the_weights_of_the_best_epoch_are_kept_and_put_back(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, setup_of(epochs=4))
    seen = scripted(monkeypatch, trainer, [0.1, 0.9, 0.5, 0.8])
    assert trainer.progress.best_epoch == 2
    assert same(weights(trainer.model), seen[1])
    assert not same(seen[1], seen[3])


def test_of_equal_epochs_the_first_is_kept(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, setup_of(epochs=3))
    seen = scripted(monkeypatch, trainer, [0.0, 0.0, 0.0])  # also if nothing was ever right
    assert trainer.progress.best_epoch == 1
    assert same(weights(trainer.model), seen[0])


def test_of_equal_scores_the_lower_validation_loss_is_best(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, setup_of(epochs=5))
    seen = scripted(monkeypatch, trainer, [0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.2, 0.8, 0.8, 0.9])
    assert trainer.progress.best_epoch == 3
    assert same(weights(trainer.model), seen[2])


def test_a_better_score_wins_whatever_the_loss(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, setup_of(epochs=3))
    scripted(monkeypatch, trainer, [0.2, 0.3, 0.2], [0.1, 0.9, 0.1])
    assert trainer.progress.best_epoch == 2


def test_a_resumed_run_knows_the_loss_of_its_best_epoch(tmp_path, monkeypatch):
    scores, losses = [0.0, 0.0, 0.0], [0.5, 0.7, 0.6]
    stopped = trainer_of(tmp_path, setup_of(epochs=3), stop=StopAfter(4))
    with pytest.raises(KeyboardInterrupt):
        scripted(monkeypatch, stopped, scores, losses)
    assert stopped.progress.epoch == 1
    resumed = trainer_of(tmp_path, setup_of(epochs=3), resume=True)
    scripted(monkeypatch, resumed, scores, losses)
    assert resumed.progress.best_epoch == 1


@pytest.mark.parametrize(("patience", "n_epochs"), [(1, 3), (2, 6), (None, 8)])
def test_patience_counts_epochs_since_the_best(tmp_path, monkeypatch, patience, n_epochs):
    trainer = trainer_of(tmp_path, setup_of(epochs=8, patience=patience))
    scores = [0.1, 0.5, 0.4, 0.6, 0.6, 0.2, 0.3, 0.4]
    assert len(scripted(monkeypatch, trainer, scores)) == n_epochs


def test_test_and_train_scores_choose_nothing(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path)
    asked = []
    true = loop.evaluate

    def watch(setup, made, what, stop):
        asked.append((what, made is trainer.splits["validation"]))
        return true(setup, made, what, stop)

    monkeypatch.setattr(loop, "evaluate", watch)
    trainer.train()
    after_training_began = [pair for pair in asked if "untrained" not in pair[0]]
    assert after_training_began == [("validation", True)] * 2


def test_a_rate_that_explodes_stops_the_run_with_advice(tmp_path):
    trainer = trainer_of(tmp_path, setup_of(variant="full", lr=1e38, warmup=0.0))
    with pytest.raises(ValueError, match=r"became (nan|inf) in epoch 1\..*lower --lr"):
        trainer.train()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_leaves_what_was_learned(tmp_path, value):
    def poison(line):
        kept.append(trainer.run.learned.read_bytes())
        with torch.no_grad():
            trainer.learns[-1].fill_(value)

    kept = []
    trainer = trainer_of(tmp_path, report=poison)
    with pytest.raises(ValueError, match=r"in epoch 2.*the best epoch, 1, stay in"):
        trainer.train()
    assert [trainer.run.learned.read_bytes()] == kept
    state = read_state(trainer.run.checkpoint)["learned"]
    assert all(tensor.isfinite().all() for tensor in state.values())


@pytest.mark.parametrize(("accumulate", "n_steps"), [(1, 3), (2, 2), (3, 1), (5, 1)])
def test_gradients_are_clipped_once_per_step(tmp_path, monkeypatch, accumulate, n_steps):
    setup = setup_of(epochs=1, accumulate=accumulate, clip=1e-3)
    trainer = trainer_of(tmp_path, setup)
    clipped, norms = [], []
    true_clip, true_step = nn.utils.clip_grad_norm_, trainer.optimizer.step

    def clip(parameters, max_norm):
        clipped.append(max_norm)
        return true_clip(parameters, max_norm)

    def step():
        norms.append(nn.utils.get_total_norm([p.grad for p in trainer.learns]).item())
        return true_step()

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", clip)
    monkeypatch.setattr(trainer.optimizer, "step", step)
    trainer.train()
    assert clipped == [1e-3] * n_steps
    assert norms == pytest.approx([1e-3] * n_steps, rel=1e-2)
    assert trainer.progress.step == trainer.n_steps == n_steps


@pytest.mark.parametrize("task", ["classification", "ner"])
@pytest.mark.parametrize("variant", ["full", "lora all"])
def test_a_step_over_micro_batches_equals_one_over_their_union(tmp_path, task, variant):
    after = []
    for cuts in ([[0, 1, 2, 3, 4, 5]], [[0, 1], [2, 3], [4, 5]], [[0, 1, 2, 3, 4], [5]]):
        setup = setup_of(task, variant, warmup=0.0)
        setup.model.double().eval()  # no dropout; digits to spare, for AdamW divides by |gradient|
        trainer = trainer_of(tmp_path / str(len(after)), setup)
        trainer._step([trainer.collate(indices) for indices in cuts])
        after.append(weights(setup.model))
    for other in after[1:]:
        for name, expected in after[0].items():
            torch.testing.assert_close(other[name], expected, rtol=1e-4, atol=1e-6)


def test_every_strategy_sees_the_same_batches(tmp_path):
    orders = set()
    for variant in ("full", "lora", "features mlp last"):
        trainer = trainer_of(tmp_path / variant, setup_of(variant=variant))
        orders.add(str([trainer.steps(epoch) for epoch in range(3)]))
    assert len(orders) == 1
    one, other = trainer.steps(0), trainer.steps(1)
    assert one != other
    for order in (one, other):
        assert sorted(chain.from_iterable(order)) == list(range(len(TRAIN)))
    another = trainer_of(tmp_path / "seed", setup_of(seed=7))
    assert another.steps(0) != one


def test_k_micro_batches_of_b_hold_the_examples_of_one_batch_of_k_times_b(tmp_path):
    one = trainer_of(tmp_path / "one", setup_of(batch_size=6, accumulate=1))
    other = trainer_of(tmp_path / "other", setup_of(batch_size=2, accumulate=3))
    assert one.n_steps == other.n_steps
    assert [one.steps(epoch) for epoch in range(3)] == [other.steps(epoch) for epoch in range(3)]


def test_a_gradient_that_is_not_finite_changes_no_weight(tmp_path):
    trainer = trainer_of(tmp_path, setup_of(variant="full"))
    trainer.learns[0].register_hook(lambda gradient: gradient * math.nan)
    before = weights(trainer.model)
    with pytest.raises(ValueError, match=r"the gradient norm became nan in epoch 1"):
        trainer.train()
    after = weights(trainer.model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_strategy_may_hold_layers_back_for_some_epochs(monkeypatch, tmp_path):
    """What is held back stays as it was, is saved, and a resumed run goes on."""

    def unfreezing():
        setup = setup_of(variant="full")
        first = setup.model.backbone.blocks[0].module
        setup.model.adaptor.start_epoch = lambda epoch, _: first.requires_grad_(epoch > 0)
        return setup, first

    setup, first = unfreezing()
    held = weights(first)
    with pytest.raises(KeyboardInterrupt):
        trainer_of(tmp_path, setup, stop=StopAfter(4)).train()
    assert all(torch.equal(held[name], p) for name, p in weights(first).items())
    setup, first = unfreezing()
    resumed = trainer_of(tmp_path, setup, resume=True)
    scripted(monkeypatch, resumed, [0.1, 0.2])  # the last epoch is the best
    assert set(load_file(resumed.run.learned)) == set(setup.model.learned())
    assert not any(torch.equal(held[name], p) for name, p in weights(first).items())


@pytest.mark.parametrize("task", ["classification", "ner"])
def test_evaluation_does_not_depend_on_the_batches(monkeypatch, task):
    setup = setup_of(task)
    made = examples(setup.task, TRAIN)
    expected, logits = evaluate(setup, made, "test")
    for n_tokens in (1, 13, 40):
        monkeypatch.setitem(TOKENS, "cpu", n_tokens)
        scores, again = evaluate(setup, made, "test")
        assert scores == pytest.approx(expected, rel=1e-5)
        for one, other in zip(logits, again, strict=True):
            torch.testing.assert_close(torch.tensor(one), torch.tensor(other))


@pytest.mark.parametrize("task", ["classification", "ner"])
def test_evaluation_answers_in_the_order_of_the_examples(task):
    setup = setup_of(task)
    made = examples(setup.task, TRAIN)  # of many lengths: batches are made by length
    _, logits = evaluate(setup, made, "test")
    _, reverse = evaluate(setup, made[::-1], "test")
    for example, one, other in zip(made, logits, reverse[::-1], strict=True):
        assert len(one) == (len(example.positions) if task == "ner" else 3)
        torch.testing.assert_close(torch.tensor(one), torch.tensor(other))
        (alone,) = evaluate(setup, [example], "test")[1]
        torch.testing.assert_close(torch.tensor(one), torch.tensor(alone))


def test_evaluation_turns_dropout_off_and_keeps_no_graph():
    setup = setup_of("ner", "lora all")
    setup.model.train()
    made = examples(setup.task, TRAIN)
    assert evaluate(setup, made, "test")[0] == evaluate(setup, made, "test")[0]
    assert not any(module.training for module in setup.model.modules())
    assert all(p.grad is None for p in setup.model.parameters())


class StopAfter:
    """Asks to stop at the n-th poll; counts the polls."""

    def __init__(self, n=10**9):
        self.n, self.polls = n, 0

    def __call__(self):
        self.polls += 1
        return self.polls == self.n


N_POLLS = 2 + 2 * (3 + 1)  # untrained validation and test; twice three steps and a validation


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    stop = StopAfter()
    trainer = trainer_of(tmp_path_factory.mktemp("loop") / "whole", resumable(), stop=stop)
    trainer.train()
    assert stop.polls == N_POLLS
    return trainer


def resumable():
    return setup_of("ner", "lora all")  # it has dropout, in the backbone and of its own


def ends_alike(trainer, expected):
    return (
        same(weights(trainer.model), weights(expected.model))
        and trainer.run.metrics.read_bytes() == expected.run.metrics.read_bytes()
        and same(load_file(trainer.run.learned), load_file(expected.run.learned))
        and trainer.scores_before == expected.scores_before
        and trainer.progress.n_examples == expected.progress.n_examples
        and trainer.progress.best_loss == expected.progress.best_loss
    )


@pytest.mark.parametrize("n", range(1, N_POLLS + 1))
def test_a_run_stopped_anywhere_ends_as_if_it_had_not_been(tmp_path, uninterrupted, n):
    stopped = trainer_of(tmp_path, resumable(), stop=StopAfter(n))
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    torch.manual_seed(123)  # another process stands elsewhere in its random stream
    resumed = trainer_of(tmp_path, resumable(), resume=True)
    resumed.train()
    assert ends_alike(resumed, uninterrupted)


def test_the_time_of_evaluations_goes_on_when_a_run_is_resumed(tmp_path):
    """Stopped in the second epoch: 8 held-out texts before training, 4 after the first epoch."""
    stopped = trainer_of(tmp_path, resumable(), stop=StopAfter(7))
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    before = stopped.progress
    assert before.n_evaluated == 8 + 4
    assert before.evaluation_seconds > 0
    resumed = trainer_of(tmp_path, resumable(), resume=True)
    assert resumed.progress.evaluation_seconds == before.evaluation_seconds
    resumed.train()
    assert resumed.progress.n_evaluated == 8 + 4 + 4
    assert resumed.progress.evaluation_seconds > before.evaluation_seconds
    timings = [json.loads(line) for line in resumed.run.timings.read_text().splitlines()]
    assert timings[-1]["seconds/evaluation"] == resumed.progress.evaluation_seconds
    assert timings[-1]["seconds/training"] == resumed.progress.seconds


def test_a_run_stopped_four_times_ends_as_if_it_had_not_been(tmp_path, uninterrupted):
    """Within the first epoch, in its evaluation, there again, and within the second epoch."""
    for resume, n in [(False, 4), (True, 2), (True, 1), (True, 3)]:
        trainer = trainer_of(tmp_path, resumable(), stop=StopAfter(n), resume=resume)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    resumed = trainer_of(tmp_path, resumable(), resume=True)
    resumed.train()
    assert ends_alike(resumed, uninterrupted)


def test_a_run_killed_between_two_saves_goes_on_from_the_first(tmp_path, uninterrupted):
    """What it had written since then is cut off, not written twice."""

    class Killed(BaseException):
        pass

    def kill(line):
        def step(*arguments):
            trainer.recorder.metrics(99, {"train/loss": 99.0})
            raise Killed

        trainer._step = step

    trainer = trainer_of(tmp_path, resumable(), report=kill)
    with pytest.raises(Killed):
        trainer.train()
    assert records(trainer)[-1]["step"] == 99
    resumed = trainer_of(tmp_path, resumable(), resume=True)
    resumed.train()
    assert ends_alike(resumed, uninterrupted)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    stopped = trainer_of(tmp_path, stop=StopAfter(4))
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    setup = setup_of()
    other = Setup(setup.config, setup.task, setup.model, "0" * 16, CPU, torch.float32)
    with pytest.raises(ValueError, match="saved with backbone fingerprint"):
        trainer_of(tmp_path, other, resume=True)


@pytest.mark.parametrize("variant", ["lora", "lora all", "adapter parallel", "features mlp mix"])
def test_frozen_layers_in_bfloat16_give_the_numbers_of_autocast(variant):
    plain, stored = setup_of(variant=variant), setup_of(variant=variant, dtype=torch.bfloat16)
    batch = plain.task.collate(examples(plain.task, HELD_OUT))
    with autocast(CPU, torch.bfloat16):
        expected = plain.model.eval()(batch)
        assert torch.equal(stored.model.eval()(batch), expected)
    assert not torch.equal(plain.model(batch), expected)
    frozen = [
        module
        for module in stored.model.backbone.modules()
        if type(module) is nn.Linear and not module.weight.requires_grad
    ]
    assert len(frozen) == 12  # six projections in two layers
    assert {p.dtype for module in frozen for p in module.parameters()} == {torch.bfloat16}


SUMMARIZING = ["t5", "mt5", "bart", "encoder-decoder", "bert", "roberta"]
ALL_FAMILIES = [
    *("bert", "roberta", "deberta-v2", "gpt2", "llama", "qwen2", "t5", "mt5", "bart"),
    "encoder-decoder",
]
STORED = [
    *((v, "bert", "ner") for v in VARIANTS),
    *(("lora all", family, "ner") for family in ALL_FAMILIES),
    *(("lora all", family, "summarization") for family in SUMMARIZING),
]


@pytest.mark.parametrize(("variant", "family", "task"), STORED)
def test_storing_frozen_layers_changes_no_number_of_autocast(variant, family, task):
    """Neither a logit nor a gradient, whatever the strategy, the network and the head."""
    model, made = adapted(variant, family, task)
    batch = made.collate(examples(made, HELD_OUT))
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        model.store_frozen(dtype)
        model.eval().zero_grad()
        with autocast(CPU, torch.bfloat16):
            logits = model(batch)
        made.loss_sum(logits, batch).backward()
        found.append([logits, *(p.grad for p in model.parameters() if p.grad is not None)])
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("variant", ["full", "lora", "adapter houlsby", "features mlp mix"])
def test_what_learns_stays_in_float32(tmp_path, variant):
    setup = setup_of(variant=variant, dtype=torch.bfloat16, epochs=4)
    trainer = trainer_of(tmp_path, setup)
    trainer.train()
    assert {p.dtype for p in trainer.learns} == {torch.float32}
    states = [value for state in trainer.optimizer.state.values() for value in state.values()]
    assert {value.dtype for value in states} == {torch.float32}
    assert {tensor.dtype for tensor in setup.model.learned().values()} == {torch.float32}
    losses = [r["train/loss_of_epoch"] for r in records(trainer) if "epoch" in r]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("variant", ["full", "gradual_unfreezing"])
def test_decay_toward_the_pretrained_weights_keeps_them_near(monkeypatch, tmp_path, variant):
    """The stronger the decay, the nearer the matrices end; toward zero, they end far away."""
    distances = []
    for i, (toward, decay) in enumerate(
        [("zero", 20.0), ("pretrained", 0.0), ("pretrained", 2.0), ("pretrained", 20.0)]
    ):
        options = {"decay_toward": toward, "weight_decay": decay}
        trainer = trainer_of(tmp_path / str(i), setup_of(variant=variant, **options))
        matrices = trainer.model.learning_matrices()
        starts = [p.detach().clone() for p in matrices]
        scripted(monkeypatch, trainer, [0.1, 0.2])  # the last epoch is the best
        distances.append(sum((p - s).norm().item() for p, s in zip(matrices, starts, strict=True)))
    away, free, *held = distances
    assert away > free > held[0] > held[1] > 0
