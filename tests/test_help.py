"""`--help` is complete, grouped, and answers without torch."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tl.command_line import help_text
from tl.config import Command, Config
from tl.options import flag_of, option_fields
from tl.registry import STRATEGIES, TASKS, options_of, target

ROOT = Path(__file__).parents[1]
PAIRS = [(strategy, task) for strategy in STRATEGIES for task in TASKS]
LORA = ["--strategy", "lora", "--task", "ner"]


def test_help_lists_every_option_of_every_run_and_every_name():
    text = help_text(["--help"])
    for cls in (Config, Command):
        for f in option_fields(cls):
            assert re.search(rf"^ +{flag_of(f.name)}\b", text, re.MULTILINE), f.name
            assert f.metadata["help"].split()[0] in text
    for name in (*STRATEGIES, *TASKS):
        assert re.search(rf"^  {name} +\S", text, re.MULTILINE), name
    assert "--strategy." not in text


@pytest.mark.parametrize(("strategy", "task"), PAIRS)
def test_help_lists_every_option_of_the_chosen_strategy_and_task(strategy, task):
    text = help_text(["--strategy", strategy, "--task", task, "--help"])
    for prefix, table, name in (("strategy", STRATEGIES, strategy), ("task", TASKS, task)):
        owned = option_fields(options_of(table, name, prefix))
        assert (f"{prefix} {name}: " in text) == bool(owned)
        for f in owned:
            assert re.search(rf"^ +{re.escape(flag_of(f.name, prefix))}\b", text, re.MULTILINE)


@pytest.mark.parametrize("words", [[], [*LORA]], ids=["nothing chosen", "lora, ner"])
def test_help_needs_no_torch(words):
    program = (
        "import sys, train; code = train.main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules; assert 'transformers' not in sys.modules; "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--learning-rate" not in done.stdout
    assert "--lr " in done.stdout
    assert ("--strategy.r " in done.stdout) == bool(words)


def test_help_of_an_unknown_strategy_offers_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'adapter'"):
        help_text(["--strategy", "adaptor", "--help"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategys_file_begins_with_what_it_does_and_an_arxiv_id(strategy):
    module, _ = target(STRATEGIES, strategy, "strategy")
    path = ROOT / f"{module.replace('.', '/')}.py"
    first = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split("\n")[0]
    assert re.search(r"arXiv \d{4}\.\d{4,5}", first), first


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_help_of_a_strategy_has_its_own_rate(strategy):
    rate = options_of(STRATEGIES, strategy, "strategy").default_lr
    assert f"--lr of {strategy}, unless another is given: {rate:g}\n" in help_text(
        ["--strategy", strategy, "--help"]
    )
