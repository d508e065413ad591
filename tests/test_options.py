"""Dataclass fields as command-line options: types, bounds, and the way there and back."""

import argparse
from dataclasses import MISSING, dataclass
from typing import ClassVar, Literal

import pytest

from tl.options import add_options, arguments_of, collect, flag_of, inside, option, option_fields


@dataclass(frozen=True)
class Options:
    default_lr: ClassVar[float] = 1e-3
    rank: int = option(8, "r, 100% of it", interval="[1, inf)")
    keep_prob: float = option(0.5, "p", interval="(0, 1]")
    any_number: float = option(0.0, "x")
    limit: int | None = option(None, "n", interval="[1, inf)")
    name: str = option("plain", "a name")
    kind: Literal["one", "two"] = option("one", "which")
    norms: bool = option(True, "norms learn")
    fast: bool = option(False, "quick")
    layers: tuple[int, ...] = option((), "layers", interval="[0, inf)")
    targets: tuple[str, ...] = option(("query", "value"), "targets")
    hidden: object = None  # no option: it was not declared by `option`


def read(*words, cls=Options, prefix=""):
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    add_options(parser, cls, prefix, "title")
    return collect(parser.parse_args(words), cls, prefix)


def test_what_is_not_typed_takes_its_default():
    assert read() == Options()


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--rank", "3"], "rank", 3),
        (["--rank=3"], "rank", 3),
        (["--keep-prob", "1"], "keep_prob", 1.0),
        (["--keep-prob", "1e-3"], "keep_prob", 0.001),
        (["--any-number=-2.5"], "any_number", -2.5),
        (["--limit", "7"], "limit", 7),
        (["--name", "a b"], "name", "a b"),
        (["--kind", "two"], "kind", "two"),
        (["--no-norms"], "norms", False),
        (["--norms"], "norms", True),
        (["--fast"], "fast", True),
        (["--no-fast"], "fast", False),
        (["--layers", "0,6,12"], "layers", (0, 6, 12)),
        (["--layers", "0, 6"], "layers", (0, 6)),
        (["--layers", "5"], "layers", (5,)),
        (["--targets", "all"], "targets", ("all",)),
        (["--rank", "3", "--rank", "4"], "rank", 4),
    ],
)
def test_a_typed_option_has_the_type_of_its_field(words, name, value):
    got = getattr(read(*words), name)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rank", "0"], r"--rank: must lie in \[1, inf\), got 0"),
        (["--rank", "2.5"], "'2.5' is not a whole number"),
        (["--rank", "many"], "'many' is not a whole number"),
        (["--keep-prob", "0"], r"--keep-prob: must lie in \(0, 1\], got 0"),
        (["--keep-prob", "1.01"], r"must lie in \(0, 1\]"),
        (["--keep-prob", "nan"], r"must lie in \(0, 1\], got nan"),
        (["--keep-prob", "half"], "'half' is not a number"),
        (["--any-number", "nan"], "got nan"),
        (["--any-number", "inf"], "got inf"),
        (["--any-number=-inf"], "got -inf"),
        (["--limit", "0"], r"must lie in \[1, inf\)"),
        (["--layers", "0,-1"], r"must lie in \[0, inf\), got -1"),
        (["--layers", "0,x"], "'x' is not a whole number"),
        (["--layers", ""], "'' is not a whole number"),
        (["--kind", "three"], "choose from.*one.*two"),
        (["--rank"], "--rank: expected one argument"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(words, message):
    with pytest.raises(argparse.ArgumentError, match=message):
        read(*words)


@pytest.mark.parametrize(
    ("interval", "within", "without"),
    [
        ("[1, inf)", [1, 2, 1e300], [0.999, 0, -1, float("nan"), float("inf")]),
        ("(0, inf)", [1e-300, 1], [0, -1, float("nan")]),
        ("[0, 1)", [0, 0.5], [1, -1e-9, float("nan")]),
        ("[0, 1]", [0, 1], [1.001, -0.001, float("nan")]),
        ("(0, 1]", [1, 1e-9], [0, 1.1]),
    ],
)
def test_intervals_are_read_as_in_mathematics(interval, within, without):
    assert all(inside(value, interval) for value in within)
    assert not any(inside(value, interval) for value in without)


def test_flags_are_words_with_hyphens_and_carry_the_prefix():
    assert flag_of("weight_decay") == "--weight-decay"
    assert flag_of("max_length", "task") == "--task.max-length"


def test_a_prefix_keeps_options_of_one_name_apart():
    parser = argparse.ArgumentParser()
    add_options(parser, Options, "strategy")
    add_options(parser, Options, "task")
    args = parser.parse_args(["--strategy.rank", "2", "--task.rank", "3"])
    assert collect(args, Options, "strategy") == Options(rank=2)
    assert collect(args, Options, "task") == Options(rank=3)


def test_only_fields_declared_by_option_are_options():
    names = [f.name for f in option_fields(Options)]
    assert "rank" in names
    assert not {"hidden", "default_lr"} & set(names)


def test_the_help_names_interval_and_default_and_survives_a_percent_sign():
    parser = argparse.ArgumentParser()
    add_options(parser, Options, "strategy", "of the strategy")
    text = " ".join(parser.format_help().split())
    assert "of the strategy:" in text
    assert "r, 100% of it (in [1, inf); default 8)" in text
    assert "targets (default query,value)" in text
    assert "--strategy.norms, --no-strategy.norms norms learn (default on)" in text
    assert "quick (default off)" in text


def test_an_option_without_a_default_must_be_typed():
    @dataclass(frozen=True)
    class Needed:
        task: str = option(MISSING, "needed")

    assert read("--task", "ner", cls=Needed).task == "ner"
    with pytest.raises(TypeError, match="task"):
        read(cls=Needed)


@pytest.mark.parametrize("prefix", ["", "strategy"])
@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(rank=3, keep_prob=0.1 + 0.2, any_number=-0.25),
        Options(limit=5, name="an odd name", kind="two"),
        Options(norms=False, fast=True, layers=(0, 3), targets=("all",)),
    ],
    ids=["defaults", "numbers", "words", "flags and tuples"],
)
def test_arguments_of_is_collect_backwards(options, prefix):
    words = arguments_of(options, prefix)
    assert read(*words, prefix=prefix) == options


def test_arguments_of_leaves_defaults_out():
    assert arguments_of(Options()) == []
    assert arguments_of(Options(rank=3), "strategy") == ["--strategy.rank", "3"]
    assert arguments_of(Options(norms=False), "strategy") == ["--no-strategy.norms"]
