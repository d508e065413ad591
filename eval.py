"""Use a trained run: score a split or a file, label a text, dump what analysis needs.

python eval.py RUN
python eval.py RUN --text "Brenda Khan met Puma in Osaka ."
python eval.py RUN --dump hidden,attention --weights trained,pretrained
python eval.py RUN --of classification --data DATA
python eval.py --zero-shot --data DATA
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tl import program
from tl.dumps import DUMPS, add_options, refuse_foreign_options, write
from tl.runs import WEIGHTS, Run, write_arrays

if TYPE_CHECKING:  # torch is imported where it is used, so that --help answers at once
    from tl.build import Setup
    from tl.config import Config
    from tl.data.batch import Example
    from tl.data.records import Dataset


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: see `tl.program.run`."""
    code, said = program.run("eval.py", work, argv)
    print(said, end="", file=sys.stderr)
    return code


def work(argv: list[str]) -> int:
    """Do the one of four things that is asked for."""
    args, unread = parser().parse_known_args(argv)
    if unread:
        raise ValueError(f"unknown option {unread[0]}; `python eval.py --help` lists all")
    refuse_contradictions(args)
    if args.zero_shot:
        ask_untrained(args)
    elif args.of:
        score_other_ability(args)
    elif args.text:
        label_texts(args)
    else:
        work_on_split(args)
    return 0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="eval.py",
        description="Score a trained run, label texts with it, or dump what analysis needs.",
        allow_abbrev=False,
        exit_on_error=False,
    )
    options.add_argument("run", nargs="?", help="run directory, as train.py printed it")
    options.add_argument(
        "--split", help="split to score (default test, or validation where there is no test)"
    )
    options.add_argument("--data", help="score another file, directory or data set instead")
    options.add_argument(
        "--text",
        action="append",
        help="label this text; may be repeated; a tab separates the texts of a pair; a word that "
        "is not read, beyond --task.max-length, has the tag null",
    )
    options.add_argument(
        "--of", choices=("classification", "ner"),
        help="score a run of --task instruction on --data of another task, before and after",
    )  # fmt: skip
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: the run's")
    options.add_argument("--json", action="store_true", help="print one JSON object as last line")
    add_dumps(options)
    add_options(options)
    add_questions(options)
    return options


def add_dumps(options: argparse.ArgumentParser) -> None:
    """Add what `--dump` takes."""
    dumped = options.add_argument_group("arrays for analysis")
    dumped.add_argument(
        "--dump", type=one_of(DUMPS), default=(), metavar="A,B",
        help=f"write some of: {', '.join(DUMPS)}",
    )  # fmt: skip
    dumped.add_argument(
        "--weights", type=one_of(WEIGHTS), default=("trained",), metavar="A,B",
        help="of the model that is dumped; "
        + "; ".join(f"{name}: those {what}" for name, what in WEIGHTS.items())
        + " (default trained)",
    )  # fmt: skip
    dumped.add_argument(
        "--limit", type=_positive, default=None, metavar="N",
        help="examples in a dump (default: the dump's own, such as 2000 for hidden); of labelled "
        "words, forgetting and source stop at about 4000 all the same",
    )  # fmt: skip


def add_questions(options: argparse.ArgumentParser) -> None:
    """Add what `--zero-shot` takes."""
    asked = options.add_argument_group("without a run: ask a pretrained model by a template")
    asked.add_argument("--zero-shot", action="store_true", help="classify --data, untrained")
    asked.add_argument("--model", default="minilm", help="as for train.py (default minilm)")
    asked.add_argument(
        "--method", choices=("similarity", "cloze", "likelihood"),
        help="of a text and a label; of a label in a gap; of a label behind a text (default: what "
        "the model was pretrained for)",
    )  # fmt: skip
    asked.add_argument(
        "--template", help="with {label}, and for cloze and likelihood {text}, of pairs {pair} too"
    )
    asked.add_argument(
        "--words", metavar="CLASS=WORDS,…", help="what classes are called (default: their names)"
    )


def one_of(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of names that are separated by commas."""

    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if not set(found) <= set(known):
            raise argparse.ArgumentTypeError(f"allowed are {', '.join(known)}, got {text!r}")
        return found

    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _device(args: argparse.Namespace) -> dict[str, object]:
    return {} if args.device is None else {"device": args.device}


def refuse_contradictions(args: argparse.Namespace) -> None:
    """Raise ValueError for options that would have no effect beside the others."""
    refuse_foreign_options(args)
    if not args.dump and (args.limit or args.weights != ("trained",)):
        raise ValueError(f"--limit and --weights belong to --dump; add --dump {'|'.join(DUMPS)}")
    if args.zero_shot:
        if args.run or args.text or args.dump or args.of or args.device or not args.data:
            raise ValueError("--zero-shot takes --data; no run, --text, --dump, --of or --device")
        return
    if args.run is None:
        raise ValueError("name a run directory, or add --zero-shot and --data")
    if args.template or args.words or args.method or args.model != "minilm":
        raise ValueError("--model, --method, --template and --words belong to --zero-shot")
    if args.of and (args.text or args.dump or not args.data):
        raise ValueError("--of takes --data, and no --text or --dump")
    if not all(map(str.strip, args.text or ())):
        raise ValueError("--text is empty; give a text to label")
    if args.text and (args.data or args.split or args.dump):
        raise ValueError("--text labels texts; leave out --data, --split and --dump, or --text")


def load_model(
    args: argparse.Namespace, dataset: Dataset | None = None, weights: str = "trained"
) -> Setup:
    """The run's model, with a note where the run has not finished."""
    from tl import trained

    run = Run(Path(args.run))
    setup = trained.load(run, dataset, weights, **_device(args))
    if weights == "trained":
        say(*run.notes())
    return setup


def say(*notes: str) -> None:
    """Print lines for the user, beside the answer."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def label_texts(args: argparse.Namespace) -> None:
    """Print what the model says of each text."""
    from tl.evaluate import infer

    setup = load_model(args)
    examples = [setup.task.encode_text(text, str(i)) for i, text in enumerate(args.text)]
    say(*setup.task.truncation("given", examples))
    logits, _ = infer(setup, examples, "texts")
    answers = [
        {"text": text} | setup.task.readable(text, example, rows)
        for text, example, rows in zip(args.text, examples, logits, strict=True)
    ]
    for answer in [answers] if args.json else answers:
        print(json.dumps(answer, ensure_ascii=False))


def work_on_split(args: argparse.Namespace) -> None:
    """Score a split and write its predictions; write the dumps that were asked for."""
    from tl import trained
    from tl.dumps import dump_of

    run = Run(Path(args.run))
    kinds = {name: dump_of(name) for name in args.dump}
    foreign = [name for name, kind in kinds.items() if hasattr(kind, "load")]
    if foreign and (len(kinds) > 1 or not args.data):
        raise ValueError(
            f"--dump {foreign[0]} reads data of a form of its own; give it alone, with --data"
        )
    config = trained.config_of(run)
    dataset, name = choose_data(args, config, run, kinds[foreign[0]].load if foreign else None)
    found = {"split": name}
    for weights in args.weights:
        setup = load_model(args, None if foreign else dataset, weights)
        first = weights == args.weights[0]  # what is said of texts is said once
        if first and not foreign:
            examples = setup.task.examples(name)
            say(*setup.task.notes(name, examples))
        if weights == "trained" and not foreign:
            say(*learned_from(args, run, setup, name))
            found = score(setup, run, name, examples)
        for kind in kinds:
            path, notes = write(run, kind, weights, setup, dataset, args)
            print(f"wrote {path}")
            say(*(notes if first else ()))
    if args.json:
        print(json.dumps(found))


def choose_data(
    args: argparse.Namespace, config: Config, run: Run, load: Callable | None
) -> tuple[Dataset, str]:
    """The one split to work on, and the name of the files that are written about it.

    Args:
        args: the command line.
        config: of the run.
        run: the run.
        load: reads --data in a dump's own form; None: they are data of the run's task.
    """
    from tl import trained
    from tl.build import load_data
    from tl.data import sources
    from tl.data.records import Dataset

    if args.data is not None and Path(args.data).is_file() and load is None:
        if args.split:
            raise ValueError(f"all of the file {args.data} is scored; leave out --split")
        path = Path(args.data).resolve()
        name = f"{path.parent.name}-{path.stem}"
        records = sources.load_file(path, config.task, config.encoding)
        return Dataset(path.name, {name: records}), name
    if load is not None:
        dataset = load(args.data, config.encoding)
    elif args.data is not None:
        dataset = trained.load_other_data(config, args.data)
    else:
        dataset = load_data(config)
        if dataset.fingerprint != run.read_env("data_fingerprint")["data_fingerprint"]:
            say("the data have changed since the run")
    split = dataset.choose_split(args.split)
    name = split if args.data is None else f"{dataset.name}-{split}"
    return Dataset(dataset.name, {name: dataset.splits[split]}), name


def learned_from(args: argparse.Namespace, run: Run, setup: Setup, name: str) -> list[str]:
    """Say whether the run was trained on the texts that it is scored on."""
    from tl.trained import seen

    if args.data is not None:
        return seen(run, setup.task, name)
    trained = f"the run was trained on {name}; scores of it are not scores of new texts"
    return [trained] if name == "train" else []


def score(setup: Setup, run: Run, name: str, examples: list[Example]) -> dict[str, object]:
    """Print the scores of a split and write its predictions; what was found, for --json."""
    from tl.evaluate import evaluate
    from tl.tables import aligned

    scores, logits = evaluate(setup, examples, name)
    path = run.arrays("predictions", name)
    write_arrays(path, setup.task.arrays(examples, logits))
    shown = [[key, f"{scores[key]:.4f}"] for key in scores if not key.endswith("/support")]
    print(f"{aligned([['score', name], *shown])}\n\nwrote {path}")
    return {"split": name, "examples": len(examples), "scores": scores}


def score_other_ability(args: argparse.Namespace) -> None:
    """Score a model in text form on another task, untrained and as it was trained."""
    from tl.tables import aligned
    from tl.trained import score_ability

    run = Run(Path(args.run))
    path, before, after = score_ability(run, args.of, args.data, args.split, say, **_device(args))
    names = [name for name in after if not name.endswith("/support")]
    rows = [[n, *(f"{s[n]:.4f}" if n in s else "-" for s in (before, after))] for n in names]
    print(aligned([["score", "before", "after"], *rows]) + f"\n\nwrote {path}")
    if args.json:
        print(json.dumps({"of": args.of, "before": before, "after": after}))


def ask_untrained(args: argparse.Namespace) -> None:
    """Score a pretrained model on a split, beside always giving the most frequent label."""
    from tl.tables import aligned
    from tl.zero_shot import Asker, score

    asker = Asker(args.model, args.method)
    asked = score(asker, args.data, args.split, args.template, args.words)
    say(*asked.notes)
    rows = [["", *asked.scores]]
    for name, found in (*asked.baselines.items(), (f"zero-shot, {asker.method}", asked.scores)):
        rows.append([name, *(f"{found[key]:.4f}" for key in asked.scores)])
    template = asked.question.template
    print(f"{asked.split} of {asked.data}, by {args.model}: {template!r}\n\n{aligned(rows)}")
    if args.json:
        found = {"split": asked.split, "examples": asked.n_examples, "scores": asked.scores}
        print(json.dumps(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
