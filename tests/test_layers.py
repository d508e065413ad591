"""Imports point downwards: a file imports only from rows below its own, never from its own row."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From bottom to top. A name stands for a file, or for all files of a folder that have no row.
LAYERS = [
    ["tl.surrogates", "tl.out_of_memory", "tl.lock", "tl.templates"],
    [
        "tl.program",
        "tl.options",
        "tl.bars",
        "tl.json_files",
        "tl.seed",
        "tl.losses",
        "tl.metrics",
        "tl.device",
        "tl.float32",
    ],
    ["tl.runs"],
    ["tl.offline", "tl.tables", "tl.rewriting.base", "tl.rewriting.keyboard"],
    ["tl.rewriting.words_en", "tl.rewriting.words_ru", "tl.rewriting.spans", "tl.rewriting.edits"],
    ["tl.rewriting.filters", "tl.rewriting.rules"],
    [
        "tl.registry",
        "tl.record",
        "tl.checkpoint",
        "tl.attention",
        "tl.heads",
        "tl.mixout",
        "tl.optim",
    ],
    ["tl.monitor"],
    ["tl.dead"],
    ["tl.config"],
    ["tl.command_line"],
    ["tl.data.records", "tl.data.batch", "tl.data.encode", "tl.data.newsroom_forms"],
    ["tl.data.splits", "tl.data.files", "tl.data.subset", "tl.rewriting.records"],
    ["tl.data.newsroom_en", "tl.data.newsroom_ru"],
    ["tl.data.newsroom_en_text", "tl.data.newsroom_ru_text"],
    ["tl.data.conll", "tl.data.conllu", "tl.data.hub", "tl.data.newsroom"],
    ["tl.data.sources", "tl.data.newsroom_pairs"],
    ["tl.data.corpus.near_duplicates", "tl.data.corpus.raw", "tl.data.corpus.made_up"],
    ["tl.data.corpus"],
    ["tl.data.corpus.card", "tl.data.corpus.labels"],
    ["tl.data.corpus.__main__"],
    ["tl.backbones.base", "tl.backbones.feed_forward"],
    ["tl.backbones.family"],
    ["tl.backbones.class_heads", "tl.backbones.locate"],
    ["tl.backbones"],
    ["tl.backbones.encoder_decoder"],
    ["tl.backbones.pretrained"],
    ["tl.backbones.tokenizer", "tl.rewriting.seq2seq"],
    ["tl.rewriting.choice"],
    ["tl.strategies.base", "tl.tasks.base"],
    ["tl.tasks.generating"],
    ["tl.strategies", "tl.tasks"],
    ["tl.generation", "tl.advice"],
    ["tl.model"],
    ["tl.build"],
    ["tl.zero_shot"],
    ["tl.evaluate", "tl.resume", "tl.dumps.outputs", "tl.dumps.language"],
    ["tl.dumps.knowledge"],
    ["tl.trained", "tl.dumps", "tl.dumps.hidden", "tl.exchange.plain"],
    ["tl.dumps.words", "tl.dumps.texts"],
    ["tl.exchange.peft", "tl.exchange.plain_generator"],
    ["tl.exchange.peft_import", "tl.exchange.possible"],
    ["tl.checkpoint.__main__"],
    ["tl.ledger"],
    ["tl.plan", "tl.loop"],
    ["tl.results"],
    ["analysis"],
    ["train", "eval"],
]
# What a folder may import of tl, where that is less than all that lies below it.
ONLY = {
    "analysis": ("tl.bars", "tl.json_files", "tl.program", "tl.runs", "tl.metrics"),
    "tl.strategies": (
        "tl.options",
        "tl.registry",
        "tl.heads",
        "tl.attention",
        "tl.optim",
        "tl.backbones.base",
        "tl.strategies",
    ),
    "tl.tasks": (
        "tl.options",
        "tl.registry",
        "tl.losses",
        "tl.metrics",
        "tl.data",
        "tl.backbones.base",
        "tl.tasks",
        "tl.templates",
    ),
    "tl.backbones": (
        "tl.attention",
        "tl.float32",
        "tl.offline",
        "tl.out_of_memory",
        "tl.registry",
        "tl.seed",
        "tl.backbones",
    ),
    "tl.data": (
        "tl.bars",
        "tl.offline",
        "tl.program",
        "tl.seed",
        "tl.surrogates",
        "tl.tables",
        "tl.data",
    ),
}
HEAVY = {"torch", "transformers", "datasets"}
LIGHT = (
    "tl.program",
    "tl.options",
    "tl.registry",
    "tl.config",
    "tl.command_line",
    "tl.runs",
    "tl.json_files",
    "tl.tables",
    "tl.dumps",
    "tl.rewriting.rules",
    "tl.rewriting.filters",
    "train",
)


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {
    name_of(path): path
    for pattern in ("tl/**/*.py", "analysis/**/*.py", "*.py")
    for path in sorted(ROOT.glob(pattern))
}
OURS = [name for name in FILES if name.startswith(("tl.", "train", "eval"))]


def parsed(name):
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def imported(nodes):
    """The modules that statements import: `from tl import seed` is `tl.seed`."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & FILES.keys() or {node.module}
    return found


def imports(name):
    """All modules of this project that a file imports, also inside functions."""
    every = imported(ast.walk(parsed(name)))
    return {module for module in every if module.split(".")[0] in ("tl", "analysis")} - {"tl"}


def within(name, place):
    return f"{name}.".startswith(f"{place}.")


def layer(name):
    """The row of a file; its own name goes before its folder's."""
    rows = {place: row for row, places in enumerate(LAYERS) for place in places}
    found = [place for place in rows if within(name, place)]
    assert found, f"{name} has no layer; add it to LAYERS in {Path(__file__).name}"
    return rows[max(found, key=len)]


def is_empty_package(name):
    return FILES[name].name == "__init__.py" and not imports(name)


@pytest.mark.parametrize("name", [name for name in OURS if not is_empty_package(name)])
def test_a_file_imports_only_from_rows_below_its_own(name):
    upward = [target for target in imports(name) if layer(target) >= layer(name)]
    assert not upward, f"{name} imports {upward}, not below it"


@pytest.mark.parametrize("place", ONLY)
def test_a_folder_imports_only_what_it_may_know(place):
    allowed = ONLY[place]
    inside = [name for name in FILES if within(name, place)]
    assert inside
    for name in inside:
        foreign = [
            target
            for target in imports(name)
            if within(target, "tl") and not any(within(target, known) for known in allowed)
        ]
        assert not foreign, f"{name} imports {foreign}; {place} may know {', '.join(allowed)}"


def test_every_row_has_a_file():
    empty = [p for places in LAYERS for p in places if not any(within(n, p) for n in FILES)]
    assert not empty, f"no file is in {empty}; take them out of LAYERS"


@pytest.mark.parametrize("name", LIGHT)
def test_what_help_and_analysis_read_imports_nothing_heavy(name):
    roots = {module.split(".")[0] for module in imported(parsed(name).body)}
    assert not roots & HEAVY


def test_nothing_but_train_and_eval_imports_the_loop_and_what_is_above_it():
    above = {"tl.loop", "tl.results", "tl.plan"}
    users = {name for name in FILES if imports(name) & above} - above
    assert users <= {"train", "eval"}


def test_nothing_is_printed_from_tl_but_by_its_command_lines():
    calls = [
        f"{name}, line {node.lineno}"
        for name in FILES
        if within(name, "tl") and not name.endswith("__main__")
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"
    ]
    assert not calls


@pytest.mark.parametrize("what", ["strategy", "task", "model_type"])
def test_no_file_asks_which_strategy_task_or_family_it_is(what):
    """A case for one of them belongs into its own file, behind the interface."""
    places = [
        f"{name}, line {node.lineno}"
        for name in OURS
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Compare)
        for side in [node.left, *node.comparators]
        if getattr(side, "attr", getattr(side, "id", None)) == what
        and any(isinstance(s, ast.Constant) and isinstance(s.value, str)
                for s in [node.left, *node.comparators])
    ]  # fmt: skip
    assert not places
