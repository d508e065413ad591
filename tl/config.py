"""The options of a run: one command line, one JSON file, one identity.

Options of every run are flat (`--lr`); those that a strategy or a task owns carry its prefix
(`--strategy.r`, `--task.max-length`) and are declared in its own file.
"""

import argparse
import difflib
import hashlib
import json
import re
import shlex
from dataclasses import MISSING, asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from tl.options import add_options, arguments_of, collect, option
from tl.registry import STRATEGIES, TASKS, options_of, summary, target

WHAT, HOW, WHERE = "what to train on what", "how to train", "where, and what else to do"


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes.

    `strategy_options` and `task_options` are the `Options` of the chosen strategy and task.
    """

    task: str = option(MISSING, f"one of: {', '.join(TASKS)}", group=WHAT)
    strategy: str = option(MISSING, f"one of: {', '.join(STRATEGIES)}", group=WHAT)
    model: str = option("minilm", "bundled name (minilm), local directory or Hub id", group=WHAT)
    init: Literal["pretrained", "random"] = option(
        "pretrained", "the checkpoint's weights, or random ones of the same form", group=WHAT
    )
    data: str = option(
        "newsroom", "newsroom, newsroom-ru, a local file or directory, or a Hub id", group=WHAT
    )
    encoding: str = option("utf-8", "encoding of local data files", group=WHAT)
    train_size: int | None = option(
        None, "train on this many examples: nested, the same for every strategy",
        interval="[1, inf)", group=WHAT,
    )  # fmt: skip
    epochs: int = option(5, "passes over the training split", interval="[1, inf)", group=HOW)
    batch_size: int = option(32, "examples per batch", interval="[1, inf)", group=HOW)
    accumulate: int = option(
        1, "batches per optimizer step; k of b examples equal one of k·b",
        interval="[1, inf)", group=HOW,
    )  # fmt: skip
    lr: float | None = option(
        None, "peak learning rate (default: the strategy's own)", interval="(0, inf)", group=HOW
    )
    weight_decay: float = option(
        0.01, "AdamW's decay λ; matrices only", interval="[0, inf)", group=HOW
    )
    decay_toward: Literal["zero", "pretrained"] = option(
        "zero", "where the decay pulls the pretrained weights", group=HOW
    )
    mixout: float = option(
        0.0, "p: how probably a learning weight stands back for its pretrained value in a step",
        interval="[0, 1)", group=HOW,
    )  # fmt: skip
    mixout_form: Literal["column", "element"] = option(
        "column", "what mixout draws for: each input unit, or each weight", group=HOW
    )
    label_smoothing: float = option(
        0.0, "ε, share of each target spread over all classes", interval="[0, 1)", group=HOW
    )
    warmup: float = option(
        0.06, "share of the steps in which the rate rises; then it falls to 0",
        interval="[0, 1]", group=HOW,
    )  # fmt: skip
    clip: float = option(1.0, "largest norm of a step's gradient", interval="(0, inf)", group=HOW)
    patience: int | None = option(
        None, "stop after so many epochs without a better validation score",
        interval="[1, inf)", group=HOW,
    )  # fmt: skip
    gradient_checkpointing: bool = option(
        False, "compute activations anew in the backward pass: less memory, more time", group=HOW
    )
    precision: Literal["auto", "bf16", "fp32"] = option(
        "auto", "matrix products in bfloat16 where the processor has it", group=HOW
    )
    device: Literal["auto", "cpu", "cuda"] = option("auto", "where to compute", group=HOW)
    seed: int = option(
        0, "seed of three random streams: initial weights, order of the data, dropout",
        interval="[0, inf)", group=HOW,
    )  # fmt: skip
    strategy_options: object = None
    task_options: object = None

    @property
    def identity(self) -> str:
        """8 hex digits of all options but the seed: runs that differ by seed only share them."""
        options = {key: value for key, value in asdict(self).items() if key != "seed"}
        return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def run_name(self) -> str:
        """`<task>/<model>--<strategy>--<identity>--s<seed>`."""
        model = Path(self.model.rstrip("/")).name or "model"
        return f"{self.task}/{model}--{self.strategy}--{self.identity}--s{self.seed}"

    def to_json(self) -> str:
        """Every option, defaults included, in a form that `--config` reads back."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def command(self) -> str:
        """The shortest command line that gives this configuration."""
        flat = self
        if self.lr == self.strategy_options.default_lr:
            flat = replace(self, lr=None)
        words = [
            *arguments_of(flat),
            *arguments_of(self.strategy_options, "strategy"),
            *arguments_of(self.task_options, "task"),
        ]
        return shlex.join(["python", "train.py", *words])


@dataclass(frozen=True)
class Command:
    """What to do with a configuration; none of it changes what the run computes."""

    config: str | None = option(
        None, "start from the config.json of this run; options beside it win", group=WHERE
    )
    resume: str | None = option(None, "go on with this unfinished run directory", group=WHERE)
    runs_dir: str = option("runs", "parent of the run directories", group=WHERE)
    overwrite: bool = option(False, "replace a run directory that exists", group=WHERE)
    dry_run: bool = option(
        False, "say what would learn, and in how many steps; train nothing", group=WHERE
    )
    json: bool = option(False, "print one JSON object as the last line", group=WHERE)


def _choice(argv: list[str]) -> argparse.Namespace:
    """First pass: which strategy, task and saved configuration are meant."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("task", "strategy", "config", "resume"):
        parser.add_argument(f"--{name}")
    return parser.parse_known_args(argv)[0]


def _parser(choice: argparse.Namespace) -> argparse.ArgumentParser:
    """All options of a run; a strategy's and a task's own only where they are chosen."""
    parser = argparse.ArgumentParser(
        prog="train.py",
        description="Adapt a pretrained model to a task by a strategy, and show what that cost.",
        usage="python train.py --task NAME --strategy NAME [options]",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=34, width=100
        ),
        allow_abbrev=False,
        exit_on_error=False,
    )
    add_options(parser, Config)
    add_options(parser, Command)
    for prefix, table in (("strategy", STRATEGIES), ("task", TASKS)):
        name = getattr(choice, prefix)
        if name is not None:
            title = f"{prefix} {name}: {summary(table, name, prefix).rstrip('.')}"
            add_options(parser, options_of(table, name, prefix), prefix, title)
    return parser


def help_text(argv: list[str]) -> str:
    """What `--help` shows: the options of every run, and those of what `argv` chooses."""
    choice = _choice(argv)
    lines = []
    for what, table in (("strategy", STRATEGIES), ("task", TASKS)):
        lines.append(f"--{what} NAME (add --help to see the options of one):")
        lines += [f"  {name:<20}{summary(table, name, what)}" for name in table] + [""]
    parser = _parser(choice)
    lines += ["first run:", "  python train.py --strategy adapter --task ner", ""]
    parser.epilog = "\n".join(lines)
    return parser.format_help()


def read_saved(path: Path, advice: str) -> dict:
    """Read a config.json; `advice` is said where there is none.

    Raises:
        ValueError: if there is none, or it is not one JSON object.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}; {advice}")
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file: {error}") from None
    if not isinstance(saved, dict):
        raise ValueError(f"{path} must hold one JSON object, as a run's config.json does")
    return saved


def _words(options: dict, prefix: str = "") -> list[str]:
    """A saved configuration as a command line, so that one parser checks both."""
    dotted = f"{prefix}." if prefix else ""
    words = []
    for name, value in options.items():
        flag = dotted + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{flag}")
        elif isinstance(value, list):
            words += [f"--{flag}={','.join(map(str, value))}"] if value else []
        elif value is not None:
            words.append(f"--{flag}={value}")
    return words


def _saved_words(saved: dict, choice: argparse.Namespace) -> list[str]:
    """The command line of a saved configuration, less what a new strategy or task would refuse."""
    saved = dict(saved)
    owned = {prefix: saved.pop(f"{prefix}_options", None) or {} for prefix in ("strategy", "task")}
    if choice.strategy not in (None, saved.get("strategy")):
        owned["strategy"] = {}
        saved.pop("lr", None)  # the rate belongs to the strategy that it was chosen for
    if choice.task not in (None, saved.get("task")):
        owned["task"] = {}
    return _words(saved) + _words(owned["strategy"], "strategy") + _words(owned["task"], "task")


def _refuse_unknown(unread: list[str], parser: argparse.ArgumentParser) -> None:
    if not unread:
        return
    flags = [flag for action in parser._actions for flag in action.option_strings]
    word = unread[0].partition("=")[0]
    if not word.startswith("-"):
        raise ValueError(f"unexpected word {word!r}; values follow an option, as in --lr 1e-4")
    nearest = difflib.get_close_matches(word, flags, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
    raise ValueError(f"unknown option {word}.{hint} `python train.py --help` lists all options.")


def _join_negative_numbers(argv: list[str]) -> list[str]:
    """`--lr -1e-3` -> `--lr=-1e-3`: alone, argparse takes the number for an option."""
    words: list[str] = []
    for word in argv:
        if words and words[-1].startswith("--") and re.fullmatch(r"-\.?\d.*", word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def parse(argv: list[str]) -> tuple[Config, Command]:
    """Read a command line, and the saved configuration that it names, if any.

    Raises:
        ValueError, argparse.ArgumentError: if an option is unknown, missing or out of its interval.
        OSError: if the saved configuration cannot be read.
    """
    argv = _join_negative_numbers(argv)
    choice = _choice(argv)
    saved = {}
    if choice.resume is not None:
        path = Path(choice.resume) / "config.json"
        saved = read_saved(path, "--resume takes the directory of a run")
    elif choice.config is not None:
        path = Path(choice.config)
        path = path / "config.json" if path.is_dir() else path
        saved = read_saved(path, "--config takes a run directory or its config.json")
    words = _saved_words(saved, choice)
    for what, table in (("task", TASKS), ("strategy", STRATEGIES)):
        name = getattr(choice, what) or saved.get(what)
        if name is None:
            raise ValueError(f"--{what} is missing. Known: {', '.join(table)}")
        target(table, name, what)
        setattr(choice, what, name)
    parser = _parser(choice)
    typed, unread = parser.parse_known_args(argv)
    _refuse_unknown(unread, parser)
    if choice.resume is not None:
        _refuse_changes(typed)
    args, unread = parser.parse_known_args([*words, *argv])
    _refuse_unknown(unread, parser)
    return _configuration(args), collect(args, Command)


def _refuse_changes(typed: argparse.Namespace) -> None:
    changed = [name for name in vars(typed) if name not in ("resume", "json")]
    if changed:
        flag = "--" + changed[0].replace("_", "-")
        raise ValueError(
            f"--resume goes on with the run's own options, but {flag} was given too. "
            f"Leave it out, or start a new run with --config RUN/config.json {flag} …"
        )


def _configuration(args: argparse.Namespace) -> Config:
    strategy = collect(args, options_of(STRATEGIES, args.strategy, "strategy"), "strategy")
    task = collect(args, options_of(TASKS, args.task, "task"), "task")
    config = replace(collect(args, Config), strategy_options=strategy, task_options=task)
    return config if config.lr is not None else replace(config, lr=strategy.default_lr)
