"""The contract of every strategy on every network that summarizes."""

import pytest
import torch
from adapted import REFUSED as REFUSED_PAIRS
from adapted import VARIANTS, adapted, config_of, examples, task_of
from tiny import tiny_backbone, tiny_network
from torch import nn

from tl import build
from tl.data.batch import chunks

FAMILIES = ["t5", "mt5", "bart", "encoder-decoder", "bert", "roberta"]
PAIRED = ("bert", "roberta")
LENGTHS = [6, 4, 7, 3]
ADAPTED = [v for v in VARIANTS if not v.startswith("features")]
PAIRS = [(v, f) for v in ADAPTED for f in FAMILIES if (v, f) not in REFUSED_PAIRS]
every_pair = pytest.mark.parametrize(("variant", "family"), PAIRS)


def logits_of(model, task, data):
    model.eval()
    with torch.no_grad():
        return model(task.collate(data))


@every_pair
def test_what_learns_moves_and_nothing_else(variant, family):
    model, task = adapted(variant, family, "summarization")
    model.adaptor.start_epoch(9, model.backbone)  # of gradual unfreezing: when all have joined
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learns == set(model.learned())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    batch = task.collate(examples(task, LENGTHS))
    for _ in range(3):
        task.loss_sum(model(batch), batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == learns


@every_pair
def test_a_summary_has_the_logits_that_it_has_alone(variant, family):
    model, task = adapted(variant, family, "summarization")
    data = examples(task, LENGTHS)
    together = logits_of(model, task, data)
    for row, example in zip(together, data, strict=True):
        (alone,) = logits_of(model, task, [example])
        torch.testing.assert_close(row[: len(alone)], alone, rtol=1e-5, atol=1e-5)


@every_pair
def test_accumulated_gradients_are_those_of_the_whole_batch(variant, family):
    model, task = adapted(variant, family, "summarization")
    model.double().eval()
    data = examples(task, LENGTHS)
    found = []
    for size in (4, 3):
        model.zero_grad()
        batches = [task.collate(part) for part in chunks(data, size)]
        n_targets = sum(batch.n_targets for batch in batches)
        for batch in batches:
            (task.loss_sum(model(batch), batch) / n_targets).backward()
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("variant", ["lora all", "ia3", "full", "bitfit"])
@pytest.mark.parametrize("family", FAMILIES)
def test_untrained_logits_are_those_of_the_original(variant, family):
    """Also: the original shifts labels to the right as we do."""
    if (variant, family) in REFUSED_PAIRS:
        pytest.skip("refused")
    model, task = adapted(variant, family, "summarization")
    batch = task.collate(examples(task, LENGTHS))
    network = tiny_network(family, generates=True).eval()
    with torch.no_grad():
        expected = network(**batch.inputs).logits
    torch.testing.assert_close(logits_of(model, task, batch.examples), expected)


@every_pair
def test_the_groups_are_a_partition_with_the_output_layer_in_the_head(variant, family):
    model, _ = adapted(variant, family, "summarization")
    config = config_of("summarization", variant)
    groups = build.param_groups(model, config)
    grouped = [p for group in groups for p in group.params]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {p for p in model.parameters() if p.requires_grad}
    of_head = {p for g in groups if g.name.startswith("head") for p in g.params}
    assert of_head == set(model.backbone.new)
    assert bool(of_head) == (family in PAIRED)


@every_pair
def test_what_was_learned_gives_the_same_summaries_in_another_model(variant, family):
    """Another seed, so that whatever is not loaded would differ."""
    model, task = adapted(variant, family, "summarization", seed=1)
    with torch.no_grad():
        for tensor in model.learned().values():
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(2)))
    config = config_of("summarization", variant, seed=2)
    backbone = tiny_backbone(family, generates=True)
    with torch.no_grad():
        for parameter in backbone.new:
            parameter.normal_()
    other = build.adapt(backbone, config, task_of(config))
    for name, tensor in other.learned().items():
        tensor.copy_(model.learned()[name])
    data = examples(task, LENGTHS)
    assert torch.equal(logits_of(model, task, data), logits_of(other, task, data))


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_weights_in_half_precision_leave_the_embeddings_alone(family):
    """The output layer may be tied to them: half of its precision must not become theirs."""
    model, _ = adapted("lora", family, "summarization")
    model.store_frozen(torch.bfloat16)
    assert model.backbone.embedding.weight.dtype == torch.float32
    projections = [s.module for b in model.backbone.blocks for s in b.projections().values()]
    frozen = [m for m in projections if isinstance(m, nn.Linear)]
    assert {m.weight.dtype for m in frozen} == {torch.bfloat16}
