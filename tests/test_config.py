"""One command line, one JSON file, one identity; and help that answers at once."""

import argparse
import hashlib
import json
import re
import shlex
import types
import typing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tl.command_line import parse
from tl.config import Command, Config
from tl.options import option_fields
from tl.registry import STRATEGIES, TASKS, options_of

ROOT = Path(__file__).parents[1]
PAIRS = [(strategy, task) for strategy in STRATEGIES for task in TASKS]
LORA = ["--strategy", "lora", "--task", "ner"]

OWN = [f.name for f in option_fields(Config) if f.name not in ("task", "strategy")]


def configured(*words):
    return parse(list(words))[0]


def same(one, other):
    """Equal in every option; each reading of a file makes a new class of its `Options`."""
    return asdict(one) == asdict(other)


def saved(tmp_path, config):
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    return str(path)


def another(options, name):
    """A value of an option other than the one that it has."""
    value, hint = getattr(options, name), typing.get_type_hints(type(options))[name]
    if isinstance(hint, types.UnionType):  # int | None
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is typing.Literal:
        return next(choice for choice in typing.get_args(hint) if choice != value)
    if typing.get_origin(hint) is tuple:
        return {int: (1, 3), str: ("all", "key")}[typing.get_args(hint)[0]]
    others = {
        bool: lambda: not value,
        int: lambda: (value or 0) + 1,
        float: lambda: (value or 1.0) / 2,
        str: lambda: "cp1251",
    }
    return others[hint]()


def changed(options):
    """Every option at another value."""
    names = [f.name for f in option_fields(options) if f.name not in ("task", "strategy")]
    return replace(options, **{name: another(options, name) for name in names})


def changed_throughout(config):
    return replace(
        changed(config),
        strategy_options=changed(config.strategy_options),
        task_options=changed(config.task_options),
    )


# Two passes: first what is chosen, then its options.


def test_options_of_the_chosen_strategy_and_task_are_read():
    config = configured(*LORA, "--strategy.r", "16", "--task.max-length", "64", "--lr", "1e-4")
    assert (config.strategy_options.r, config.task_options.max_length, config.lr) == (16, 64, 1e-4)


def test_the_choice_may_stand_after_its_options():
    assert configured("--strategy.r", "16", *LORA).strategy_options.r == 16


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_default_rate_is_the_strategys_own(strategy):
    config = configured("--strategy", strategy, "--task", "ner")
    assert config.lr == options_of(STRATEGIES, strategy, "strategy").default_lr > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "ner"], "--strategy is missing. Known: full, .*lora"),
        (["--strategy", "lora"], "--task is missing. Known: classification, ner"),
        (["--strategy", "adaptor", "--task", "ner"], "'adaptor'. Did you mean 'adapter'"),
        (["--strategy", "lora", "--task", "nre"], "unknown task 'nre'. Did you mean 'ner'"),
        ([*LORA, "--strategy.rr", "1"], "unknown option --strategy.rr. Did you mean --strategy.r"),
        ([*LORA, "--epoch", "1"], "unknown option --epoch. Did you mean --epochs"),
        ([*LORA, "--epoch=1"], "unknown option --epoch. Did you mean --epochs"),
        ([*LORA, "--strategy.size", "1"], "unknown option --strategy.size"),
        ([*LORA, "stray"], "unexpected word 'stray'"),
        ([*LORA, "--resume", "x"], "x/config.json"),
        ([*LORA, "--config", "x.json"], "x.json"),
    ],
)
def test_what_is_unknown_or_missing_is_named(words, message):
    with pytest.raises((ValueError, OSError), match=message):
        parse(words)


def test_no_option_may_be_abbreviated():
    with pytest.raises(ValueError, match="unknown option --batch"):
        parse([*LORA, "--batch", "4"])


def test_what_to_do_with_a_run_is_kept_apart_from_the_run():
    config, command = parse([*LORA, "--runs-dir", "there", "--overwrite", "--json"])
    assert command == Command(runs_dir="there", overwrite=True, json=True)
    assert same(config, configured(*LORA))


# The same run from its file.


@pytest.mark.parametrize(("strategy", "task"), PAIRS)
def test_a_saved_configuration_replays_the_equal_one(strategy, task, tmp_path):
    config = configured("--strategy", strategy, "--task", task)
    assert same(configured("--config", saved(tmp_path, config)), config)
    other = changed_throughout(config)
    assert same(configured("--config", saved(tmp_path, other)), other)


@pytest.mark.parametrize(("strategy", "task"), PAIRS)
def test_the_printed_command_gives_the_equal_configuration(strategy, task):
    config = configured("--strategy", strategy, "--task", task)
    other = changed_throughout(config)
    for one in (config, other):
        python, program, *words = shlex.split(one.command())
        assert (python, program) == ("python", "train.py")
        assert same(configured(*words), one)


def test_the_printed_command_is_short_and_quotes_odd_names():
    assert configured(*LORA).command() == "python train.py --task ner --strategy lora"
    config = configured(*LORA, "--data", "my data; x")
    assert configured(*shlex.split(config.command())[2:]).data == "my data; x"


def test_typed_options_win_over_saved_ones(tmp_path):
    path = saved(tmp_path, configured(*LORA, "--strategy.r", "16", "--seed", "3"))
    config = configured("--config", path, "--seed", "4")
    assert (config.seed, config.strategy_options.r) == (4, 16)
    assert configured("--config", path, "--strategy.r", "2").strategy_options.r == 2


def test_another_strategy_drops_the_saved_ones_options_and_rate(tmp_path):
    path = saved(tmp_path, configured(*LORA, "--strategy.r", "16", "--lr", "0.5", "--epochs", "9"))
    config = configured("--config", path, "--strategy", "adapter")
    expected = configured("--strategy", "adapter", "--task", "ner", "--epochs", "9")
    assert same(config, expected)


def test_another_task_drops_the_saved_ones_options(tmp_path):
    path = saved(tmp_path, configured(*LORA, "--task.max-length", "64", "--strategy.r", "16"))
    config = configured("--config", path, "--task", "classification")
    expected = configured("--strategy", "lora", "--task", "classification", "--strategy.r", "16")
    assert same(config, expected)


def test_naming_the_saved_strategy_again_keeps_its_options(tmp_path):
    config = configured(*LORA, "--strategy.r", "16", "--lr", "0.5")
    assert same(configured("--config", saved(tmp_path, config), "--strategy", "lora"), config)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"task": "ner"', "\x00"])
def test_a_torn_configuration_is_refused_by_name(content, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        parse(["--config", str(path)])


def test_a_saved_option_out_of_its_interval_is_refused(tmp_path):
    config = replace(configured(*LORA), epochs=0)
    with pytest.raises(ValueError, match=r"config\.json: .*--epochs: must lie in \[1, inf\)"):
        parse(["--config", saved(tmp_path, config)])


COMMAND = [f.name for f in option_fields(Command)]
UNKNOWN = [*COMMAND, "help", "epoch", "batch-size", "strategy.r", "--lr", ""]


def written(tmp_path, *at, **changes):
    """A saved configuration of LoRA with other values, at the top or in one of its objects."""
    content = json.loads(configured(*LORA).to_json())
    (content[at[0]] if at else content).update(changes)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize("value", [None, True, [], {}, "x", 3], ids=str)
@pytest.mark.parametrize("name", UNKNOWN)
def test_a_saved_key_that_is_no_option_of_a_run_is_refused(name, value, tmp_path):
    path = written(tmp_path, **{name: value})
    with pytest.raises(ValueError, match=rf"{name!r} is no option .*allowed: task, strategy, "):
        parse(["--config", path])
    with pytest.raises(ValueError, match=rf"{name!r} is no option "):
        parse(["--resume", str(tmp_path)])


@pytest.mark.parametrize("owner", ["strategy", "task"])
@pytest.mark.parametrize("value", [None, [], {}, 3], ids=str)
def test_a_key_that_is_no_option_of_the_strategy_or_the_task_is_refused(owner, value, tmp_path):
    path = written(tmp_path, f"{owner}_options", resume=value)
    with pytest.raises(ValueError, match=f"{owner}_options: 'resume' is no option .*allowed: "):
        parse(["--config", path])


@pytest.mark.parametrize("name", COMMAND)
def test_where_an_option_of_a_command_belongs_is_said(name, tmp_path):
    with pytest.raises(ValueError, match=f"type --{name.replace('_', '-')} on the command line"):
        parse(["--config", written(tmp_path, **{name: None})])


@pytest.mark.parametrize(
    ("at", "name", "value", "kind"),
    [
        ("", "epochs", "3", "a whole number; got"),
        ("", "epochs", 3.0, "a whole number"),
        ("", "epochs", None, "a whole number"),
        ("", "epochs", True, "a whole number"),
        ("", "lr", "0.1", "a number, or null"),
        ("", "lr", [0.1], "a number, or null"),
        ("", "data", 3, "a text"),
        ("", "data", ["a"], "a text"),
        ("", "init", True, "one of 'pretrained', 'random'"),
        ("", "gradient_checkpointing", "yes", "true or false"),
        ("", "gradient_checkpointing", [], "true or false"),
        ("strategy_options", "layers", 3, "a list; each of it a whole number"),
        ("strategy_options", "layers", ["1"], "a list"),
        ("strategy_options", "targets", ["a,b"], "a list; each of it a text"),
        ("strategy_options", "targets", [], "a list"),
        ("strategy_options", "r", None, "a whole number"),
        ("task_options", "max_length", {}, "a whole number"),
    ],
)
def test_a_saved_value_of_another_type_is_refused(at, name, value, kind, tmp_path):
    path = written(tmp_path, *[at] * bool(at), **{name: value})
    with pytest.raises(ValueError, match=rf"config\.json.*: {name} must be {kind}"):
        parse(["--config", path])


@pytest.mark.parametrize("value", ["a\ud800", "a\0b"])
def test_what_is_no_text_is_refused_in_a_file_and_on_the_command_line(value, tmp_path):
    with pytest.raises(ValueError, match=r"config\.json.*surrogate"):
        parse(["--config", written(tmp_path, data=value)])
    with pytest.raises(argparse.ArgumentError, match=r"argument --data: .*surrogate"):
        parse([*LORA, "--data", value])


def test_a_name_that_is_typed_empty_is_unknown_and_not_missing(tmp_path):
    with pytest.raises(ValueError, match="unknown strategy ''"):
        parse(["--task", "ner", "--strategy", ""])
    with pytest.raises(ValueError, match="unknown task ''"):
        parse(["--config", written(tmp_path), "--task", ""])


@pytest.mark.parametrize("flag", ["--batch-size", "--accumulate", "--epochs", "--seed"])
def test_a_number_that_no_machine_counts_to_is_refused(flag):
    with pytest.raises(argparse.ArgumentError, match=f"{flag}: must (lie in|be) "):
        parse([*LORA, flag, "9" * 25])


def test_every_kept_run_has_a_configuration_that_is_read():
    kept = sorted((ROOT / "runs").rglob("config.json"))
    assert kept
    for path in kept:
        assert parse(["--config", str(path)])[0].run_name


@pytest.mark.parametrize(
    "words",
    [["--seed", "1"], ["--strategy", "full"], ["--lr", "0.1"], ["--strategy.r", "4"]],
)
def test_a_resumed_run_keeps_its_options(words, tmp_path):
    saved(tmp_path, configured(*LORA))
    with pytest.raises(ValueError, match=rf"--resume .*{' '.join(words)}, but the run has "):
        parse(["--resume", str(tmp_path), *words])


def test_a_resumed_run_may_print_json(tmp_path):
    config = configured(*LORA, "--strategy.r", "3")
    saved(tmp_path, config)
    read, command = parse(["--resume", str(tmp_path), "--json"])
    assert same(read, config)
    assert command == Command(resume=str(tmp_path), json=True)


# One identity.


def test_runs_that_differ_by_seed_only_share_their_identity():
    config = configured(*LORA)
    other = replace(config, seed=9)
    assert other.identity == config.identity
    assert other.run_name == config.run_name.replace("--s0", "--s9") != config.run_name


@pytest.mark.parametrize("name", [name for name in OWN if name != "seed"])
def test_every_other_option_changes_the_identity(name):
    config = configured(*LORA)
    assert replace(config, **{name: another(config, name)}).identity != config.identity


@pytest.mark.parametrize(("strategy", "task"), PAIRS)
def test_every_option_of_a_strategy_or_a_task_changes_the_identity(strategy, task):
    config = configured("--strategy", strategy, "--task", task)
    found = {config.identity}
    n_options = 0
    for field in ("strategy_options", "task_options"):
        options = getattr(config, field)
        for f in option_fields(options):
            value = another(options, f.name)
            one = replace(config, **{field: replace(options, **{f.name: value})})
            found.add(one.identity)
            n_options += 1
    assert len(found) == 1 + n_options


def test_the_same_options_give_the_same_identity_however_they_were_typed():
    assert (
        configured(*LORA, "--strategy.r", "8", "--epochs", "5").identity
        == configured("--task", "ner", "--strategy", "lora").identity
    )


@pytest.mark.parametrize(
    ("model", "name"),
    [("owner/model", "model"), ("/a/b/c/", "c"), ("minilm", "minilm"), ("..", "..")],
)
def test_a_run_is_named_after_the_last_part_of_its_model(model, name):
    config = configured(*LORA, "--model", model, "--seed", "2")
    assert config.run_name == f"ner/{name}--lora--{config.identity}--s2"
    assert re.fullmatch("[0-9a-f]{8}", config.identity)


def test_the_identity_is_that_of_the_shortest_command():
    """So an option that is new, and has its default, does not rename the runs of before."""
    config = configured("--task", "ner", "--strategy", "lora", "--seed", "3", "--epochs", "2")
    command = "python train.py --task ner --strategy lora --epochs 2"
    assert config.identity == hashlib.sha256(command.encode()).hexdigest()[:8]
