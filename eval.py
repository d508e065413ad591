"""Use a trained run: score a split or a file, label a text, dump what analysis needs.

python eval.py RUN
python eval.py RUN --text "Brenda Khan met Puma in Osaka ."
python eval.py RUN --dump hidden,attention
python eval.py RUN --of classification --data DATA
python eval.py --zero-shot --data DATA
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch is imported where it is used, so that --help answers at once
    from tl.build import Setup
    from tl.config import Config
    from tl.data.records import Dataset
    from tl.runs import Run

DUMPS = ("hidden", "attention")


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: 0, or 2 for bad input."""
    try:
        args, unread = parser().parse_known_args(argv)
        if unread:
            raise ValueError(f"unknown option {unread[0]}; `python eval.py --help` lists all")
        refuse_contradictions(args)
        if args.zero_shot:
            ask_untrained(args)
        elif args.of:
            score_other_ability(args)
        else:
            evaluate_run(args)
        return 0
    except (ValueError, OSError, argparse.ArgumentError) as error:
        print(f"eval.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


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
        help="label this text; may be repeated; a tab separates the texts of a pair",
    )
    options.add_argument(
        "--dump", type=_names, default=(), metavar="A,B", help="write hidden, attention or both"
    )
    options.add_argument(
        "--limit", type=_positive, default=None, metavar="N",
        help="examples in a dump (default 2000; 32 for attention)",
    )  # fmt: skip
    options.add_argument(
        "--of", choices=("classification", "ner"),
        help="score a run of --task instruction on --data of another task, before and after",
    )  # fmt: skip
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: the run's")
    options.add_argument("--json", action="store_true", help="print one JSON object as last line")
    add_questions(options)
    return options


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


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(DUMPS):
        raise argparse.ArgumentTypeError(f"allowed are {', '.join(DUMPS)}, got {text!r}")
    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def refuse_contradictions(args: argparse.Namespace) -> None:
    """Raise ValueError for options that would have no effect beside the others."""
    if args.zero_shot:
        if args.run or args.text or args.dump or not args.data:
            raise ValueError("--zero-shot takes --data, and no run, --text or --dump")
        return
    if args.run is None:
        raise ValueError("name a run directory, or add --zero-shot and --data")
    if args.template or args.words or args.method or args.model != "minilm":
        raise ValueError("--model, --method, --template and --words belong to --zero-shot")
    if args.of and (args.text or args.dump or not args.data):
        raise ValueError("--of takes --data, and no --text or --dump")
    if args.text and (args.data or args.split or args.dump):
        raise ValueError("--text labels texts; leave out --data, --split and --dump, or --text")
    if args.data and args.split and Path(args.data).is_file():
        raise ValueError(f"--data {args.data} is one file, all of it is scored; leave out --split")
    if args.limit and not args.dump:
        raise ValueError("--limit is the size of a dump; add --dump hidden or --dump attention")


def evaluate_run(args: argparse.Namespace) -> None:
    """Load the run's model, then do what was asked with it."""
    from tl import trained
    from tl.runs import Run

    run = Run(Path(args.run))
    config = trained.config_of(run)
    dataset, name = (None, "") if args.text else choose_data(args, config, run)
    changes = {} if args.device is None else {"device": args.device}
    setup = trained.load(run, dataset, **changes)
    if not run.result.is_file():
        print(
            "note: the run has not finished; these are the weights of its best epoch so far",
            file=sys.stderr,
        )
    if args.text:
        label_texts(setup, args.text, as_json=args.json)
    else:
        score(setup, run, name, args)


def choose_data(args: argparse.Namespace, config: Config, run: Run) -> tuple[Dataset, str]:
    """The one split to work on, and the name of the files that are written about it."""
    from tl.build import load_data
    from tl.data import sources
    from tl.data.records import Dataset

    if args.data is not None and Path(args.data).is_file():
        path = Path(args.data).resolve()
        name = f"{path.parent.name}-{path.stem}"
        records = sources.load_file(path, config.task, config.encoding)
        return Dataset(path.name, {name: records}), name
    if args.data is not None:
        config = replace(config, data=args.data, train_size=None)
    dataset = load_data(config)
    if args.data is None and dataset.fingerprint != run.read_env()["data_fingerprint"]:
        print("note: the data have changed since the run", file=sys.stderr)
    split = args.split or ("test" if "test" in dataset.splits else "validation")
    if split not in dataset.splits:
        raise ValueError(f"--split {split}: {dataset.name!r} has {', '.join(dataset.splits)}")
    name = split if args.data is None else f"{dataset.name}-{split}"
    return Dataset(dataset.name, {name: dataset.splits[split]}), name


def ask_untrained(args: argparse.Namespace) -> None:
    """Score a pretrained model on a split, beside always giving the most frequent label."""
    from tl.data import sources
    from tl.metrics import classification_scores
    from tl.tables import aligned
    from tl.tasks.classification import Classification
    from tl.zero_shot import TEMPLATES, Asker, Question

    options = Classification.Options()
    dataset = sources.load(args.data, Classification.name, Classification.stratify(options))
    task = Classification(options, dataset, None)
    split = args.split or ("test" if "test" in dataset.splits else "validation")
    if split not in dataset.splits:
        raise ValueError(f"--split {split}: {dataset.name!r} has {', '.join(dataset.splits)}")
    asker = Asker(args.model, args.method)
    question = Question(args.template or TEMPLATES[asker.method], words_of(args.words, task.labels))
    predicted = asker.ask(*task.texts(split), question).argmax(axis=1)
    scores = classification_scores(task.gold(split), predicted, len(task.labels))
    shown = {**task.baselines(split), f"zero-shot, {asker.method}": scores}
    rows = [["", *scores]]
    rows += [[name, *(f"{found[key]:.4f}" for key in scores)] for name, found in shown.items()]
    print(f"{split} of {dataset.name}, by {args.model}: {question.template!r}\n\n{aligned(rows)}")
    if args.json:
        print(json.dumps({"split": split, "examples": len(predicted), "scores": scores}))


def words_of(text: str | None, labels: list[str]) -> tuple[str, ...]:
    """What each class is called; ValueError for a class that is not there."""
    words = {label: label.replace("_", " ") for label in labels}
    for part in text.split(",") if text else ():
        name, _, called = part.strip().partition("=")
        if name not in words or not called:
            raise ValueError(
                f"--words {part!r}: write CLASS=WORDS, with a class of {', '.join(labels)}"
            )
        words[name] = called
    return tuple(words.values())


def score_other_ability(args: argparse.Namespace) -> None:
    """Score a model in text form on another task, untrained and as it was trained."""
    from tl import trained
    from tl.build import build, load_data
    from tl.checkpoint import load_learned
    from tl.evaluate import evaluate
    from tl.runs import Run, write_json
    from tl.tables import aligned

    run = Run(Path(args.run))
    config = trained.config_of(run)
    if not hasattr(config.task_options, "of"):
        raise ValueError(f"{run.path} is no run of --task instruction: it has one ability only")
    options = replace(config.task_options, of=args.of, template="")
    config = replace(config, data=args.data, train_size=None, task_options=options)
    dataset = load_data(config)
    split = args.split or ("test" if "test" in dataset.splits else "validation")
    if split not in dataset.splits:
        raise ValueError(f"--split {split}: {dataset.name!r} has {', '.join(dataset.splits)}")
    setup = build(config, dataset)
    examples = setup.task.examples(split)
    before, _ = evaluate(setup, examples, f"{split}, untrained")
    load_learned(run.learned, setup.model.learned(), setup.backbone_fingerprint)
    after, _ = evaluate(setup, examples, split)
    path = run.path / "evaluations" / f"{dataset.name}-{split}.json"
    path.parent.mkdir(exist_ok=True)
    found = {"of": args.of, "data": dataset.name, "split": split, "metric": setup.task.metric}
    write_json(path, found | {"before": before, "after": after})
    names = [name for name in after if not name.endswith("/support")]
    rows = [[n, *(f"{s[n]:.4f}" if n in s else "-" for s in (before, after))] for n in names]
    print(aligned([["score", "before", "after"], *rows]) + f"\n\nwrote {path}")


def label_texts(setup: Setup, texts: list[str], *, as_json: bool) -> None:
    """Print what the model says of each text."""
    from tl.evaluate import infer

    examples = [setup.task.encode_text(text, str(i)) for i, text in enumerate(texts)]
    logits, _ = infer(setup, examples, "texts")
    answers = [
        {"text": text} | setup.task.readable(text, example, rows)
        for text, example, rows in zip(texts, examples, logits, strict=True)
    ]
    if as_json:
        print(json.dumps(answers, ensure_ascii=False))
        return
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False))


def score(setup: Setup, run: Run, name: str, args: argparse.Namespace) -> None:
    """Print the scores of a split; write its predictions and the dumps that were asked for."""
    from tl import dump
    from tl.evaluate import evaluate
    from tl.runs import write_arrays
    from tl.tables import aligned

    examples = setup.task.examples(name)
    scores, logits = evaluate(setup, examples, name)
    written = {run.arrays("predictions", name): setup.task.arrays(examples, logits)}
    if "hidden" in args.dump:
        some = examples[: args.limit or 2000]
        written[run.arrays("hidden", name)] = dump.hidden_states(setup, some)
    if "attention" in args.dump:
        some = examples[: args.limit or 32]
        written[run.arrays("attention", name)] = dump.attention_maps(setup, some)
    for path, arrays in written.items():
        write_arrays(path, arrays)
    shown = [[key, f"{scores[key]:.4f}"] for key in scores if not key.endswith("/support")]
    print(aligned([["score", name], *shown]))
    print("\n" + "\n".join(f"wrote {path}" for path in written))
    if args.json:
        print(json.dumps({"split": name, "examples": len(examples), "scores": scores}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
