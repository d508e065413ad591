"""Adapted tiny models: every strategy, with the options that change its form, on every family."""

import random

import torch
from tiny import tiny_backbone, tiny_tokenizer

from tl import build
from tl.config import Config
from tl.data.batch import Example
from tl.data.records import Dataset
from tl.model import AdaptedModel
from tl.registry import STRATEGIES, TASKS, options_of, resolve
from tl.tasks.base import Task
from tl.tasks.ner import Target
from tl.tasks.summarization import Target as Summary

VARIANTS = {
    "full": ("full", {}),
    "layerwise_lr": ("layerwise_lr", {}),
    "features linear last": ("feature_extraction", {"head": "linear"}),
    "features linear mix": ("feature_extraction", {"head": "linear", "states": "mix"}),
    "features mlp last": ("feature_extraction", {}),
    "features mlp mix": ("feature_extraction", {"states": "mix"}),
    "features transformer last": ("feature_extraction", {"head": "transformer"}),
    "features transformer mix": ("feature_extraction", {"head": "transformer", "states": "mix"}),
    "adapter houlsby": ("adapter", {"size": 4}),
    "adapter pfeiffer": ("adapter", {"size": 4, "placement": "pfeiffer", "norms": False}),
    "adapter parallel": ("adapter", {"size": 4, "placement": "parallel", "scale": 2.0}),
    "adapter upper": ("adapter", {"size": 4, "layers": (1,)}),
    "lora": ("lora", {"r": 2}),
    "lora all": ("lora", {"r": 2, "targets": ("all",), "dropout": 0.2}),
    "lora fast B": ("lora", {"r": 2, "rslora": True, "lr_ratio": 4.0, "layers": (1,)}),
    "dora": ("lora", {"r": 2, "dora": True}),
    "prefix": ("prefix", {"length": 3}),
    "prefix by mlp": ("prefix", {"length": 3, "hidden": 5}),
    "prompt random": ("prompt", {"length": 3, "init": "random"}),
    "prompt labels": ("prompt", {"length": 4, "init": "labels"}),
    "bitfit": ("bitfit", {}),
    "ia3": ("ia3", {}),
    "gradual_unfreezing": ("gradual_unfreezing", {"per_epoch": 1}),
}
WITHOUT_BIAS = ("llama", "mistral", "t5", "mt5")
# What a family cannot carry, and a part of the reason that is given.
REFUSED = {("bitfit", family): "bitfit trains biases, and .* has none" for family in WITHOUT_BIAS}
RECORDS = {
    "classification": [{"text": "", "label": label} for label in ("bad", "fair", "good")],
    "ner": [{"tokens": ["Oslo"], "ner_tags": [f"B-{name}"]} for name in ("LOC", "ORG")],
    "summarization": [{"text": "anna saw the rainy day", "summary": "a bad day"}],
}


def config_of(task: str, variant: str, **options) -> Config:
    """A configuration as the command line makes it."""
    strategy, strategy_options = VARIANTS[variant]
    made = options_of(STRATEGIES, strategy, "strategy")(**strategy_options)
    return Config(
        task=task,
        strategy=strategy,
        strategy_options=made,
        task_options=options_of(TASKS, task, "task")(max_length=40),
        **({"lr": made.default_lr, "device": "cpu", "precision": "fp32"} | options),
    )


def task_of(config: Config) -> Task:
    """The task over encoded examples: of its data only the labels count."""
    dataset = Dataset("tiny", {"train": RECORDS[config.task]})
    return resolve(TASKS, config.task, "task")(config.task_options, dataset, tiny_tokenizer())


def adapted(variant: str, family: str, task: str, **options) -> tuple[AdaptedModel, Task]:
    """A tiny backbone with a strategy attached, and heads for a task."""
    config = config_of(task, variant, **options)
    made = task_of(config)
    return build.adapt(tiny_backbone(family, generates=made.generates), config, made), made


def examples(task: Task, lengths: list[int], seed: int = 0) -> list[Example]:
    """Encoded examples of these lengths, which a model can learn: an id decides each label.

    In a sentence for `ner` about half of the positions are targets, so that their number is ragged.
    """
    draw, n_labels = random.Random(seed), len(task.labels)
    made = []
    for i, length in enumerate(lengths):
        if task.name == "summarization":  # every other word of the text
            ids = [draw.randrange(5, 40) for _ in range(length)]
            target = Summary([*ids[::2], task.end_id], "")
            made.append(Example(str(i), {"input_ids": ids}, target))
            continue
        ids = [draw.randrange(4, 4 + 2 * n_labels) for _ in range(length)]
        labels = [(id - 4) % n_labels for id in ids]
        if task.name == "ner":
            positions = sorted(draw.sample(range(length), max(1, length // 2)))
            target = Target([labels[p] for p in positions], list(range(len(positions))))
            made.append(Example(str(i), {"input_ids": ids}, target, positions))
        else:
            made.append(Example(str(i), {"input_ids": ids}, labels[-1]))
    return made


def logits_of(model: AdaptedModel, task: Task, made: list[Example]) -> list[torch.Tensor]:
    """The logits of each example, from one batch, in eval mode."""
    model.eval()
    with torch.no_grad():
        batch = task.collate(made)
        return [torch.from_numpy(one) for one in task.predict(model(batch), batch)]
