"""What a run would learn, how many steps it would take, and what memory: without weights."""

from tl import build, ledger
from tl.advice import class_notes
from tl.build import Setup
from tl.config import Config
from tl.exchange.possible import exports


def plan(config: Config) -> dict[str, object]:
    """What a dry run says.

    Its memory is that of a batch of the longest texts that are allowed; those of the data may be
    shorter.

    Raises:
        ValueError: for whatever would stop the run before it starts.
    """
    setup = build.sketch(config, build.load_data(config))
    length = config.task_options.max_length
    size = min(config.batch_size, len(setup.task.dataset.splits["train"]))
    batch = setup.task.collate([setup.task.blank(length)] * size)
    return counts(setup) | {
        "batch": [size, length],
        "precision": str(setup.dtype).removeprefix("torch."),
        "memory_mib": ledger.predicted(setup, batch),
        "exports": exports(setup),
    }


def counts(setup: Setup) -> dict[str, object]:
    """What learns, for how many steps, and what a user should know of it."""
    config, dataset, model = setup.config, setup.task.dataset, setup.model
    return {
        "task": config.task,
        "data": config.data,
        "model": config.model,
        "strategy": config.strategy,
        **build.sizes(model, setup.groups()),
        "train_examples": len(dataset.splits["train"]),
        "steps": config.epochs * setup.task.n_steps(config.batch_size * config.accumulate),
        "notes": [
            *dataset.warnings,
            *setup.task.defects(),
            *class_notes(setup.task),
            *model.adaptor.notes(model.backbone),
        ],
    }
