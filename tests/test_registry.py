"""Names: what they stand for, what is near to them, and options read without an import."""

import importlib
import typing
from dataclasses import fields

import pytest

from tl.backbones.family import Family
from tl.registry import (
    FAMILIES,
    STRATEGIES,
    TASKS,
    options_of,
    resolve,
    summary,
    target,
    unknown,
)
from tl.strategies.base import TransferAdaptor
from tl.tasks.base import Task

OWNERS = [(STRATEGIES, name, "strategy") for name in STRATEGIES]
OWNERS += [(TASKS, name, "task") for name in TASKS]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("adaptor", "adapter"), ("LoRa", "lora"), ("features_extraction", "feature_extraction")],
)
def test_the_nearest_name_is_offered_beside_all_of_them(name, nearest):
    message = str(unknown("strategy", name, STRATEGIES))
    assert f"unknown strategy {name!r}. Did you mean {nearest!r}?" in message
    assert all(known in message for known in STRATEGIES)


def test_nothing_is_offered_for_a_name_far_from_all():
    message = str(unknown("strategy", "zzz", STRATEGIES))
    assert "Did you mean" not in message
    assert "Known: adapter" in message


@pytest.mark.parametrize(
    "table", [STRATEGIES, TASKS, FAMILIES], ids=["strategies", "tasks", "families"]
)
def test_every_name_can_be_imported(table):
    kind = {id(STRATEGIES): TransferAdaptor, id(TASKS): Task}.get(id(table))
    for name in table:
        found = resolve(table, name, "name")
        assert isinstance(found, Family) if kind is None else issubclass(found, kind)


@pytest.mark.parametrize(("table", "name", "what"), OWNERS)
def test_options_read_from_the_file_are_those_of_the_imported_class(table, name, what):
    module, _ = target(table, name, what)
    imported = importlib.import_module(module).Options
    read = options_of(table, name, what)
    assert resolve(table, name, what).Options is imported

    def facts(cls):
        return [(f.name, f.default, dict(f.metadata)) for f in fields(cls)]

    assert facts(read) == facts(imported)
    assert typing.get_type_hints(read) == typing.get_type_hints(imported)
    if what == "strategy":
        assert read.default_lr == imported.default_lr


@pytest.mark.parametrize(("table", "name", "what"), OWNERS)
def test_every_option_has_a_help_text(table, name, what):
    assert summary(table, name, what)
    for f in fields(options_of(table, name, what)):
        assert f.metadata["help"].strip()


def test_a_task_is_registered_under_its_own_name():
    for name in TASKS:
        assert resolve(TASKS, name, "task").name == name


@pytest.mark.parametrize("ask", [target, resolve, options_of, summary])
def test_an_unknown_name_is_refused_everywhere(ask):
    with pytest.raises(ValueError, match=r"unknown task 'nre'. Did you mean 'ner'"):
        ask(TASKS, "nre", "task")
