"""From a run directory to its model: as it was trained, as it started, or with random weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tl.build import Setup, build, load_data
from tl.checkpoint import load_learned, read_metadata
from tl.command_line import parse
from tl.config import Config
from tl.data.records import Dataset
from tl.evaluate import evaluate
from tl.metrics import Scores
from tl.registry import STRATEGIES, options_of
from tl.runs import Run, Weights, file_name, write_json
from tl.tasks.base import Task


def config_of(run: Run) -> Config:
    """The configuration of a run.

    Raises:
        ValueError: if the directory holds no run.
    """
    run.require()
    return parse(["--config", str(run.config)])[0]


def load(
    run: Run, dataset: Dataset | None = None, weights: Weights = "trained", **changes: object
) -> Setup:
    """The model of a run.

    Args:
        run: a run that has finished at least one epoch.
        dataset: what to apply it to; None if it will only label texts or be exported.
        weights: whose it has (`tl.runs.WEIGHTS`). With any but the trained ones, nothing is
            attached to the backbone, and the head is a new one.
        changes: options to take instead of the run's, as device="cpu".

    Raises:
        ValueError: if something is missing, torn, or does not belong together.
    """
    config = replace(config_of(run), **changes)
    if not (run.learned.is_file() or run.result.is_file() or run.made_by()):
        raise ValueError(
            f"the run in {run.path} has not finished an epoch; go on with: python train.py "
            f"--resume {run.path}"
        )
    metadata = read_metadata(run.learned)
    if weights != "trained":
        plain = options_of(STRATEGIES, "full", "strategy")()
        config = replace(config, strategy="full", strategy_options=plain, mixout=0.0)
        config = replace(config, mixout_form="column", decay_toward="zero")
    if weights == "random":
        config = replace(config, init="random")
    unread = Dataset("text", {}, read_before=tuple(metadata["columns"]))
    setup = build(config, dataset or unread, labels=metadata["labels"])
    if weights == "trained":
        load_learned(run.learned, setup.model.learned(), setup.backbone_fingerprint)
    return setup


def load_other_data(config: Config, data: str) -> Dataset:
    """All of another data set, read as the run reads its own.

    Raises:
        ValueError: if the run has not one data set, but one for each of its tasks.
    """
    if own := getattr(config.task_options, "data", ()):
        raise ValueError(
            f"the members of this run have data of their own ({', '.join(own)}) and are scored on "
            "those; leave out --data"
        )
    return load_data(replace(config, data=data, train_size=None))


def seen(run: Run, task: Task, split: str) -> list[str]:
    """Say how many texts of a split the run was trained on, if any, or why that is not known.

    Args:
        run: the run.
        task: of the run's kind, over other data.
        split: of these data.
    """
    unknown, config = "whether these texts were trained on is not known", config_of(run)
    try:
        own = load_data(config)
    except (ValueError, OSError):
        return [f"{unknown}: the data of the run, {config.data}, cannot be read"]
    if own.fingerprint != run.read_env("data_fingerprint")["data_fingerprint"]:
        return [f"{unknown}: the data of the run, {config.data}, have changed since"]
    records = task.dataset.splits[split]
    keys = task.keys({"own": own.splits["train"], "other": records})
    trained = set(keys["own"]) - {""}
    n = sum(key in trained for key in keys["other"])
    learned = f"{n:,} of {len(records):,} texts of {split} were trained on"
    return [f"{learned}; scores of them are not scores of new texts"] if n else []


def score_ability(
    run: Run,
    of: str,
    data: str,
    split: str | None = None,
    note: Callable[[str], None] = lambda line: None,
    **changes: object,
) -> tuple[Path, Scores, Scores]:
    """Score a model in text form on another task, untrained and as it was trained.

    Args:
        run: a run of `--task instruction`.
        of: the task that is put in words, "classification" or "ner".
        data: of that task.
        split: see `Dataset.choose_split`.
        note: takes what a reader should know of the data.
        changes: options to take instead of the run's, as device="cpu".

    Returns:
        where the scores were written, the scores before and those after.
    """
    config = replace(config_of(run), **changes)
    if not hasattr(config.task_options, "of"):
        raise ValueError(f"{run.path} is no run of --task instruction: it has one ability only")
    options = replace(config.task_options, of=of, template="")
    config = replace(config, task_options=options)
    dataset = load_other_data(config, data)
    split = dataset.choose_split(split)
    setup = build(config, dataset)
    examples = setup.task.examples(split)
    for line in [*setup.task.notes(split, examples), *seen(run, setup.task, split)]:
        note(line)
    before, _ = evaluate(setup, examples, f"{split}, untrained")
    load_learned(run.learned, setup.model.learned(), setup.backbone_fingerprint)
    after, _ = evaluate(setup, examples, split)
    path = run.path / "evaluations" / f"{file_name(dataset.name)}-{split}.json"
    path.parent.mkdir(exist_ok=True)
    found = {"of": of, "data": dataset.name, "split": split, "metric": setup.task.metric}
    write_json(path, found | {"before": before, "after": after})
    return path, before, after
