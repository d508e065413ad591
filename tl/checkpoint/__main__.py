"""Take a trained run to other tools, or an adapter of PEFT into a run.

python -m tl.checkpoint export RUN --to peft DIR
python -m tl.checkpoint export RUN --to transformers DIR
python -m tl.checkpoint import DIR RUN --task ner --data DATA [--model MODEL]
"""

import argparse
import shutil
import sys
from pathlib import Path

from tl.config import parse
from tl.runs import Run


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: 0, or 2 for bad input."""
    try:
        args = parser().parse_args(argv)
        print(export(args) if args.command == "export" else import_adapter(args))
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
    from tl.checkpoint import save_learned
    from tl.exchange.peft import fill_from_peft, read_peft, strategy_words
    from tl.registry import FAMILIES, resolve
    from tl.runs import start

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
    run = Run(args.run)
    start(run, config.to_json(), setup.environment())
    save_learned(run.learned, setup.model.learned(), setup.metadata())
    return f"wrote {args.run}\nto score it: python eval.py {args.run}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
