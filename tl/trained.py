"""From a run directory to its trained model."""

from dataclasses import replace

from tl.build import Setup, build
from tl.checkpoint import load_learned, read_metadata
from tl.command_line import parse
from tl.config import Config
from tl.data.records import Dataset
from tl.runs import Run


def config_of(run: Run) -> Config:
    """The configuration of a run.

    Raises:
        ValueError: if the directory holds no run.
    """
    run.require()
    return parse(["--config", str(run.config)])[0]


def load(run: Run, dataset: Dataset | None = None, **changes: object) -> Setup:
    """The model of a run with the weights of its best epoch.

    Args:
        run: a run that has finished at least one epoch.
        dataset: what to apply it to; None if it will only label texts or be exported.
        changes: options to take instead of the run's, as device="cpu".

    Raises:
        ValueError: if something is missing, torn, or does not belong together.
    """
    config = replace(config_of(run), **changes)
    labels = read_metadata(run.learned)["labels"]
    setup = build(config, dataset or Dataset("text", {}), labels=labels)
    load_learned(run.learned, setup.model.learned(), setup.backbone_fingerprint)
    return setup
