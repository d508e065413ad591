"""The card of a built corpus: what is in it, where it comes from, what was left out."""

from collections import Counter
from pathlib import Path

from tl.data.corpus import Builder, Options
from tl.data.records import SPLITS
from tl.tables import markdown


def card(name: str, builder: Builder, licence: str) -> str:
    """A page in Markdown.

    Args:
        name: of the corpus.
        builder: when it is done.
        licence: of the texts, as whoever builds it states it.
    """
    report, options = builder.report, builder.options
    sources = [["source", "articles read"]]
    sources += [[source, f"{n:,}"] for source, n in report.sources.most_common()]
    dropped = [["dropped because", "documents"]]
    dropped += [[reason, f"{n:,}"] for reason, n in report.dropped.most_common()]
    parts = [
        f"# {name}",
        f"Built by `python -m tl.data.corpus build`. Licence of the texts: {licence}.",
        "## Sources",
        markdown(sources),
        "## Contents",
        markdown(contents(builder)),
        *(
            f"{subset}: {labels}"
            for subset in options.subsets
            if (labels := names(builder, subset))
        ),
        "## What was left out",
        markdown(dropped) if report.dropped else "Nothing.",
        f"{report.n_read:,} articles were read, {len(builder.kept):,} kept. "
        f"{report.n_unused_labels:,} labelled documents were not among them, or dropped.",
        "## How",
        how(options),
        "## Proof",
        f"After writing, all {report.n_proved:,} documents were compared once more, with other "
        "permutations: no text, and no near-duplicate of one, stands in two subsets or two splits.",
        "## Use",
        "\n".join(f"    {line}" for line in commands(name, options)),
    ]
    return "\n\n".join(parts) + "\n"


def contents(builder: Builder) -> list[list[str]]:
    rows = [["subset", "split", "documents", "tokens", "summary tokens"]]
    for subset in builder.options.subsets:
        for split in SPLITS:
            counts = builder.report.counts[f"{subset}/{split}"]
            shown = (f"{counts[what]:,}" for what in ("documents", "tokens", "summary tokens"))
            rows.append([subset, split, *shown])
    return rows


def names(builder: Builder, subset: str) -> str:
    """How often each class, or type of entity, occurs in a subset."""
    every: Counter[str] = Counter()
    for split in SPLITS:
        every += builder.report.counts[f"{subset}/{split}"]
    kinds = {k: n for k, n in every.items() if k.startswith(("sentiment ", "entities "))}
    return ", ".join(f"{kind.partition(' ')[2]} {n:,}" for kind, n in sorted(kinds.items()))


def how(options: Options) -> str:
    return (
        "Texts are in Unicode's NFC; entities of HTML are resolved, invisible characters dropped, "
        "and every run of white space is one space. An exact duplicate has the same letters, "
        f"whatever their case; a near-duplicate shares at least {options.near:.0%} of its runs of "
        "three words (Jaccard similarity; candidates by MinHash). Each document is in one subset; "
        "splits are 70/15/15, stratified by label or source, in an order of a hash of the text."
    )


def commands(name: str, options: Options) -> list[str]:
    tasks = {"sentiment": "classification", "ner": "ner", "summarization": "summarization"}
    return [
        f"python train.py --task {tasks[subset]} --strategy adapter --data {Path(name) / subset}"
        for subset in options.subsets
    ]
