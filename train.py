"""Train a model: one strategy, one task, one run directory that explains itself.

config -> data -> backbone -> strategy -> loop -> metrics -> run directory
"""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tl import program, runs
from tl.command_line import help_text, parse
from tl.config import Command, Config

if TYPE_CHECKING:
    from tl.build import Setup
    from tl.data.batch import Example

# What needs torch is imported where it is used, so that --help answers at once.

SMALLER = (  # what to do when memory has run out
    "Take a smaller --batch-size and as much more --accumulate (the result is that of the large "
    "batch), --gradient-checkpointing, a smaller --task.max-length, or a strategy that learns "
    "less; --dry-run tells what a step takes"
)


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: see `tl.program.run`."""
    code, said = program.run(
        "train.py",
        work,
        argv,
        memory=SMALLER,
        interrupted="\nstopped before training began; nothing to save\n",
    )
    print(said, end="", file=sys.stderr)
    return code


def work(argv: list[str]) -> int:
    """Show help, a plan, or train."""
    if {"-h", "--help"} & set(argv):
        print(help_text(argv), end="")
        return 0
    config, command = parse(argv)
    if command.dry_run:
        show_plan(config, as_json=command.json)
        return 0
    return train(config, command)


def show_plan(config: Config, *, as_json: bool) -> None:
    from tl.plan import plan
    from tl.tables import plan_table

    planned = plan(config)
    for note in planned["notes"]:
        report(f"note: {note}")
    print(json.dumps(planned) if as_json else plan_table(planned))


def train(config: Config, command: Command) -> int:
    """Train in the run's directory, as the only process that writes there."""
    from tl.lock import only_writer
    from tl.out_of_memory import MAY_BE, out_of_memory

    folder = command.resume or Path(command.runs_dir) / config.run_name
    run = runs.Run(Path(folder))
    with only_writer(run.path, run.lock):
        if command.resume is None:
            runs.check_free(run.path, overwrite=command.overwrite)
        else:
            runs.unfinished(run.path)
            if run.has_saved():
                runs.check_arithmetic(run, config.run_name)
        try:
            return train_in(run, config, command)
        except MAY_BE as error:
            if out_of_memory(error) and run.has_saved():
                report(
                    "What was saved before is whole. Once there is more memory, go on with: "
                    f"python train.py --resume {run.path}"
                )
            raise


def train_in(run: runs.Run, config: Config, command: Command) -> int:
    """Load data and model, measure them untrained, train, measure again, write everything down."""
    from tl.build import build, load_data
    from tl.exchange.possible import exports
    from tl.loop import Trainer
    from tl.results import finish
    from tl.tables import export_lines, result_table

    dataset = load_data(config)
    setup = build(config, dataset)
    splits = {split: setup.task.examples(split) for split in dataset.splits}
    notes = [*dataset.warnings, *notes_of(setup, splits)]
    resume = command.resume is not None and run.has_saved()
    if command.resume is not None and not resume:
        notes.append("the run had saved nothing when it stopped; it starts over")
    for note in notes:
        report(f"note: {note}")
    stop = stop_at_ctrl_c()
    if resume:
        runs.remove_partial(run)
    else:
        runs.start(run, config.to_json(), setup.environment())
    save_seconds = 60 * command.save_minutes
    try:
        trainer = Trainer(
            setup, run, splits, stop, report, resume=resume, save_seconds=save_seconds
        )
        trainer.train()
        result = finish(trainer, draw)
        run.previous.unlink(missing_ok=True)  # nothing is gone on from any more
    except KeyboardInterrupt:
        report(f"stopped and saved. To go on: python train.py --resume {run.path}")
        return 130
    for note in result["notes"]:
        report(f"note: {note}")
    print(f"\n{result_table(result)}\n\nrun directory                 {run.path}")
    print(f"figures                       {run.figures}")
    print(f"curves                        tensorboard --logdir {run.path}")
    print(export_lines(exports(setup)))
    if command.json:
        print(json.dumps(result))
    return 0


def notes_of(setup: "Setup", splits: "dict[str, list[Example]]") -> list[str]:
    """List what a user should know of data and model before training."""
    from tl.advice import class_notes, tokenizer_notes

    task, model = setup.task, setup.model
    of_splits = [note for split in splits for note in task.notes(split, splits[split])]
    of_texts = [*tokenizer_notes(task), *class_notes(task)]
    return [*task.defects(), *of_splits, *of_texts, *model.adaptor.notes(model.backbone)]


def draw(run: runs.Run, result: dict) -> list[Path]:
    """Draw the figures of a run that has this result."""
    from analysis.curves import draw_all

    return draw_all(run, result, run.figures)


def report(line: str) -> None:
    """A line for the user, above the progress bar."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


def stop_at_ctrl_c() -> Callable[[], bool]:
    """From now on Ctrl-C is a request, granted between two steps; a second one kills.

    So is SIGTERM, by which job schedulers end what has run too long.
    """
    requests, signals = [], (signal.SIGINT, signal.SIGTERM)

    def request(number: int, frame: object) -> None:
        requests.append(number)
        for one in signals:
            signal.signal(one, signal.SIG_DFL)

    for one in signals:
        signal.signal(one, request)
    return lambda: bool(requests)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
