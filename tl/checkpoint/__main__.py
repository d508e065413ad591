"""Take a trained run to other tools, an adapter of PEFT into a run, or a prefix out of its MLP.

python -m tl.checkpoint export RUN --to peft DIR
python -m tl.checkpoint export RUN --to transformers DIR
python -m tl.checkpoint import DIR RUN --task ner --data DATA [--model MODEL]
python -m tl.checkpoint fold RUN NEW
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tl.config import parse
from tl.runs import Run

if TYPE_CHECKING:  # torch is imported where it is used, so that --help answers at once
    from tl.build import Setup


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: 0, or 2 for bad input."""
    try:
        args = parser().parse_args(argv)
        print({"export": export, "import": import_adapter, "fold": fold}[args.command](args))
        return 0
    except (ValueError, OSError, argparse.ArgumentError) as error:
        print(f"tl.checkpoint: error: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m tl.checkpoint", description=__doc__.partition("\n")[0], exit_on_error=False
    )
    commands = options.add_subparsers(dest="command", required=True)
    out = commands.add_parser(
        "export", help="write a run in another tool's form", exit_on_error=False
    )
    out.add_argument("run", type=Path, help="run directory, as train.py printed it")
    out.add_argument(
        "--to",
        required=True,
        choices=("peft", "transformers"),
        help="peft: the adapter and the head (lora, ia3, prompt); transformers: a plain model, "
        "what was learned merged in, for pipeline(...)",
    )
    out.add_argument("folder", type=Path, help="new directory")
    into = commands.add_parser(
        "import", help="make a run of an adapter that PEFT wrote", exit_on_error=False
    )
    into.add_argument("folder", type=Path, help="directory with adapter_config.json")
    into.add_argument("run", type=Path, help="new run directory, for eval.py")
    into.add_argument("--task", required=True, help="classification or ner")
    into.add_argument("--data", required=True, help="data with the classes of its head")
    into.add_argument("--model", help="default: the model that the adapter names")
    plain = commands.add_parser(
        "fold",
        help="make a run with plain prefixes out of an MLP's",
        exit_on_error=False,
    )
    plain.add_argument("source", type=Path, help="run of --strategy prefix --strategy.hidden N")
    plain.add_argument("run", type=Path, help="new run directory, for eval.py")
    return options


def require_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists already; give a new directory")


def export(args: argparse.Namespace) -> str:
    """Write the export beside its place, then move it there: nothing half-written is left."""
    from tl import trained
    from tl.exchange.peft import export_peft
    from tl.exchange.plain import export_plain

    require_new(args.folder)
    setup = trained.load(Run(args.run), device="cpu", precision="fp32")
    partial = args.folder.with_name(f".{args.folder.name}.partial")
    try:
        (export_peft if args.to == "peft" else export_plain)(setup, partial)
    except (ValueError, OSError):
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if args.folder.exists():
        args.folder.rmdir()
    partial.rename(args.folder)
    return f"wrote {args.folder}"


def import_adapter(args: argparse.Namespace) -> str:
    """Make a run directory that eval.py takes as one of ours."""
    from tl.backbones import pretrained
    from tl.build import build, load_data
    from tl.exchange.peft import fill_from_peft, read_peft, strategy_words
    from tl.registry import FAMILIES, resolve

    require_new(args.run)
    adapter = read_peft(args.folder)
    model = args.model or adapter.config.get("base_model_name_or_path")
    if model is None:
        raise ValueError(f"{args.folder} names no model; add --model")
    family = resolve(FAMILIES, pretrained.read_config(model).model_type, "model family")
    words = strategy_words(adapter, pretrained.empty_backbone(model), family)
    words += ["--task", args.task, "--data", args.data, "--model", model]
    config, _ = parse(words)
    setup = build(config, load_data(config))
    fill_from_peft(setup, adapter)
    return save_run(setup, args.run)


def fold(args: argparse.Namespace) -> str:
    """What the MLP makes, without it: the same answers from a far smaller file."""
    import torch

    from tl import trained
    from tl.build import build
    from tl.data.records import Dataset

    require_new(args.run)
    setup = trained.load(Run(args.source), device="cpu", precision="fp32")
    config = setup.config
    if not getattr(config.strategy_options, "hidden", 0):
        raise ValueError(f"{args.source} has no prefix that an MLP makes: there is nothing to fold")
    config = replace(config, strategy_options=replace(config.strategy_options, hidden=0))
    plain = build(config, Dataset("text", {}), labels=setup.task.labels)
    setup.model.adaptor.fold(setup.model.backbone)
    made = dict(setup.model.named_parameters())
    with torch.no_grad():
        for name, tensor in plain.model.learned().items():
            tensor.copy_(made[name])
    return save_run(plain, args.run)


def save_run(setup: Setup, path: Path) -> str:
    """Write what eval.py needs of a run that was not trained here."""
    from tl.checkpoint import save_learned
    from tl.runs import start

    run = Run(path)
    start(run, setup.config.to_json(), setup.environment())
    save_learned(run.learned, setup.model.learned(), setup.metadata())
    return f"wrote {path}\nto score it: python eval.py {path}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
