"""How sure a tagger is of each entity that it names, and whether it is right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.calibration.predictions import Predictions

Span = tuple[int, int, str]  # first word, the word behind the last, type


@dataclass(frozen=True)
class Entities:
    """The m entities that a tagger names (strict IOB2), and how many there are in truth.

    An entity is right if its words and its type are. Its words' factors are p(B-type) of the first
    word, p(I-type) of the others and, if a word follows, 1 − p(I-type) of that word, which ends it.

    `product` is the probability of exactly this entity by the tagger's own account, since it tags
    each word for itself: the confidence that is judged. `least`, the smallest factor, is what the
    same factors allow at most, however the words depend on each other; where neighbours err
    together, it is nearer the truth.
    """

    product: np.ndarray  # [m]
    least: np.ndarray  # [m]
    right: np.ndarray  # [m] bool
    types: np.ndarray  # [m] names
    n_true: dict[str, int]  # of each type, true entities in what the input holds
    n_unknown: int  # named entities left out: the word behind them was cut off, or has no tag


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence in strict IOB2: what does not begin with B- is none."""
    found, start = [], None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and tag != f"I-{tags[start][2:]}":
            found.append((start, i, tags[start][2:]))
            start = None
        if tag.startswith("B-"):
            start = i
    return found


def find_entities(predictions: Predictions, probabilities: np.ndarray) -> Entities:
    """The entities of the most probable tags.

    Args:
        predictions: of NER.
        probabilities: [n, c] of the same rows.
    """
    answers = probabilities.argmax(1)
    factors, right, types, n_unknown = [], [], [], 0
    n_true = {name[2:]: 0 for name in predictions.names if name.startswith("B-")}
    for number, row_of in enumerate(_rows_of_sentences(predictions)):
        n_words = int(predictions.n_words[number])
        gold, named = (
            spans(_tags(column, row_of, n_words, predictions.names))
            for column in (predictions.labels, answers)
        )
        for _, _, kind in gold:
            n_true[kind] += 1
        for span in named:
            if span[1] < n_words and span[1] not in row_of:
                n_unknown += 1
                continue
            factors.append(_factors(span, row_of, n_words, probabilities, predictions.names))
            right.append(span in gold)
            types.append(span[2])
    return Entities(
        product=np.array([np.prod(own) for own in factors]),
        least=np.array([min(own) for own in factors]),
        right=np.array(right, dtype=bool),
        types=np.array(types, dtype=str),
        n_true=n_true,
        n_unknown=n_unknown,
    )


def _rows_of_sentences(predictions: Predictions) -> list[dict[int, int]]:
    """For each sentence, the row of each of its words; a sentence that was left out has none."""
    found: list[dict[int, int]] = [{} for _ in predictions.n_words]
    places = zip(predictions.sentence.tolist(), predictions.words.tolist(), strict=True)
    for row, (sentence, word) in enumerate(places):
        found[sentence][word] = row
    return found


def _tags(
    column: np.ndarray, row_of: dict[int, int], n_words: int, names: tuple[str, ...]
) -> list[str]:
    """The tags of a sentence; words without a row are predicted O."""
    return [names[column[row_of[i]]] if i in row_of else "O" for i in range(n_words)]


def _factors(
    span: Span, row_of: dict[int, int], n_words: int, p: np.ndarray, names: tuple[str, ...]
) -> list[float]:
    """The probabilities whose product is that of exactly this entity."""
    start, end, kind = span
    first, inside = names.index(f"B-{kind}"), names.index(f"I-{kind}")
    own = [p[row_of[start], first], *(p[row_of[i], inside] for i in range(start + 1, end))]
    if end < n_words:
        own.append(1 - p[row_of[end], inside])
    return own
