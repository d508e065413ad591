"""Hidden states of a run as `eval.py --dump` wrote them, and what is known of each text or word."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis import dumped
from analysis.copies import read_keys
from analysis.finished import OtherTaskError
from analysis.others import other_data
from analysis.seeds import together
from tl.runs import WEIGHTS, Run, Weights

LABELLED = ("classification", "ner")  # tasks with a label for each text or word
DEEPEST = 5  # deeper words of a dependency tree are one class: there are few
PLACES = ("device", "runs-dir", "overwrite")  # options that say where a run was made, not what
BEFORE, RANDOM = "before", "random"  # names of the models that others are compared with
SEED = 0  # of every draw here and in what reads this: equal runs give equal numbers

# The states of each model by its name: an array for each of its seeds, [n, L + 1, d].
Shown = dict[str, list[np.ndarray]]


@dataclass(frozen=True)
class Property:
    """One thing that is known of each row, a text or a word, and the states of the rows.

    `types` is what a row is without its context: the form of a word, or its first piece; None for
    texts, no two of which are of one type. `texts` is equal where examples are copies of one text;
    None where the dump does not say.
    """

    name: str
    label_names: tuple[str, ...]
    labels: np.ndarray  # [n] into label_names
    examples: np.ndarray  # [n] the id of the text or sentence that a row is of
    types: np.ndarray | None  # [n]
    states: dict[Weights, np.ndarray]  # [n, L + 1, d] each
    texts: np.ndarray | None = None  # [n]

    def of(self, rows: np.ndarray) -> "Property":
        """Some of the rows, by index."""
        return Property(
            self.name,
            self.label_names,
            self.labels[rows],
            self.examples[rows],
            None if self.types is None else self.types[rows],
            {weights: states[rows] for weights, states in self.states.items()},
            None if self.texts is None else self.texts[rows],
        )


def read_arrays(path: Path, *names: str) -> list[np.ndarray]:
    """Some arrays of an .npz; ValueError if it lacks one, or has one of another form."""
    found = dumped.load(path, *names, optional=())
    return [found[name] for name in names]


def read_states(
    run: Run,
    kind: str,
    name: str,
    weights: tuple[Weights, ...],
    states: str,
    options: str | None = None,
) -> tuple[np.ndarray, dict[Weights, np.ndarray]]:
    """The ids of a dump, and states from it of each of the weights, row by row the same.

    Args:
        run: the run.
        kind: see `dumped.require`.
        name: see there.
        weights: see there.
        states: the array that holds them.
        options: see there.

    Raises:
        ValueError: if a dump is missing, or they are of different examples or not finite.
    """
    dumped.require(run, kind, name, weights, options)
    found: dict[Weights, np.ndarray] = {}
    for one in weights:
        path = run.arrays(kind, name, one)
        arrays = dumped.load(path, "ids", states, optional=())
        ids, found[one] = arrays["ids"], arrays[states]
        if states != "word_states" or kind == "words":  # else ids are of sentences
            dumped.same_length(path, arrays, "ids", states)
        if one == weights[0]:
            first = ids
        if not np.array_equal(ids, first):
            raise ValueError(
                f"{path} is of other examples than {run.arrays(kind, name, weights[0]).name}; "
                f"write them again in one call: python eval.py {run.path} --dump {kind} "
                f"{options or f'--split {name}'} --weights {','.join(weights)}"
            )
        check_states(path, found[one], found[weights[0]])
    return first, found


def check_states(path: Path, states: np.ndarray, others: np.ndarray) -> None:
    """Raise ValueError for states of another shape than those of other weights, or not finite."""
    if states.shape != others.shape:
        raise ValueError(
            f"{path} has {states.shape} rows, layers and dimensions, the dump of other weights "
            f"{others.shape}; {dumped.AGAIN}"
        )
    if np.isfinite(states).all():
        return
    if states.dtype == np.float16 and not np.isnan(states).any():
        raise ValueError(
            f"{path} holds states beyond 65,504, the range of float16, in which an earlier version "
            f"wrote them; {dumped.AGAIN}. If that does not help, the training was not stable"
        )
    raise ValueError(f"{path} holds states that are not finite; was the training stable?")


def own_properties(run: Run, split: str, weights: tuple[Weights, ...]) -> list[Property]:
    """What the run's own task labels: texts, by the mean or the first of their states, or words.

    Raises:
        ValueError: if a dump is missing.
    """
    result = run.read_result()
    task, data = result["task"], result["data_name"]
    dumped.require(run, "hidden", split, weights)
    path = run.arrays("predictions", split)
    if not path.is_file():
        raise ValueError(f"{path} is missing; first: python eval.py {run.path} --split {split}")
    ids, labels, names = read_predictions(path)
    hidden = run.arrays("hidden", split, weights[0])
    (kept,) = read_arrays(hidden, "ids")
    if task == "ner":
        _, states = read_states(run, "hidden", split, weights, "word_states")
        (pieces,) = read_arrays(hidden, "word_pieces")
        dumped.same_length(hidden, {"word_pieces": pieces} | states, "word_pieces", weights[0])
        ids, labels = first_rows(path, ids, labels, len(pieces), kept)
        kinds = np.array([name.partition("-")[2] or "O" for name in names])[labels]
        keys = read_keys(hidden, "word_pieces")
        return [entities(kinds, data, ids, pieces, states, keys)]
    ids, labels = first_rows(path, ids, labels, len(kept), kept)
    keys = read_keys(hidden, "ids")
    found = []
    for pool, shown in (("mean", "mean of the tokens"), ("first", "first token")):
        _, states = read_states(run, "hidden", split, weights, pool)
        name = f"label of {data}, {shown}"
        found.append(Property(name, tuple(map(str, names)), labels, ids, None, states, keys))
    return found


def read_predictions(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ids, labels and names of labels of a split; ValueError if they do not fit each other."""
    found = dumped.load(path, "ids", "labels", "label_names", optional=())
    dumped.same_length(path, found, "ids", "labels")
    dumped.check_indices(path, found, "labels", len(found["label_names"]))
    return found["ids"], found["labels"], found["label_names"]


def first_rows(
    path: Path, ids: np.ndarray, labels: np.ndarray, n: int, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ids and labels of the first n rows of predictions: a dump holds those of a split.

    Raises:
        ValueError: if they are not of the examples `kept` that were dumped.
    """
    if len(ids) < n or not np.isin(ids[:n], kept).all():
        raise ValueError(f"{path} is of other examples than the states; write both again")
    return ids[:n], labels[:n]


def entities(
    kinds: np.ndarray,
    data: str,
    ids: np.ndarray,
    types: np.ndarray,
    states: dict[Weights, np.ndarray],
    keys: np.ndarray | None = None,
) -> Property:
    """The type of the entity that a word is in, for all that are in one and as many that are not.

    Nine words of ten are in none: over all words, whoever says so of each is right nine times.

    Args:
        kinds: of each word, "O" outside of entities, [n].
        data: their name.
        ids: see `Property.examples`.
        types: see `Property`.
        states: see `Property`.
        keys: see `Property.texts`.
    """
    whole = coded(f"entity type, {data}", kinds, ids, types, states, keys)
    inside, outside = np.flatnonzero(kinds != "O"), np.flatnonzero(kinds == "O")
    n = min(len(inside), len(outside))
    drawn = np.random.default_rng(SEED).choice(outside, n, replace=False)
    return whole.of(np.sort(np.concatenate([inside, drawn])))


def coded(
    name: str,
    values: np.ndarray,
    ids: np.ndarray,
    types: np.ndarray | None,
    states: dict[Weights, np.ndarray],
    keys: np.ndarray | None = None,
) -> Property:
    """A property whose labels are strings, [n]."""
    label_names, labels = np.unique(values, return_inverse=True)
    return Property(name, tuple(map(str, label_names)), labels, ids, types, states, keys)


def word_properties(run: Run, weights: tuple[Weights, ...]) -> list[Property]:
    """What `--dump words` knows of words: part of speech, depth in the tree, entity type.

    Raises:
        ValueError: if one of the weights was not dumped.
    """
    found = []
    for other in other_data(run, "words"):
        stem, data = other.stem, other.name
        ids, states = read_states(run, "words", stem, weights, "word_states", other.options)
        path = run.arrays("words", stem)
        known = dumped.load(path, "forms", "ids", optional=("upos", "depth", "entity"))
        dumped.same_length(path, known, *known)
        keys = read_keys(path, "ids")
        forms = np.char.lower(known["forms"])
        if "upos" in known:
            found.append(coded(f"part of speech, {data}", known["upos"], ids, forms, states, keys))
        if "depth" in known:
            depths = grouped(path, known["depth"])
            found.append(coded(f"depth in the tree, {data}", depths, ids, forms, states, keys))
        if "entity" in known:
            found.append(entities(known["entity"], data, ids, forms, states, keys))
    return found


def grouped(path: Path, depths: np.ndarray) -> np.ndarray:
    """Depths in words, those from DEEPEST on as one; ValueError for some that are no numbers."""
    if not np.char.isdecimal(depths).all():
        raise ValueError(f"{path}: some depth is no whole number; {dumped.AGAIN}")
    return np.where(depths.astype(int) < DEEPEST, depths, f"{DEEPEST} or more")


def text_properties(run: Run, weights: tuple[Weights, ...]) -> list[Property]:
    """The labels that `--dump texts` knows of texts, by the mean of the tokens.

    Raises:
        ValueError: if one of the weights was not dumped.
    """
    found = []
    for other in other_data(run, "texts"):
        ids, states = read_states(run, "texts", other.stem, weights, "mean", other.options)
        path = run.arrays("texts", other.stem)
        labels = dumped.load(path, "labels", "ids", optional=())
        dumped.same_length(path, labels, "labels", "ids")
        keys = read_keys(path, "ids")
        what = "label of" if other.column == "label" else f"{other.column},"
        name = f"{what} {other.name}"
        found.append(coded(name, labels["labels"].astype(str), ids, None, states, keys))
    return found


def properties(run: Run, split: str, weights: tuple[Weights, ...]) -> list[Property]:
    """All that the dumps of a run know: of its own task, and of words and texts of other data.

    Raises:
        ValueError: if there is nothing, or some of the weights are missing.
    """
    others = word_properties(run, weights) + text_properties(run, weights)
    reason = no_own(run, split, weights)
    if reason is None:
        return own_properties(run, split, weights) + others
    if not others:
        raise (ValueError if run.read_result()["task"] in LABELLED else OtherTaskError)(
            f"{reason}; or take words of other data: python eval.py {run.path} --dump words "
            f"--data DATA --weights {','.join(WEIGHTS)}"
        )
    return others


def no_own(run: Run, split: str, weights: tuple[Weights, ...]) -> str | None:
    """Why there are no `own_properties` of a run, and what brings them; None: there are."""
    result = run.read_result()
    whose = f"labels of {result['data_name']}"
    if result["task"] not in LABELLED:
        return f"{whose}: a run of {result['task']} has no one label for each text or word"
    if not run.arrays("hidden", split).is_file():
        return f"{whose}: {dumped.lacking(run, 'hidden', split, weights)}"
    return None


def compared(
    runs: list[Run], split: str, weights: tuple[Weights, ...]
) -> Iterator[tuple[Property, Shown]]:
    """What all these runs know, each with the states of every model by its name.

    The names are `RANDOM` and `BEFORE`, of the first run, and "after", or of each configuration its
    name; its seeds stand in their order. What is left out is named on stderr.

    Raises:
        ValueError: if they have nothing in common, or differ in the model before or in the rows.
    """
    groups = together([run.read_result() for run in runs]) if len(runs) > 1 else {"after": [0]}
    first = {prop.name: prop for prop in properties(runs[0], split, weights)}
    trained = {name: [prop.states["trained"]] for name, prop in first.items()}
    others = tuple(one for one in weights if one != "random")
    said = set(first)
    for reason in dict.fromkeys(filter(None, (no_own(run, split, weights) for run in runs))):
        print(f"left out: {reason}", file=sys.stderr)
    for run in runs[1:]:
        own = {prop.name: prop for prop in properties(run, split, others)}
        leave_out([name for name in own if name not in said], runs[0])
        leave_out([name for name in trained if name not in own], run)
        said |= own.keys()
        trained = {name: states for name, states in trained.items() if name in own}
        for name, states in trained.items():
            check_same(first[name], own[name], runs[0], run)
            states.append(own[name].states["trained"])  # the others of its states are let go
    if not trained:
        raise ValueError("these runs have no property in common; give runs of one task and data")
    for name, states in trained.items():
        prop = first[name]
        shown = {RANDOM: [prop.states["random"]]} if "random" in weights else {}
        shown[BEFORE] = [prop.states["pretrained"]]
        yield prop, shown | {label: [states[i] for i in of] for label, of in groups.items()}


def leave_out(names: list[str], run: Run) -> None:
    """Say which properties are not compared, and which run is to blame for it."""
    for name in names:
        print(f"left out: {name}, of which {run.path} has no dump", file=sys.stderr)


def check_same(one: Property, other: Property, run: Run, second: Run) -> None:
    """Raise ValueError unless two runs began with one model, and their dumps are of equal rows."""
    for what in ("examples", "label_names", "labels"):
        if not np.array_equal(getattr(one, what), getattr(other, what)):
            raise ValueError(
                f"{one.name}: {run.path} and {second.path} have dumps of other "
                f"{what.replace('_', ' ')}; give runs on one data set, dumped with one --limit"
            )
    before, after = one.states["pretrained"], other.states["pretrained"]
    # Bits differ where one was dumped on another device.
    if before.shape != after.shape or not np.allclose(before, after, rtol=0.05, atol=0.05):
        raise ValueError(
            f"{run.path} and {second.path} did not begin with the same model, so what adaptation "
            "changed cannot be compared"
        )
