"""Build a corpus for three tasks from raw articles, or make up articles to try that on.

python -m tl.data.corpus build RAW... --out DIR [--sentiment FILE] [--ner FILE]
python -m tl.data.corpus generate N FILE
"""

import argparse
import json
import shutil
import sys
from itertools import islice
from pathlib import Path

from tl import program
from tl.data.corpus import SUBSETS, Builder, Options
from tl.data.corpus.card import card, contents
from tl.data.corpus.labels import FORMS, read_labels
from tl.data.records import SPLITS
from tl.tables import aligned


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: see `tl.program.run`."""
    code, said = program.run("tl.data.corpus", work, argv)
    print(said, end="", file=sys.stderr)
    return code


def work(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    print({"build": build, "generate": generate}[args.command](args))
    return 0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m tl.data.corpus",
        description=__doc__.partition("\n")[0],
        allow_abbrev=False,
        exit_on_error=False,
    )
    commands = options.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="make a corpus", exit_on_error=False)
    make.add_argument("raw", nargs="+", type=Path, help="articles: JSONL or CSV files")
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="new directory")
    make.add_argument("--sentiment", type=Path, metavar="FILE", help="CSV or JSONL: id, label")
    make.add_argument("--ner", type=Path, metavar="FILE", help="CoNLL, `# id = ID` before each")
    make.add_argument("--text", default="text", help="column of the text (default text)")
    make.add_argument(
        "--summary", type=_names, default=Options.summary, metavar="A,B",
        help="the first of these columns that is not empty (default summary,title)",
    )  # fmt: skip
    make.add_argument("--encoding", default="utf-8", help="of all files (default utf-8)")
    make.add_argument(
        "--near", type=float, default=0.8,
        help="least share of common three-word runs of near-duplicates (default 0.8)",
    )  # fmt: skip
    make.add_argument(
        "--subsets", type=_names, default=SUBSETS, metavar="A,B",
        help=f"which to make (default {','.join(SUBSETS)})",
    )  # fmt: skip
    for subset, n, what in MINIMUMS:
        make.add_argument(
            f"--minimum-{subset}", type=int, default=n, metavar="N",
            help=f"least number of {what} of the subset {subset} (default {n})",
        )  # fmt: skip
    make.add_argument("--licence", default="not stated", help="of the texts, for the card")
    make.add_argument(
        "--datasets", action="store_true", help="also write what datasets.load_from_disk reads"
    )
    made = commands.add_parser("generate", help="make up articles", exit_on_error=False)
    made.add_argument("n", type=int, help="how many; one in ten repeats another, or nearly")
    made.add_argument("file", type=Path, help="new JSONL file")
    return options


MINIMUMS = (
    ("sentiment", 100, "documents"),
    ("ner", 5000, "tokens"),
    ("summarization", 3000, "documents"),
)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def build(args: argparse.Namespace) -> str:
    """Make the corpus beside its place, then move it there: nothing half-written is left."""
    options = checked(args)
    labels = read_labels(args.sentiment, args.ner, args.encoding)
    partial = args.out.with_name(f".{args.out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a build that was killed
    partial.mkdir(parents=True)
    try:
        builder = Builder(partial, options, labels)
        builder.collect(args.raw)
        builder.deal()
        check_sizes(builder, args)
        builder.prove()
        for work in partial.glob("*.work*"):
            work.unlink()
        (partial / "README.md").write_text(card(args.out.name, builder, args.licence), "utf-8")
        (partial / "report.json").write_text(json.dumps(vars(builder.report), indent=2) + "\n")
        if args.datasets:
            export(partial, options)
        if args.out.exists():
            args.out.rmdir()
        partial.rename(args.out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    dropped = builder.report.dropped.most_common()
    lines = [f"{n:,} dropped: {reason}" for reason, n in dropped]
    return "\n".join([aligned(contents(builder)), "", *lines, f"wrote {args.out}"])


def checked(args: argparse.Namespace) -> Options:
    """The options; ValueError for what cannot be."""
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise ValueError(f"{args.out} exists already; give a new directory")
    for name in args.subsets:
        if name not in SUBSETS:
            raise ValueError(f"--subsets {name}: known are {', '.join(SUBSETS)}")
    missing = [n for n in ("sentiment", "ner") if n in args.subsets and getattr(args, n) is None]
    if missing:
        raise ValueError(f"the subset {missing[0]!r} needs labels, and there are none: {FORMS}")
    if not 0 < args.near <= 1:
        raise ValueError(f"--near must lie in (0, 1], got {args.near:g}")
    for path in args.raw:
        if not path.is_file():
            raise ValueError(f"{path}: no such file")
    return Options(args.text, args.summary, args.encoding, args.near, args.subsets)


def check_sizes(builder: Builder, args: argparse.Namespace) -> None:
    """Raise ValueError for a subset that is smaller than asked."""
    for subset, _, what in MINIMUMS:
        least = getattr(args, f"minimum_{subset}")
        if subset in args.subsets and (n := builder.report.total(subset, what)) < least:
            dropped = ", ".join(f"{n} {reason}" for reason, n in builder.report.dropped.items())
            raise ValueError(
                f"the subset {subset!r} has {n:,} {what}, fewer than {least:,} "
                f"({builder.report.n_read:,} articles read; dropped: {dropped or 'none'}); add "
                f"articles or labels, or lower --minimum-{subset}"
            )


def export(folder: Path, options: Options) -> None:
    """Each subset as a `datasets.DatasetDict` on disk."""
    import datasets

    for subset in options.subsets:
        files = {split: str(folder / subset / f"{split}.jsonl") for split in SPLITS}
        cache = folder / "cache.work"
        made = datasets.load_dataset("json", data_files=files, cache_dir=str(cache))
        made.save_to_disk(folder / "datasets" / subset)
        shutil.rmtree(cache)


def generate(args: argparse.Namespace) -> str:
    """Write made-up articles, the same for every call."""
    from tl.data.corpus.made_up import made_up

    if args.n < 1:
        raise ValueError(f"the number of articles must be at least 1, got {args.n}")
    with args.file.open("x", encoding="utf-8") as file:
        for article in islice(made_up(), args.n):
            file.write(json.dumps(article) + "\n")
    return f"wrote {args.n:,} articles to {args.file}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
