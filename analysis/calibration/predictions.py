"""What a run said of a split, read and checked; and which examples may teach a map."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis import dumped
from analysis.finished import OtherTaskError
from tl.runs import Run

HALF = "half"
SAME = 1e-3  # by how much logits of one example may differ from batch to batch
SHIFTS = 20  # other examples with which each is compared
TASKS = ("classification", "ner", "multitask")  # of which some members may write texts


@dataclass(frozen=True)
class Predictions:
    """Logits and truths of a split, n rows: an example each, of NER a word each."""

    split: str
    ids: np.ndarray  # [n] of the examples
    labels: np.ndarray  # [n] class indices
    logits: np.ndarray  # [n, c] float64
    names: tuple[str, ...]  # of the classes
    words: np.ndarray | None = None  # [n] a word's place in its sentence; None: no words
    sentence: np.ndarray | None = None  # [n] which sentence, counted from 0
    n_words: np.ndarray | None = None  # [sentences] with those beyond the limit of the input
    texts: np.ndarray | None = None  # [n] equal for rows of one text and its copies; None: unknown

    @property
    def tagged(self) -> bool:
        return self.words is not None

    def rows(self, chosen: np.ndarray, split: str) -> "Predictions":
        """Some of the rows, [n] bool; of NER whole sentences only."""
        own = {"ids": self.ids[chosen], "labels": self.labels[chosen]}
        if self.tagged:
            own |= {"words": self.words[chosen], "sentence": self.sentence[chosen]}
        if self.texts is not None:
            own["texts"] = self.texts[chosen]
        return replace(self, split=split, logits=self.logits[chosen], **own)


def members(run: Run, split: str) -> tuple[str | None, ...]:
    """The members whose predictions a run has of a split; (None,) for a run of one task.

    Raises:
        ValueError: if the run is not finished, has no predictions of the split, or writes texts.
    """
    task = run.read_result()["task"]
    keys = list(dumped.load(_file(run, split))) if task in TASKS else []
    found = tuple(dict.fromkeys(k.partition("/")[0] for k in keys if k.endswith("/logits")))
    if not found and "logits" not in keys:
        raise OtherTaskError(
            f"{run.path} is a run of {task}: it writes texts, and has no probabilities of "
            f"classes. Calibration is asked of {', '.join(TASKS)}"
        )
    return found or (None,)


def _file(run: Run, split: str) -> Path:
    path = run.arrays("predictions", split)
    if not path.is_file():
        raise ValueError(
            f"{run.path} has no predictions/{split}.npz; first: "
            f"python eval.py {run.path} --split {split}"
        )
    return path


def read(run: Run, split: str, member: str | None = None) -> Predictions:
    """The predictions of a split, or of a member of a multi-task run.

    Raises:
        ValueError: if there are none, or they are no ground for any judgement.
    """
    known = members(run, split)
    if member not in known:
        options = ", ".join(name for name in known if name is not None)
        if known == (None,):
            raise ValueError(f"{run.path} is a run of one task; leave out --member {member}")
        raise ValueError(f"{run.path} is a run of several tasks; choose --member of: {options}")
    mark = "" if member is None else f"{member}/"
    needed = [mark + name for name in ("ids", "labels", "logits", "label_names")]
    whole = dumped.load(_file(run, split), *needed)
    arrays = {key.removeprefix(mark): whole[key] for key in whole if key.startswith(mark)}
    check_rows(_file(run, split), arrays)
    found = Predictions(
        split=split,
        ids=arrays["ids"],
        labels=arrays["labels"],
        logits=arrays["logits"].astype(float),
        names=tuple(map(str, arrays["label_names"])),
    )
    if "words" in arrays:
        sentence, places = _sentences(_file(run, split), arrays)
        n_words = arrays["n_words"][places]
        found = replace(found, words=arrays["words"], sentence=sentence, n_words=n_words)
    if "text_keys" in arrays:
        keys = arrays["text_keys"]
        found = replace(found, texts=keys[places][sentence] if found.tagged else keys)
    check(found, str(run.path))
    return found


def check_rows(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Raise ValueError unless the arrays of predictions fit each other."""
    dumped.check_logits(path, arrays)
    dumped.same_length(path, arrays, "ids", "labels", "logits", "words")
    if "words" not in arrays:
        dumped.same_length(path, arrays, "ids", "text_keys")
        return
    if not {"example_ids", "n_words"} <= arrays.keys():
        raise ValueError(f"{path} has words, and no example_ids or n_words; {dumped.AGAIN}")
    dumped.same_length(path, arrays, "example_ids", "n_words", "text_keys")


def _sentences(path: Path, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Find the sentence of each word, [n], and the place of each sentence among all, [sentences].

    Several sentences may share an id, and one whose words all lie beyond the limit has no row.

    Raises:
        ValueError: if a row is of no sentence.
    """
    ids, words, example_ids = arrays["ids"], arrays["words"], arrays["example_ids"]
    starts = np.concatenate([[True], (ids[1:] != ids[:-1]) | (words[1:] <= words[:-1])])
    places, place = [], -1
    for id in ids[starts]:
        later = range(place + 1, len(example_ids))
        place = next((i for i in later if example_ids[i] == id), -1)
        if place < 0:
            raise ValueError(f"{path}: its ids are not those of its example_ids; {dumped.AGAIN}")
        places.append(place)
    return np.cumsum(starts) - 1, np.array(places)


def check(found: Predictions, where: str) -> None:
    """Raise ValueError where predictions are empty, no numbers, or all of one class."""
    n, n_classes = found.logits.shape
    if not n:
        raise ValueError(f"{where}: {found.split} has no example; nothing can be judged")
    broken = ~np.isfinite(found.logits).all(1)
    if broken.any():
        raise ValueError(
            f"{where}: {int(broken.sum())} of {n} rows of {found.split} have logits that are no "
            f"numbers, the first is that of {str(found.ids[broken][0])!r}; the training went "
            "wrong: repeat it with a smaller --lr, or with --precision fp32"
        )
    present = np.unique(found.labels)
    if n_classes < 2 or len(present) < 2:
        raise ValueError(
            f"{where}: all {n} rows of {found.split} are of one class, "
            f"{found.names[present[0]]!r}; whether probabilities tell classes apart cannot be seen"
        )


def divide(found: Predictions, seed: int = 0) -> tuple[Predictions, Predictions]:
    """Cut predictions into a half that teaches and one that is scored, stratified by label.

    Of NER, sentences stay whole, and those with and without a name are shared out evenly. Copies of
    a text stay together: a map that has learned from one is not judged by another.

    Raises:
        ValueError: if there are fewer than two examples.
    """
    unit = found.sentence if found.tagged else np.arange(len(found.labels))
    if found.texts is not None:
        _, first, text = np.unique(found.texts, return_index=True, return_inverse=True)
        unit = np.unique(unit[first][text], return_inverse=True)[1]
    strata = np.zeros(unit.max() + 1, dtype=int)
    np.maximum.at(strata, unit, np.minimum(found.labels, 1) if found.tagged else found.labels)
    if len(strata) < 2:
        raise ValueError(f"{found.split} has one example only; it cannot be cut into halves")
    mixed = np.random.default_rng(seed).permutation(len(strata))
    ordered = mixed[np.argsort(strata[mixed], kind="stable")]
    teaches = np.zeros(len(strata), dtype=bool)
    teaches[ordered[::2]] = True
    split = found.split
    return (
        found.rows(teaches[unit], f"one half of {split}"),
        found.rows(~teaches[unit], f"the other half of {split}"),
    )


def refuse_shared(calibration: Predictions, test: Predictions) -> None:
    """Raise ValueError if examples stand in both.

    Splits are often numbered from 0 each, so that an id alone says little: an example is known by
    its id, its label and its logits, but for what another batch changes in their last digits. Other
    examples can be as near, of two classes and a sure model: more must be near than by chance.
    """
    one, other = _same_keys(calibration, test)
    near = _near(calibration.logits[one], test.logits[other])
    shared = np.unique(one[near])
    by_chance = len(one) * _near_by_chance(calibration, test, one, other)
    if len(shared) > by_chance + 3 * np.sqrt(by_chance):  # a count strays by its root
        raise ValueError(
            f"{len(shared)} of {len(calibration.ids)} rows of {calibration.split} are also in "
            f"{test.split}, the first is {str(calibration.ids[shared[0]])!r}; what a map is fitted "
            "on cannot judge it. Give another split with --calibrate-on, or "
            f"--calibrate-on {HALF}"
        )


def _same_keys(calibration: Predictions, test: Predictions) -> np.ndarray:
    """All pairs of rows of equal id, word and label, sorted by label: [2, pairs] rows of both."""
    places = defaultdict(list)
    for row, key in enumerate(_keys(test)):
        places[key].append(row)
    pairs = [(i, j) for i, key in enumerate(_keys(calibration)) for j in places.get(key, ())]
    rows = np.array(pairs, dtype=int).reshape(-1, 2).T
    return rows[:, np.argsort(calibration.labels[rows[0]], kind="stable")]


def _keys(found: Predictions) -> Iterator[tuple]:
    words = found.words if found.tagged else np.zeros(len(found.ids), dtype=int)
    return zip(found.ids.tolist(), words.tolist(), found.labels.tolist(), strict=True)


def _near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which rows of logits are equal but for rounding; [pairs, c] each, to [pairs]."""
    return np.isclose(one, other, rtol=SAME, atol=SAME).all(axis=1)


def _near_by_chance(
    calibration: Predictions, test: Predictions, one: np.ndarray, other: np.ndarray
) -> float:
    """The share of pairs with near logits among some of one label, but of different examples."""
    n_near, n_pairs = 0, 0
    for shift in range(1, SHIFTS + 1):
        moved = np.roll(other, shift)
        apart = (calibration.labels[one] == test.labels[moved]) & (moved != other)
        n_near += _near(calibration.logits[one[apart]], test.logits[moved[apart]]).sum()
        n_pairs += apart.sum()
    return n_near / n_pairs if n_pairs else 0.0
