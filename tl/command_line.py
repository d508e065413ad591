"""The command line of a run: from words, and a saved configuration, to its options."""

import argparse
import difflib
import json
import re
import typing
from dataclasses import MISSING, fields, replace
from pathlib import Path

from tl.config import Command, Config
from tl.json_files import read_object
from tl.options import add_options, collect, described, fits, flag_of, option_fields
from tl.registry import STRATEGIES, TASKS, options_of, summary, target


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
    if choice.strategy is not None:
        rate = options_of(STRATEGIES, choice.strategy, "strategy").default_lr
        lines += [f"--lr of {choice.strategy}, unless another is given: {rate:g}", ""]
    lines += ["first run:", "  python train.py --strategy adapter --task ner", ""]
    parser.epilog = "\n".join(lines)
    return parser.format_help()


def read_saved(path: Path, advice: str) -> dict:
    """Read a config.json; `advice` is said where there is none.

    Raises:
        ValueError: if there is none, or it is not one JSON object, or holds anything but options of
            a run, each of its own type.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}; {advice}")
    saved = read_object(path)
    check_saved(saved, Config, str(path))
    for prefix, table in (("strategy", STRATEGIES), ("task", TASKS)):
        owned = saved.get(f"{prefix}_options")
        if not isinstance(owned, dict | None):
            raise ValueError(f"{path}: {prefix}_options must hold one JSON object")
        if owned:
            own = options_of(table, str(saved.get(prefix, "")), prefix)
            check_saved(owned, own, f"{path}: {prefix}_options")
    return saved


def check_saved(saved: dict, options: type, place: str) -> None:
    """Raise ValueError unless all keys are fields of some options, and values are of their types.

    A configuration says what a run computes. Where it is written, what is replaced there and
    whatever else a command does is typed, never read from a file that somebody may have sent.
    """
    known, hints = {f.name: f.default for f in fields(options)}, typing.get_type_hints(options)
    of_command = {f.name for f in option_fields(Command)}
    for name, value in saved.items():
        if name not in known:
            hint = f" (type {flag_of(name)} on the command line)" if name in of_command else ""
            raise ValueError(
                f"{place}: {name!r} is no option that a configuration can hold{hint}; allowed: "
                f"{', '.join(known) or 'none'}"
            )
        # What the strategy and the task own has a check of its own; their names are looked up.
        if hints[name] is object or known[name] is MISSING:
            continue
        if not fits(value, hints[name]) or (value == [] and known[name]):
            raise ValueError(
                f"{place}: {name} must be {described(hints[name])}; got {json.dumps(value)[:50]}"
            )


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
    raise ValueError(
        f"unknown option {word}.{hint} `python train.py --strategy NAME --task NAME --help` lists "
        "all options of the two"
    )


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
        name = saved.get(what) if getattr(choice, what) is None else getattr(choice, what)
        if name is None:
            flags = [word.partition("=")[0] for word in argv if word.startswith("--")]
            near = difflib.get_close_matches(f"--{what}", flags, n=1, cutoff=0.7)
            hint = f" Did you mean it by {near[0]}?" if near else ""
            raise ValueError(f"--{what} is missing.{hint} Known: {', '.join(table)}")
        target(table, str(name), what)
        setattr(choice, what, str(name))
    parser = _parser(choice)
    typed, unread = parser.parse_known_args(argv)
    _refuse_unknown(unread, parser)
    if choice.resume is not None:
        config, _ = parse(["--config", str(path)])
        _refuse_changes(typed, config)
        return config, collect(typed, Command)
    if saved:
        _check_values(parser, words, path)
    args, _ = parser.parse_known_args([*words, *argv])
    return _configuration(args), collect(typed, Command)


def _check_values(parser: argparse.ArgumentParser, words: list[str], path: Path) -> None:
    """Raise ValueError, with the name of the file, for a saved value that an option refuses."""
    try:
        parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise ValueError(f"{path}: {error}") from None


def _refuse_changes(typed: argparse.Namespace, config: Config) -> None:
    """Raise ValueError if something typed beside --resume is not as in the run."""
    of_run, changed = config.flags(), []
    for name, value in vars(typed).items():
        prefix, _, last = name.rpartition(".")
        flag = flag_of(last, prefix)
        if name in ("resume", "json", "save_minutes"):
            continue
        if flag not in of_run:
            raise ValueError(f"{flag} has no meaning beside --resume; leave it out")
        if value != of_run[flag]:
            changed.append(f"{flag} {value}, but the run has {of_run[flag]}")
    if changed:
        raise ValueError(
            f"--resume goes on with the run's own options. Given: {'; '.join(changed)}. Leave that "
            "out, or start a new run with --config RUN/config.json and these options"
        )


def _configuration(args: argparse.Namespace) -> Config:
    strategy = collect(args, options_of(STRATEGIES, args.strategy, "strategy"), "strategy")
    task = collect(args, options_of(TASKS, args.task, "task"), "task")
    config = replace(collect(args, Config), strategy_options=strategy, task_options=task)
    return config if config.lr is not None else replace(config, lr=strategy.default_lr)
