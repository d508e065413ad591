"""What robustness counts, text by text: each measure is a ratio of two sums over source texts.

Rewrites of one text fail together, so chance acts on texts: intervals come from drawing whole texts
again, with all their rewrites (cluster bootstrap).
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from analysis.calibration.bins import softmax as probabilities
from analysis.calibration.entities import spans
from analysis.seeds import interval


@dataclass(frozen=True)
class Tally:
    """A ratio: Σ part / Σ whole, both [n] with a value for each source text."""

    part: np.ndarray
    whole: np.ndarray

    @property
    def value(self) -> float:
        """The ratio; NaN where there is nothing to count."""
        whole = self.whole.sum()
        return float(self.part.sum() / whole) if whole else float("nan")

    def replicates(self, draws: np.ndarray) -> np.ndarray:
        """The ratio for each draw of texts, [draws]; NaN where a draw has nothing to count."""
        part, whole = draws @ self.part, draws @ self.whole
        return np.divide(part, whole, out=np.full(len(draws), np.nan), where=whole > 0)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its 95% interval; None where there was nothing to count."""

    value: float | None
    low: float | None
    high: float | None
    seeds: tuple[float, ...]  # the number of each


@dataclass(frozen=True)
class Sampled:
    """A number of each seed, [seeds], and what it is for each draw of texts, [seeds, draws].

    A draw is of the same texts for every seed, and for every run that saw these texts.
    """

    values: np.ndarray
    replicates: np.ndarray

    @classmethod
    def of(cls, tallies: list[Tally], draws: np.ndarray) -> "Sampled":
        """From a tally of each seed."""
        return cls(
            np.array([tally.value for tally in tallies]),
            np.array([tally.replicates(draws) for tally in tallies]),
        )

    def __sub__(self, other: "Sampled") -> "Sampled":
        """The differences, seed by seed and draw by draw."""
        return Sampled(self.values - other.values, self.replicates - other.replicates)

    def __getitem__(self, seeds: list[int]) -> "Sampled":
        """Those in these places only."""
        return Sampled(self.values[seeds], self.replicates[seeds])

    def interval(self, n_claims: int = 1) -> tuple[float, float] | None:
        """Of the mean over seeds, see `analysis.seeds`; None where there was nothing to count."""
        known = self.replicates[:, ~np.isnan(self.replicates).any(axis=0)]
        if np.isnan(self.values).any() or not known.size:
            return None
        low, high = interval(self.values, known, n_claims)
        return float(low), float(high)

    def estimate(self, least: float = 0.0) -> Estimate:
        """The mean over seeds; its interval is for other texts and for other seeds.

        Both ends lie within what is possible, from `least` (-1 for a difference) to 1.
        """
        ends = self.interval()
        if ends is None:
            return Estimate(None, None, None, ())
        low, high = np.clip(ends, least, 1.0).tolist()
        return Estimate(float(self.values.mean()), low, high, tuple(self.values.tolist()))


@dataclass(frozen=True)
class Kind:
    """The rewrites of one kind, beside their sources: a source counts once for each of them."""

    before: Tally
    after: Tally
    same: Tally


@dataclass(frozen=True)
class Counts:
    """The tallies of one run; texts without a rewrite count nowhere.

    `before` and `after` are accuracy, or F1 over entities, with the same weights: a text counts
    once in each, so that a model that answers every rewrite as its source scores the same on both,
    however many rewrites each text has. An item is a text, or a gold entity.

    Attributes:
        before: the score on the source texts.
        after: the score on the rewrites, those of a text averaged.
        worst: items that are right in the source and in every rewrite.
        success: items that were right in the source, and of these those that a rewrite breaks.
        same: answers to rewrites that are those to their source.
        shift: |Δp|, the change of probability of the first answer, or of a gold entity.
        kinds: by kind of rewrite.
    """

    before: Tally
    after: Tally
    worst: Tally
    success: Tally
    same: Tally
    shift: Tally
    kinds: dict[str, Kind]


def per_text(source: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Sum values of rewrites by their source text, [n]."""
    return np.bincount(source, weights=values, minlength=n)


def of_labels(
    labels: np.ndarray, logits: np.ndarray, rewritten_logits: np.ndarray, source: np.ndarray,
    kinds: np.ndarray,
) -> Counts:  # fmt: skip
    """Count labels.

    Args:
        labels: [n] of the source texts.
        logits: [n, c] of the source texts.
        rewritten_logits: [m, c] of the rewrites.
        source: [m] the text that each of them rewrites.
        kinds: [m] what was changed.
    """
    n = len(labels)
    first, second = logits.argmax(-1), rewritten_logits.argmax(-1)
    right, right_after = first == labels, second == labels[source]
    count = per_text(source, np.ones(len(source)), n)
    held = right & (per_text(source, ~right_after, n) == 0) & (count > 0)
    has = (count > 0).astype(float)
    p_before = probabilities(logits)[np.arange(n), first]
    p_after = probabilities(rewritten_logits)[np.arange(len(source)), first[source]]

    def kind(mask: np.ndarray) -> Kind:
        some = per_text(source, mask, n)
        return Kind(
            Tally(right * some, some),
            Tally(per_text(source, right_after & mask, n), some),
            Tally(per_text(source, (second == first[source]) & mask, n), some),
        )

    every = kind(np.ones(len(source), dtype=bool))
    return Counts(
        before=Tally(right * has, has),
        after=Tally(every.after.part / np.maximum(count, 1), has),
        worst=Tally(held.astype(float), has),
        success=Tally((right & ~held) * has, right * has),
        same=every.same,
        shift=Tally(per_text(source, np.abs(p_after - p_before[source]), n), count),
        kinds={str(name): kind(kinds == name) for name in np.unique(kinds)},
    )


@dataclass(frozen=True)
class Sentence:
    """A tagged sentence; `p` is the probability of each word's gold tag, 0 where it was cut off."""

    words: tuple[str, ...]
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    p: tuple[float, ...]

    def entities(self) -> dict[tuple, tuple[bool, float]]:
        """By name, type and how many like it stand before: whether it was found, and min of p."""
        predicted, seen, found = set(spans(self.predicted)), Counter(), {}
        for span in spans(self.gold):
            start, end, kind = span
            name = (self.words[start:end], kind)
            found[(*name, seen[name])] = (span in predicted, min(self.p[start:end]))
            seen[name] += 1
        return found

    def overlap(self) -> tuple[int, int]:
        """Twice the hits, and all entities, gold and predicted: F1 is their ratio."""
        gold, predicted = set(spans(self.gold)), set(spans(self.predicted))
        return 2 * len(gold & predicted), len(gold) + len(predicted)

    def answers(self) -> Counter:
        """The predicted entities as words and type."""
        return Counter((self.words[start:end], kind) for start, end, kind in spans(self.predicted))


def of_entities(
    sentences: list[Sentence], rewritten: list[Sentence], source: np.ndarray, kinds: np.ndarray
) -> Counts:
    """Count entities; arguments as for `of_labels`."""
    n = len(sentences)
    sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(n))
    held = [{name: found for name, (found, _) in s.entities().items()} for s in sentences]
    for new, s, kind in zip(rewritten, source, kinds, strict=True):
        for name, amount in compared(sentences[s], new).items():
            sums[name][s] += amount
            sums[f"{kind}/{name}"][s] += amount
        for name, (found, _) in new.entities().items():
            held[s][name] = held[s][name] and found
    for s, n_rewrites in Counter(source.tolist()).items():
        for name in ("after", "after of"):
            sums[f"mean {name}"][s] = sums[name][s] / n_rewrites
        found = [hit for hit, _ in sentences[s].entities().values()]
        sums["hits"][s], sums["entities"][s] = sentences[s].overlap()
        sums["right"][s], sums["gold"][s] = sum(found), len(found)
        sums["held"][s] = sum(held[s].values())

    def tally(part: str, whole: str) -> Tally:
        return Tally(sums[part], sums[whole])

    return Counts(
        before=tally("hits", "entities"),
        after=tally("mean after", "mean after of"),
        worst=tally("held", "gold"),
        success=Tally(sums["right"] - sums["held"], sums["right"]),
        same=tally("same", "same of"),
        shift=tally("shift", "shift of"),
        kinds={
            str(k): Kind(*(tally(f"{k}/{a}", f"{k}/{a} of") for a in ("before", "after", "same")))
            for k in np.unique(kinds)
        },
    )


def compared(old: Sentence, new: Sentence) -> dict[str, float]:
    """What one rewrite adds to the sums of its source."""
    answers, others = old.answers(), new.answers()
    before, after = old.entities(), new.entities()
    return {
        **dict(zip(("before", "before of"), old.overlap(), strict=True)),
        **dict(zip(("after", "after of"), new.overlap(), strict=True)),
        "same": 2 * (answers & others).total(),
        "same of": answers.total() + others.total(),
        "shift": sum(abs(p - before[name][1]) for name, (_, p) in after.items()),
        "shift of": len(after),
    }
