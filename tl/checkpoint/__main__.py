"""Take a trained run to other tools, an adapter of PEFT into a run, or a prefix out of its MLP.

python -m tl.checkpoint export RUN --to peft DIR
python -m tl.checkpoint export RUN --to transformers DIR
python -m tl.checkpoint import DIR RUN --task ner --data DATA [--model MODEL] [--task.OPTION …]
python -m tl.checkpoint fold RUN NEW
"""

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from tl import program
from tl.command_line import parse
from tl.runs import Run

# What needs torch is imported where it is used, so that --help answers at once.


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: see `tl.program.run`."""
    code, said = program.run("tl.checkpoint", work, argv)
    print(said, end="", file=sys.stderr)
    return code


def work(argv: list[str]) -> int:
    args, args.others = parser().parse_known_args(argv)
    if args.others and args.command != "import":
        raise ValueError(f"unknown option {args.others[0]}; --help lists all")
    print({"export": export, "import": import_adapter, "fold": fold}[args.command](args))
    return 0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m tl.checkpoint",
        description=__doc__.partition("\n")[0],
        allow_abbrev=False,
        exit_on_error=False,
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
        "what was learned merged in, for pipeline(...) or generate(...)",
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
    from tl.exchange import peft, plain, plain_generator

    require_new(args.folder)
    setup = trained.load(Run(args.run), device="cpu", precision="fp32")
    in_full = plain_generator if setup.task.generates else plain
    form = peft if args.to == "peft" else in_full
    partial = args.folder.with_name(f".{args.folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
    try:
        form.export(setup, partial)
    except (ValueError, OSError):
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if args.folder.exists():
        args.folder.rmdir()
    partial.rename(args.folder)
    loading = form.loading(setup, args.folder)
    return "\n".join([*noted(Run(args.run)), f"wrote {args.folder}; to load it:\n", loading])


def import_adapter(args: argparse.Namespace) -> str:
    """Make a run directory that eval.py takes as one of ours."""
    from tl.backbones.locate import family_of, read_config
    from tl.backbones.pretrained import empty_backbone
    from tl.build import build, load_data
    from tl.checkpoint import save_learned
    from tl.exchange.peft_import import (
        check_classes,
        fill_from_peft,
        read_peft,
        strategy_words,
    )
    from tl.runs import start

    require_new(args.run)
    adapter = read_peft(args.folder)
    model = args.model or adapter.config.get("base_model_name_or_path")
    if model is None:
        raise ValueError(f"{args.folder} names no model; add --model")
    family = family_of(read_config(model))
    words = strategy_words(adapter, empty_backbone(model), family)
    words += ["--task", args.task, "--data", args.data, "--model", model]
    config, _ = parse(words + args.others)
    setup = build(config, load_data(config))
    check_classes(setup)
    fill_from_peft(setup, adapter)
    run = Run(args.run)
    start(run, config.to_json(), setup.environment(), origin="imported")
    save_learned(run.learned, setup.model.learned(), setup.metadata())
    order = ", ".join(setup.task.labels)
    return f"{written(run)}\nits classes are taken to be, in this order: {order}"


def fold(args: argparse.Namespace) -> str:
    """What the MLP makes, without it: the same answers from a far smaller file."""
    import torch

    from tl import trained
    from tl.build import build
    from tl.checkpoint import save_learned
    from tl.data.records import Dataset
    from tl.runs import start
    from tl.strategies.prefix import PrefixTuning

    require_new(args.run)
    source = Run(args.source)
    config = trained.config_of(source)
    setup = trained.load(source, device="cpu", precision="fp32")
    adaptor = setup.model.adaptor
    if not isinstance(adaptor, PrefixTuning) or not adaptor.options.hidden:
        raise ValueError(f"{args.source} has no prefix that an MLP makes: there is nothing to fold")
    options = replace(config.strategy_options, hidden=0)
    plain_config = replace(setup.config, strategy_options=options)
    plain = build(plain_config, Dataset("text", {}), labels=setup.task.labels)
    adaptor.fold(setup.model.backbone)
    made = dict(setup.model.named_parameters())
    with torch.no_grad():
        for name, tensor in plain.model.learned().items():
            tensor.copy_(made[name])
    run = Run(args.run)
    folded = replace(config, strategy_options=options)
    start(run, folded.to_json(), source.read_env(), origin="folded")
    save_learned(run.learned, plain.model.learned(), plain.metadata())
    return "\n".join([*noted(source), written(run)])


def noted(run: Run) -> list[str]:
    """The notes about a run, as lines of an answer."""
    return [f"note: {note}" for note in run.notes()]


def written(run: Run) -> str:
    return f"wrote {run.path}\nto score it: python eval.py {run.path}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
