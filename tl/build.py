"""From a configuration to everything that a run needs: data, task, model, groups."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tl import device, seed
from tl.backbones import pretrained
from tl.backbones.base import Backbone
from tl.backbones.pretrained import Form
from tl.backbones.tokenizer import load_tokenizer
from tl.checkpoint import fingerprint
from tl.config import Config
from tl.data.batch import Batch
from tl.data.records import Dataset
from tl.data.subset import nested_subset
from tl.mixout import mix
from tl.model import AdaptedModel, count
from tl.optim import ParamGroup
from tl.registry import STRATEGIES, TASKS, resolve
from tl.runs import environment
from tl.tasks.base import Task


@dataclass(frozen=True)
class Setup:
    """A configuration, made real."""

    config: Config
    task: Task
    model: AdaptedModel
    backbone_fingerprint: str
    device: torch.device
    dtype: torch.dtype  # of matrix products

    def share(
        self, batch: Batch, model: Callable[[Batch], Tensor] | None = None, n_targets: int = 0
    ) -> Tensor:
        """The loss of a batch, as its share of the mean over all targets of its step.

        Args:
            batch: on the model's device.
            model: what answers; by default the model of the run.
            n_targets: of the step; by default the batch is all of it.
        """
        with device.autocast(self.device, self.dtype):
            output = (model or self.model)(batch)
        loss = self.task.loss_sum(output, batch, self.config.label_smoothing)
        return loss / max(1, n_targets or batch.n_targets)

    def environment(self) -> dict[str, object]:
        """What `env.json` holds: machine, code and data of the run."""
        dataset = self.task.dataset
        return environment() | {
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "n_threads": torch.get_num_threads(),
            "precision": str(self.dtype).removeprefix("torch."),
            "backbone_fingerprint": self.backbone_fingerprint,
            "data_fingerprint": dataset.fingerprint,
            "data_examples": {split: len(records) for split, records in dataset.splits.items()},
            "data_warnings": [*dataset.warnings, *self.task.defects()],
        }

    def metadata(self) -> dict[str, object]:
        """What makes learned weights usable without the data they were learned from."""
        return {
            "labels": self.task.labels,
            "backbone": self.backbone_fingerprint,
            "columns": self.task.columns(),
        }

    def groups(self) -> list[ParamGroup]:
        """The optimizer's groups, named after what they hold."""
        return param_groups(self.model, self.config)


def load_data(config: Config) -> Dataset:
    """The data of a run; with `train_size`, a part of its training split."""
    task = resolve(TASKS, config.task, "task")
    columns = task.stratify(config.task_options)
    dataset = task.load(config.task_options, config.data, config.encoding)
    if config.train_size is None:
        return dataset
    records = dataset.splits["train"]
    if config.train_size > len(records):
        raise ValueError(
            f"--train-size {config.train_size}, but train has {len(records)} examples; "
            "give at most that many"
        )
    label = next((column for column in columns if column in dataset.columns("train")), None)
    train = nested_subset(records, label, config.train_size, config.seed)
    return replace(dataset, splits=dataset.splits | {"train": train})


def form_of(config: Config) -> Form:
    """What the run's backbone is for."""
    task = resolve(TASKS, config.task, "task")
    return Form(task.generates, config.decoder_layers, config.dropout)


def load_backbone(config: Config) -> Backbone:
    load = pretrained.random_backbone if config.init == "random" else pretrained.pretrained_backbone
    return load(config.model, config.seed, form_of(config))


def adapt(backbone: Backbone, config: Config, task: Task) -> AdaptedModel:
    """Attach the strategy and make the heads, each from a random stream of its own."""
    strategy = resolve(STRATEGIES, config.strategy, "strategy")
    adaptor = strategy(config.strategy_options)
    adaptor.check(backbone)
    task.prepare(backbone)
    check_length(config, backbone.n_positions, adaptor.n_virtual)
    pretrained = frozenset(backbone.parameters()) - backbone.new
    with seed.stream(config.seed, "init/strategy"):
        adaptor.attach(backbone)
        if task.tokenizer is not None:
            adaptor.start(task.piece_ids, task.labels)
    check_dropout(config, backbone)
    for parameter in backbone.new:
        parameter.requires_grad_(True)
    with seed.stream(config.seed, "init/head"):
        heads = task.heads(lambda n_out, pool: adaptor.head(backbone.hidden_size, n_out, pool))
    model = AdaptedModel(backbone, adaptor, heads, pretrained)
    hold_back(model, config)
    return model


def hold_back(model: AdaptedModel, config: Config) -> None:
    """Put mixout into a new model, and check that what should stay near its start has one.

    Raises:
        ValueError: if there is nothing to stay near to, or nothing that could leave.
    """
    if config.mixout_form != "column" and not config.mixout:
        raise ValueError(f"--mixout-form {config.mixout_form} needs --mixout P, with P in (0, 1)")
    asked = "--mixout" if config.mixout else "--decay-toward pretrained"
    if not config.mixout and config.decay_toward == "zero":
        return
    if config.init == "random":
        raise ValueError(f"{asked} needs pretrained weights, but --init random has none")
    if not model.learning_matrices():
        raise ValueError(
            f"{asked} holds learning weights near the pretrained ones, but --strategy "
            f"{config.strategy} keeps those frozen; leave it out"
        )
    if config.mixout:
        mix(model.backbone, model.pretrained, config.mixout, config.mixout_form)


def check_dropout(config: Config, backbone: Backbone) -> None:
    """Raise ValueError if a dropout is asked for where nothing drops."""
    if config.dropout is not None and backbone.fixed:
        raise ValueError(
            f"--dropout {config.dropout:g} is the backbone's, but --strategy {config.strategy} "
            "keeps it in evaluation mode, where nothing drops; leave it out"
        )


def check_length(config: Config, limit: int | None, n_virtual: int) -> None:
    """Raise ValueError unless the longest input has a position for every token, and virtual one."""
    longest = config.task_options.max_length
    if limit is None or longest + n_virtual <= limit:
        return
    beside = f" and {n_virtual} virtual tokens" if n_virtual else ""
    raise ValueError(
        f"--task.max-length {longest}{beside}, but {config.model} has positions for {limit} word "
        f"pieces only; add --task.max-length {limit - n_virtual}, or less"
    )


def param_groups(model: AdaptedModel, config: Config) -> list[ParamGroup]:
    return model.adaptor.param_groups(model.places(), config.lr, config.weight_decay)


def build(config: Config, dataset: Dataset, labels: list[str] | None = None) -> Setup:
    """Load the model and attach everything to it.

    Args:
        config: the run.
        dataset: its data, or others to apply it to.
        labels: the classes of a trained model; None takes them from the training split.

    Raises:
        ValueError: if data, model, strategy and task do not fit together; the message says why.
    """
    where = device.choose_device(config.device)
    dtype = device.choose_precision(config.precision, where)
    tokenizer = load_tokenizer(config.model, config.init)
    task = resolve(TASKS, config.task, "task")(config.task_options, dataset, tokenizer, labels)
    backbone = load_backbone(config)
    mark = fingerprint(backbone, backbone.new)
    if config.gradient_checkpointing:
        backbone.checkpoint_activations()
    model = adapt(backbone, config, task)
    model.store_frozen(dtype)
    return Setup(config, task, model.to(where), mark, where, dtype)


def sizes(model: AdaptedModel, groups: list[ParamGroup]) -> dict[str, object]:
    """What learns: the counts that dry runs, results and tables print."""
    return {
        "trainable_parameters": count([p for group in groups for p in group.params]),
        "total_parameters": count(list(model.parameters())),
        "parameter_groups": [
            {
                "name": group.name,
                "count": count(group.params),
                "lr": group.lr,
                "weight_decay": group.weight_decay,
            }
            for group in groups
        ],
    }


def sketch(config: Config, dataset: Dataset) -> Setup:
    """The same without weights, tokenizer and memory: on the meta device, counts and shapes only.

    Raises:
        ValueError: for whatever would stop the run before it starts.
    """
    where = device.choose_device(config.device)
    dtype = device.choose_precision(config.precision, where)
    task = resolve(TASKS, config.task, "task")(config.task_options, dataset, None)
    backbone = pretrained.empty_backbone(config.model, form_of(config))
    if config.gradient_checkpointing:
        backbone.checkpoint_activations()
    with torch.device("meta"):
        model = adapt(backbone, config, task)
    model.store_frozen(dtype)
    return Setup(config, task, model, "", where, dtype)
