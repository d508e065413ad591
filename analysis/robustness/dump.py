"""Reading `rewrites/<split>.npz`: what the model said of texts and of their rewrites."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis import dumped
from analysis.robustness.counts import Counts, Sentence, of_entities, of_labels, probabilities
from tl.runs import Run

NEEDED = (
    *("labels", "logits", "label_names", "texts", "rewritten_logits", "rewritten_texts"),
    *("source", "kinds", "unseen", "by", "k", "reasons", "rejected"),
)  # of a dump, whatever the task
OF_WORDS = ("ids", "words", "labels", "example_ids", "gold")  # of one of words
N_FAILURES = 20  # that are kept in the JSON


@dataclass(frozen=True)
class Failure:
    """A right answer that a rewrite turned wrong, and how much probability the right one lost."""

    text: str
    rewrite: str
    kind: str
    right: str
    answer: str
    drop: float


@dataclass(frozen=True)
class Dump:
    """What `eval.py RUN --dump rewrites` wrote, and what was counted in it."""

    counts: Counts
    failures: list[Failure]  # of different texts, the worst first
    metric: str  # "accuracy", or "F1" over entities
    item: str  # what is right or wrong: "texts", "entities"
    by: str
    k: int
    texts: list[str]  # [n]
    rewritten: list[str]  # [m]
    source: np.ndarray  # [m]
    kinds: np.ndarray  # [m]
    unseen: np.ndarray  # [m]
    rejected: dict[str, int]


def read(run: Run, split: str) -> Dump:
    """Read and count the rewrites of a split.

    Raises:
        ValueError: if there are none, or what the model said is no number.
    """
    path = run.arrays("rewrites", split)
    if not path.is_file():
        raise ValueError(
            f"{run.path} has no rewrites/{split}.npz; first: "
            f"python eval.py {run.path} --split {split} --dump rewrites"
        )
    return count(load(path))


def load(path: Path) -> dict:
    """The arrays of a dump, and its lists of texts and tags."""
    found = dumped.load(path, *NEEDED)
    for name in ("texts", "gold", "rewritten_texts", "rewritten_gold"):
        if name in found:
            found[name] = listed(path, name, found[name])
    check_rows(path, found)
    for name in ("logits", "rewritten_logits"):
        if not np.isfinite(found[name]).all():
            raise ValueError(f"{path}: some of its {name} are no numbers; train the run again")
    if not len(found["source"]):
        raise ValueError(
            f"{path} has {len(found['texts']):,} texts and no rewrite of them, so nothing can be "
            "said; dump again, with another rewriter (--rewrites.by)"
        )
    return found


def listed(path: Path, name: str, packed: np.ndarray) -> list:
    """A list that was packed as JSON; ValueError if it is none."""
    try:
        found = json.loads(packed.item())
    except ValueError:
        found = None
    of_tags = name.endswith("gold")
    if isinstance(found, list) and all(isinstance(one, list if of_tags else str) for one in found):
        return found
    raise ValueError(
        f"{path}: {name} is no list of {'tags' if of_tags else 'texts'}; {dumped.AGAIN}"
    )


def check_rows(path: Path, arrays: dict) -> None:
    """Raise ValueError unless the arrays of a dump fit each other."""
    tagged = "words" in arrays
    for front in ("", "rewritten_"):
        if tagged and (missing := [n for n in OF_WORDS if front + n not in arrays]):
            raise ValueError(f"{path} has words, and no {front}{missing[0]}; {dumped.AGAIN}")
        rows = ("labels", "logits", "ids", "words" if tagged else "texts")
        dumped.same_length(path, arrays, *(front + name for name in rows))
        if tagged:
            texts = ("example_ids", "gold", "n_words", "texts")
            dumped.same_length(path, arrays, *(front + name for name in texts))
        dumped.check_logits(path, arrays, front)
    dumped.same_length(path, arrays, "source", "kinds", "unseen", "rewritten_texts")
    dumped.same_length(path, arrays, "reasons", "rejected")
    dumped.check_indices(path, arrays, "source", len(arrays["texts"]))
    if tagged:
        check_words(path, arrays)


def check_words(path: Path, arrays: dict) -> None:
    """Raise ValueError unless each word has a tag, and each row is that of a word."""
    for front in ("", "rewritten_"):
        words = [text.split(" ") for text in arrays[f"{front}texts"]]
        lengths = [len(tags) for tags in arrays[f"{front}gold"]]
        fit = lengths == [len(own) for own in words] or not words
        places = arrays[f"{front}words"]
        if not fit or (places.size and not 0 <= places.min() <= places.max() < max(lengths)):
            raise ValueError(f"{path}: {front}gold does not fit {front}texts; {dumped.AGAIN}")


def count(arrays: dict) -> Dump:
    """From arrays to counts and failures."""
    tagged = "words" in arrays  # texts of one label may have tags too
    counts, failures = (count_entities if tagged else count_labels)(arrays)
    failures.sort(key=lambda failure: -failure.drop)
    of_text = {failure.text: failure for failure in reversed(failures)}
    worst = sorted(of_text.values(), key=lambda failure: -failure.drop)
    return Dump(
        counts=counts,
        failures=worst[:N_FAILURES],
        metric="F1" if tagged else "accuracy",
        item="entities" if tagged else "texts",
        by=str(arrays["by"]),
        k=int(arrays["k"]),
        texts=arrays["texts"],
        rewritten=arrays["rewritten_texts"],
        source=arrays["source"],
        kinds=arrays["kinds"],
        unseen=arrays["unseen"],
        rejected=dict(zip(arrays["reasons"].tolist(), arrays["rejected"].tolist(), strict=True)),
    )


def count_labels(arrays: dict) -> tuple[Counts, list[Failure]]:
    """A class for each text."""
    labels, logits, after = arrays["labels"], arrays["logits"], arrays["rewritten_logits"]
    source, kinds = arrays["source"], arrays["kinds"]
    first, second, names = logits.argmax(-1), after.argmax(-1), arrays["label_names"]
    p, q = probabilities(logits), probabilities(after)
    failures = [
        Failure(
            text=arrays["texts"][s],
            rewrite=arrays["rewritten_texts"][i],
            kind=str(kinds[i]),
            right=str(names[labels[s]]),
            answer=str(names[second[i]]),
            drop=float(p[s, labels[s]] - q[i, labels[s]]),
        )
        for i, s in enumerate(source)
        if first[s] == labels[s] != second[i]
    ]
    return of_labels(labels, logits, after, source, kinds), failures


def count_entities(arrays: dict) -> tuple[Counts, list[Failure]]:
    """A tag for each word."""
    old, new = sentences(arrays, ""), sentences(arrays, "rewritten_")
    source, kinds = arrays["source"], arrays["kinds"]
    failures = []
    for sentence, s, kind in zip(new, source, kinds, strict=True):
        before = old[s].entities()
        answers = ", ".join(f"{' '.join(name)} {of}" for name, of in sentence.answers())
        for (name, of, nth), (found, p) in sentence.entities().items():
            right, p_before = before[name, of, nth]
            if right and not found:
                failures.append(
                    Failure(
                        text=" ".join(old[s].words),
                        rewrite=" ".join(sentence.words),
                        kind=str(kind),
                        right=f"{' '.join(name)} {of}",
                        answer=answers or "no entity",
                        drop=p_before - p,
                    )
                )
    return of_entities(old, new, source, kinds), failures


def sentences(arrays: dict, front: str) -> list[Sentence]:
    """Sentences out of rows of words; a word that was cut off has no row, and is predicted O."""
    ids, places = arrays[f"{front}ids"], arrays[f"{front}words"]
    p, labels = probabilities(arrays[f"{front}logits"]), arrays[f"{front}labels"]
    names, best = arrays["label_names"], arrays[f"{front}logits"].argmax(-1)
    found, row = [], 0
    for i, (name, gold) in enumerate(
        zip(arrays[f"{front}example_ids"], arrays[f"{front}gold"], strict=True)
    ):
        tags, chances, last = ["O"] * len(gold), [0.0] * len(gold), -1
        while row < len(ids) and ids[row] == name and places[row] > last:
            last = places[row]
            tags[last], chances[last] = str(names[best[row]]), float(p[row, labels[row]])
            row += 1
        words = arrays[f"{front}texts"][i].split(" ")
        found.append(Sentence(tuple(words), tuple(gold), tuple(tags), tuple(chances)))
    return found
