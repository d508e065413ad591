"""What is known of one run: its probabilities as they are, and as four maps mend them."""

from dataclasses import dataclass

import numpy as np

from analysis.calibration.bins import log_odds, softmax, wilson
from analysis.calibration.entities import Entities, find_entities
from analysis.calibration.isotonic import fit_isotonic
from analysis.calibration.judge import Confidences, Probabilities, judge, judge_confidences, top
from analysis.calibration.methods import METHODS
from analysis.calibration.predictions import Predictions, refuse_shared
from analysis.calibration.scaling import fit_sigmoid
from analysis.calibration.selective import Selective, select

AS_TRAINED = "as trained"


@dataclass(frozen=True)
class Way:
    """One way to give probabilities.

    `judged` is of examples, of NER of words; `entities` of the entities that they name, None where
    there are none.
    """

    method: str
    judged: Probabilities
    entities: Confidences | None
    n_changed: int  # answers (of NER, words) that are other than as trained
    at_bound: bool  # a parameter is at the end of its range: it is no estimate


@dataclass(frozen=True)
class Kind:
    """The entities of one type, as trained."""

    name: str
    n_true: int
    n_named: int
    precision: float
    low: float  # Wilson's 95% interval of the precision
    high: float
    confidence: float  # mean
    recall: float


@dataclass(frozen=True)
class Calibration:
    """All numbers of a page."""

    title: str
    split: str  # what is scored
    calibrated_on: str  # what the maps are fitted on
    n_calibration: int  # its rows
    n_bins: int
    temperature: float
    ways: tuple[Way, ...]  # the first is as trained
    mapped_entities: dict[str, Confidences]  # NER: maps of an entity's own confidence
    least: Confidences | None  # NER: an entity's least factor as its confidence
    kinds: tuple[Kind, ...]  # NER
    n_unknown: int  # NER: entities left out, since what follows them was cut off
    selective: Selective  # as trained, of what is answered: examples, or entities

    def way(self, method: str) -> Way:
        return next(way for way in self.ways if way.method == method)

    def answers(self, way: Way) -> Confidences | None:
        """Of what is answered: entities in NER, otherwise examples.

        As trained and with a temperature there are some; another map may leave no entity.
        """
        return way.entities if self.kinds else way.judged.top

    def rows(self) -> dict[str, Confidences]:
        """Of what is answered, by each way and each map of entities."""
        found = {way.method: self.answers(way) for way in self.ways} | self.mapped_entities
        return {name: row for name, row in found.items() if row is not None}


def compute(title: str, test: Predictions, calibration: Predictions, n_bins: int) -> Calibration:
    """Judge a split as it is, and with every map that the other split teaches.

    Raises:
        ValueError: if both share an example, or no entity is named.
    """
    refuse_shared(calibration, test)
    maps = {name: fit(calibration.logits, calibration.labels) for name, fit in METHODS.items()}
    raw = softmax(test.logits)
    ways = [_way(AS_TRAINED, test, raw, raw, n_bins)]
    for name, apply in maps.items():
        mended = apply(test.logits)
        ways.append(_way(name, test, mended, raw, n_bins, at_bound=apply.at_bound))
    confidence, right = top(raw), raw.argmax(1) == test.labels
    mapped, least, kinds, n_unknown = {}, None, (), 0
    if test.tagged:
        found = _some_entities(test, raw)
        confidence, right, n_unknown = found.product, found.right, found.n_unknown
        least = judge_confidences(found.least, right, n_bins)
        kinds = _kinds(found)
        mapped = _map_entities(found, calibration, n_bins)
    return Calibration(
        title, test.split, calibration.split, len(calibration.labels), n_bins,
        maps["temperature"].T, tuple(ways), mapped, least, kinds, n_unknown,
        select(confidence, right),
    )  # fmt: skip


def _way(
    method: str, test: Predictions, p: np.ndarray, raw: np.ndarray, n_bins: int, *,
    at_bound: bool = False,
) -> Way:  # fmt: skip
    entities = None
    if test.tagged:
        found = find_entities(test, p)
        if len(found.right):
            entities = judge_confidences(found.product, found.right, n_bins)
    n_changed = int((p.argmax(1) != raw.argmax(1)).sum())
    return Way(method, judge(p, test.labels, n_bins), entities, n_changed, at_bound)


def _some_entities(predictions: Predictions, p: np.ndarray) -> Entities:
    found = find_entities(predictions, p)
    if not len(found.right):
        raise ValueError(
            f"no entity is named in {predictions.split}, so there is no confidence to judge; train "
            "for longer, or look at the scores first"
        )
    return found


def _map_entities(found: Entities, calibration: Predictions, n_bins: int) -> dict[str, Confidences]:
    """Platt's sigmoid and the staircase of an entity's own confidence.

    A map of words leaves what an entity's words do to each other; these do not.
    """
    known = _some_entities(calibration, softmax(calibration.logits))
    mapped = {}
    for name, fit in (("Platt of entities", fit_sigmoid), ("isotonic of entities", fit_isotonic)):
        apply = fit(log_odds(known.product), known.right)
        mended = np.clip(apply(log_odds(found.product)), 0, 1)
        mapped[name] = judge_confidences(mended, found.right, n_bins)
    return mapped


def _kinds(found: Entities) -> tuple[Kind, ...]:
    """A row for each type that is named; more frequent ones come first."""
    rows = []
    for name in np.unique(found.types):
        own = found.types == name
        hits, n_named, n_true = int(found.right[own].sum()), int(own.sum()), found.n_true[name]
        low, high = wilson(np.array(hits), np.array(n_named))
        rows.append(
            Kind(
                str(name), n_true, n_named, hits / n_named, float(low), float(high),
                float(found.product[own].mean()), hits / n_true if n_true else np.nan,
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: -row.n_named))
