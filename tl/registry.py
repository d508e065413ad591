"""Names on the command line: what they stand for, and the nearest one to a misspelt one.

A registry is a literal dict, name -> "module:Class", so that listing it imports nothing.
"""

import ast
import difflib
import functools
import importlib
import importlib.util
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tl.options import option

STRATEGIES = {
    "full": "tl.strategies.full:FullFineTuning",
    "feature_extraction": "tl.strategies.feature_extraction:FeatureExtraction",
    "layerwise_lr": "tl.strategies.layerwise_lr:LayerwiseLR",
    "adapter": "tl.strategies.adapter:Adapter",
    "lora": "tl.strategies.lora:LoRA",
    "prefix": "tl.strategies.prefix:PrefixTuning",
    "prompt": "tl.strategies.prompt:PromptTuning",
    "bitfit": "tl.strategies.bitfit:BitFit",
    "ia3": "tl.strategies.ia3:IA3",
    "gradual_unfreezing": "tl.strategies.gradual_unfreezing:GradualUnfreezing",
}
TASKS = {
    "classification": "tl.tasks.classification:Classification",
    "ner": "tl.tasks.ner:NER",
    "summarization": "tl.tasks.summarization:Summarization",
    "multitask": "tl.tasks.multitask:Multitask",
    "instruction": "tl.tasks.instruction:Instruction",
}
FAMILIES = {  # by the `model_type` of a checkpoint's config.json
    "bert": "tl.backbones.bert:FAMILY",
    "roberta": "tl.backbones.bert:ROBERTA",
    "xlm-roberta": "tl.backbones.bert:ROBERTA",
    "deberta-v2": "tl.backbones.deberta:FAMILY",  # v3 too
    "gpt2": "tl.backbones.gpt2:FAMILY",
    "llama": "tl.backbones.llama:FAMILY",
    "mistral": "tl.backbones.llama:FAMILY",
    "qwen2": "tl.backbones.llama:FAMILY",
    "t5": "tl.backbones.t5:FAMILY",
    "mt5": "tl.backbones.t5:FAMILY",
    "bart": "tl.backbones.bart:FAMILY",
    "encoder-decoder": "tl.backbones.encoder_decoder:FAMILY",
}


def unknown(what: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that is not known: it offers the nearest one and lists them all."""
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return ValueError(f"unknown {what} {name!r}.{hint} Known: {', '.join(known)}")


def target(table: dict[str, str], name: str, what: str) -> tuple[str, str]:
    """The module and the attribute behind a name.

    Raises:
        ValueError: if `table` does not hold `name`.
    """
    if name not in table:
        raise unknown(what, name, table)
    module, _, attribute = table[name].partition(":")
    return module, attribute


def resolve(table: dict[str, str], name: str, what: str) -> typing.Any:
    """Import what a name stands for.

    Args:
        table: name -> "module:attribute".
        name: what the user typed.
        what: what the table holds, for the message ("strategy", "task").

    Raises:
        ValueError: if `table` does not hold `name`.
    """
    module, attribute = target(table, name, what)
    return getattr(importlib.import_module(module), attribute)


def _parsed(module: str) -> ast.Module:
    package, _, stem = module.rpartition(".")
    folder = Path(importlib.util.find_spec(package).submodule_search_locations[0])
    return ast.parse((folder / f"{stem}.py").read_text(encoding="utf-8"))


def summary(table: dict[str, str], name: str, what: str) -> str:
    """The first line of the docstring of the file behind a name."""
    module, _ = target(table, name, what)
    return (ast.get_docstring(_parsed(module)) or "").partition("\n")[0]


@functools.cache
def _options_in(module: str) -> type:
    source = _parsed(module)
    statement = next(n for n in source.body if isinstance(n, ast.ClassDef) and n.name == "Options")
    names = {
        "__name__": __name__,
        "dataclass": dataclass,
        "option": option,
        "Literal": typing.Literal,
        "ClassVar": typing.ClassVar,
    }
    exec(compile(ast.Module([statement], []), "<Options>", "exec"), names)
    return names["Options"]


def options_of(table: dict[str, str], name: str, what: str) -> type:
    """The `Options` dataclass in the file behind a name, without importing that file.

    A strategy's file imports torch, which takes seconds; `--help` must not. So only the class
    statement is executed: its fields may use `option`, `Literal` and `ClassVar`, nothing else.

    Raises:
        ValueError: if `table` does not hold `name`.
    """
    return _options_in(target(table, name, what)[0])
