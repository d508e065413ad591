"""What every strategy owes, on every family and for every task."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import safetensors.torch
import torch
from adapted import REFUSED, VARIANTS, adapted, config_of, examples, logits_of, task_of
from tiny import tiny_backbone
from torch import nn

from tl import build, optim
from tl.checkpoint import fingerprint, load_learned, save_learned
from tl.data.batch import chunks
from tl.dead import Silence
from tl.registry import FAMILIES, STRATEGIES

# These are others with another vocabulary, or without biases: that they are cut alike is tested
# with the backbones.
ALIKE = ("xlm-roberta", "mistral", "t5")
FAMILIES_HERE = [family for family in FAMILIES if family not in ALIKE]
TASKS = ("classification", "ner")
ADAPTERS = [v for v in VARIANTS if "adapter" in v]
VIRTUAL = [v for v in VARIANTS if v.startswith(("prefix", "prompt"))]
NO_OPS = [v for v in VARIANTS if v not in ADAPTERS + VIRTUAL and "mix" not in v]
LENGTHS = [5, 2, 7, 3]

every_task = pytest.mark.parametrize("task_name", TASKS)
every_family = pytest.mark.parametrize("family", FAMILIES_HERE)


def pairs(variants=tuple(VARIANTS)):
    """Every variant on every family that carries it."""
    carried = [(v, f) for v in variants for f in FAMILIES_HERE if (v, f) not in REFUSED]
    return pytest.mark.parametrize(("variant", "family"), carried)


every_pair = pairs()


@pytest.mark.parametrize(("variant", "family"), REFUSED)
def test_what_a_family_cannot_carry_is_refused_with_the_reason(variant, family):
    with pytest.raises(ValueError, match=REFUSED[variant, family]):
        adapted(variant, family, "classification")


@every_task
@every_pair
def test_what_is_said_to_learn_moves_and_nothing_else(variant, family, task_name):
    model, task = adapted(variant, family, task_name)
    batch = task.collate(examples(task, LENGTHS))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    # Without decay: a weight that only decays gets no gradient.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    groups = build.param_groups(model, config_of(task_name, variant))
    silence = Silence(groups, {p: name for name, p in model.named_parameters()})
    silent = silence.start()
    model.train()
    for _ in range(3):  # LoRA's A has zero gradient until B has moved
        task.loss_sum(model(batch), batch).backward()
        silence.listen(silent)
        optimizer.step()
        optimizer.zero_grad()
    after = dict(model.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved - learns == set()
    assert learns - moved == set()
    assert silent == {}  # nothing learns in name only
    assert any(name.startswith("heads.") for name in learns)


def hidden_before_and_after(variant, family, change=lambda model: None):
    """What the backbone says alone of real tokens, and what the heads see once adapted."""
    model, task = adapted(variant, family, "classification")
    inputs = task.collate(examples(task, LENGTHS)).inputs
    change(model)
    model.eval()
    backbone, real = tiny_backbone(family), inputs["attention_mask"].bool()
    with torch.no_grad():
        before = backbone(backbone.complete(inputs)).last_hidden_state
        after = model.adaptor.after(model.read(inputs))[:, -real.shape[1] :]
    return before[real], after[real]


@pairs(NO_OPS)
def test_attaching_changes_no_state(variant, family):
    before, after = hidden_before_and_after(variant, family)
    if variant == "dora":  # it adds the bias after the factor m/‖V‖ = 1, in a kernel of its own
        torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    else:
        assert torch.equal(after, before)


@pairs(ADAPTERS)
def test_attaching_adapters_changes_the_states_by_very_little(variant, family):
    before, after = hidden_before_and_after(variant, family)
    difference = (after - before).abs().max().item()
    assert 0 < difference < 1e-2


@pairs(ADAPTERS)
def test_adapters_without_an_update_change_nothing(variant, family):
    def silence(model):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if ".adapter.up." in name:
                    parameter.zero_()

    before, after = hidden_before_and_after(variant, family, silence)
    assert torch.equal(after, before)


def stir(model, size=0.3):
    """Give everything that learns values that no initialisation would give."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(size * torch.randn_like(parameter))


@every_task
@every_pair
def test_what_was_learned_comes_back_from_its_file(variant, family, task_name, tmp_path):
    model, task = adapted(variant, family, task_name, seed=1)
    mark = fingerprint(tiny_backbone(family))
    torch.manual_seed(0)
    stir(model)
    path = tmp_path / "learned.safetensors"
    save_learned(path, model.learned(), {"labels": task.labels, "backbone": mark})
    torch.manual_seed(99)
    again, _ = adapted(variant, family, task_name, seed=2)
    data = examples(task, LENGTHS)
    expected = logits_of(model, task, data)
    assert not torch.allclose(logits_of(again, task, data)[0], expected[0], atol=1e-3)
    load_learned(path, again.learned(), mark)
    for found, wanted in zip(logits_of(again, task, data), expected, strict=True):
        assert torch.equal(found, wanted)


@every_pair
def test_the_file_holds_what_learns_and_nothing_frozen(variant, family):
    model, _ = adapted(variant, family, "ner")
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert model.learned().keys() == learns


@pairs(["full", "features mlp mix", "adapter houlsby", "lora"])
def test_a_file_that_does_not_fit_is_refused(variant, family, tmp_path):
    model, _ = adapted(variant, family, "classification")
    path = tmp_path / "learned.safetensors"
    learned = model.learned()
    name = sorted(learned)[-1]
    less = {key: tensor for key, tensor in learned.items() if key != name}
    wider = learned | {name: torch.zeros(*learned[name].shape, 1)}
    for wrong in (less, learned | {"surplus": torch.zeros(1)}, wider):
        save_learned(path, wrong, {"labels": ["a", "b"], "backbone": "0"})
        with pytest.raises(ValueError, match=f"1 tensors differ.*({re.escape(name)}|surplus)"):
            load_learned(path, learned, "0")
    assert sorted(safetensors.torch.load_file(path)) == sorted(learned)


@pairs(["full", "lora"])
def test_what_was_learned_on_another_backbone_is_refused(variant, family, tmp_path):
    model, task = adapted(variant, family, "classification")
    backbone = tiny_backbone(family)
    mark = fingerprint(backbone)
    with torch.no_grad():
        backbone.blocks[1].attention.query.module.weight[0, 0] += 1e-3
    other = fingerprint(backbone)
    path = tmp_path / "learned.safetensors"
    save_learned(path, model.learned(), {"labels": task.labels, "backbone": mark})
    load_learned(path, model.learned(), mark)
    with pytest.raises(ValueError, match=f"fingerprint {mark}, this one has {other}"):
        load_learned(path, model.learned(), other)


@every_pair
def test_parameter_groups_are_a_partition_by_place_and_dimension(variant, family):
    model, _ = adapted(variant, family, "classification")
    groups = build.param_groups(model, config_of("classification", variant, weight_decay=0.1))
    optim.check_partition(groups, model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    grouped = [names[id(p)] for group in groups for p in group.params]
    assert sorted(grouped) == sorted(n for n, p in model.named_parameters() if p.requires_grad)
    assert len({group.name for group in groups}) == len(groups)
    for group in groups:
        place, _, suffix = group.name.partition("/")
        assert re.fullmatch(r"stem|block\d\d|top|adaptor|head", place)
        assert suffix in ("", "no_decay", "B")  # B: LoRA+'s matrices
        vectors = {p.ndim < 2 for p in group.params}
        assert vectors == {suffix == "no_decay"}
        assert group.weight_decay == (0.0 if suffix == "no_decay" else 0.1)
        for parameter in group.params:
            is_head = names[id(parameter)].startswith("heads.")
            assert is_head == (place == "head")
            is_own = names[id(parameter)].startswith("adaptor.")
            assert is_own == (place == "adaptor")


@every_pair
def test_a_group_holds_the_parameters_of_the_part_that_it_is_named_after(variant, family):
    model, _ = adapted(variant, family, "ner")
    groups = build.param_groups(model, config_of("ner", variant))
    for part, modules in model.backbone.parts():
        expected = {p for m in modules for p in m.parameters() if p.requires_grad}
        found = {p for g in groups if g.name.partition("/")[0] == part for p in g.params}
        assert found == expected


@every_family
@pytest.mark.parametrize("kind", ["linear", "mlp", "transformer"])
def test_one_seed_gives_every_strategy_the_same_head(kind, family):
    """Pairs of runs can be compared: they differ by strategy, not by the luck of their heads."""
    featured = [v for v in VARIANTS if v.startswith("features")]
    alike = [v for v in featured if f" {kind} " in v]
    alike += [
        v for v in VARIANTS if v not in featured and kind == "linear" and (v, family) not in REFUSED
    ]
    assert len(alike) >= 2
    heads = [adapted(v, family, "ner", seed=3)[0].heads.state_dict() for v in alike]
    for one, other in pairwise(heads):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    another = adapted(alike[0], family, "ner", seed=4)[0].heads.state_dict()
    assert not all(torch.equal(another[name], heads[0][name]) for name in another)


@every_family
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_leaves_the_random_stream_as_it_was(strategy, family):
    """Else the dropout masks, and all that is drawn later, would depend on the strategy."""
    variants = [v for v, (name, _) in VARIANTS.items() if name == strategy]
    assert variants, f"add {strategy} to VARIANTS"
    for variant in [v for v in variants if (v, family) not in REFUSED]:
        config = config_of("ner", variant)
        task, backbone = task_of(config), tiny_backbone(family)
        before = torch.get_rng_state()
        build.adapt(backbone, config, task)
        assert torch.equal(torch.get_rng_state(), before), variant


def padded_on_the_left(batch):
    """The same rows, turned until their padding stands on the left; labels of tokens with them."""
    lengths = batch.inputs["attention_mask"].sum(dim=1).tolist()

    def turn(rows):
        t = rows.shape[1]
        return torch.stack([row.roll(t - n) for row, n in zip(rows, lengths, strict=True)])

    inputs = {name: turn(rows) for name, rows in batch.inputs.items()}
    labels = turn(batch.labels) if batch.labels.ndim == 2 else batch.labels
    return replace(batch, inputs=inputs, labels=labels)


@every_task
@every_pair
def test_padding_on_either_side_changes_no_logit(variant, family, task_name):
    """In float64: a random network can make much of the last digit of a float32 product."""
    model, task = adapted(variant, family, task_name)
    torch.manual_seed(0)
    stir(model)
    model.double()
    data = examples(task, LENGTHS)
    together = logits_of(model, task, data)
    for example, found in zip(data, together, strict=True):
        (alone,) = logits_of(model, task, [example])
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    right = task.collate(data)
    left = padded_on_the_left(right)
    assert not torch.equal(left.inputs["attention_mask"], right.inputs["attention_mask"])
    with torch.no_grad():
        losses = [task.loss_sum(model(batch), batch) for batch in (left, right)]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


def gradients(model, task, batches):
    """As the loop makes them: each batch gives its share of the mean over all targets."""
    n_targets = sum(batch.n_targets for batch in batches)
    model.zero_grad()
    for batch in batches:
        (task.loss_sum(model(batch), batch) / n_targets).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@every_task
@every_pair
def test_micro_batches_add_up_to_the_gradient_of_one_batch(variant, family, task_name):
    model, task = adapted(variant, family, task_name)
    torch.manual_seed(0)
    stir(model)
    model.double().eval()  # no dropout: its masks would depend on the cut
    data = examples(task, LENGTHS)
    whole = [task.collate(data)]
    parts = [task.collate(part) for part in chunks(data, 3)]  # 3 examples, then 1
    assert len({batch.n_targets for batch in parts}) == 2
    expected, found = gradients(model, task, whole), gradients(model, task, parts)
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert found.keys() == expected.keys() == learns
    for name in learns:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-6)


@every_pair
def test_gradient_checkpointing_changes_no_gradient(variant, family):
    """With dropout on: a layer that is computed again draws the masks that it drew before."""
    model, task = adapted(variant, family, "ner")
    torch.manual_seed(0)
    stir(model)
    model.train()
    batches = [task.collate(examples(task, LENGTHS))]
    torch.manual_seed(1)
    expected = gradients(model, task, batches)
    model.backbone.checkpoint_activations()
    runs = []
    lowest = model.backbone.blocks[0].attention.query.module
    lowest.register_forward_hook(lambda *_: runs.append(1))
    torch.manual_seed(1)
    found = gradients(model, task, batches)
    # DeBERTa's one projection of keys and queries works for positions too.
    per_pass = 1 + (family == "deberta-v2")
    low = [*model.backbone.stem, model.backbone.blocks[0].module, model.adaptor]
    learns_low = any(p.requires_grad for module in low for p in module.parameters())
    assert len(runs) == per_pass * (1 + (learns_low and not model.backbone.fixed))
    assert (
        found.keys()
        == expected.keys()
        == {n for n, p in model.named_parameters() if p.requires_grad}
    )
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-6, atol=1e-7)


MERGED = [v for v in VARIANTS if v.startswith(("lora", "dora", "ia3", "full", "bitfit"))]
UNMERGED = {
    "adapter houlsby": "layers of their own, with a nonlinearity",
    "prefix": "adds keys and values that no weight",
    "prompt random": "is an input, not a weight",
    "features mlp mix": "a learned mix of all layers is not a weight",
}


@pairs(MERGED)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_a_merged_network_says_the_same_and_comes_apart_again(variant, family, dtype, close):
    model, task = adapted(variant, family, "classification")
    torch.manual_seed(0)
    # Small steps, as training makes them: T5's unscaled scores magnify the rounding of large ones.
    stir(model.to(dtype).eval(), 0.02 if dtype is torch.float32 else 0.3)
    batch = task.collate(examples(task, LENGTHS))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        expected = model(batch)
        unmerge = model.adaptor.merge(model.backbone)
        for block in model.backbone.blocks:
            assert all(type(slot.module) is nn.Linear for slot in block.projections().values())
        torch.testing.assert_close(model(batch), expected, rtol=close, atol=close)
        unmerge()
        assert torch.equal(model(batch), expected)
    after = dict(model.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pairs([v for v in MERGED if v.startswith(("lora", "dora", "ia3"))])
def test_what_is_not_finite_is_not_merged(variant, family):
    model, _ = adapted(variant, family, "classification")
    learned = [p for n, p in model.named_parameters() if p.requires_grad and "heads" not in n]
    with torch.no_grad():
        learned[-1].flatten()[0] = torch.nan
    types = [type(module) for module in model.modules()]
    with pytest.raises(ValueError, match="a learned weight is not finite"):
        model.adaptor.merge(model.backbone)
    assert [type(module) for module in model.modules()] == types


@pairs(UNMERGED)
def test_what_plain_weights_cannot_carry_is_not_merged(variant, family):
    model, _ = adapted(variant, family, "classification")
    with pytest.raises(ValueError, match=UNMERGED[variant]):
        model.adaptor.merge(model.backbone)
