"""Data sets of the Hugging Face Hub as plain records."""

from typing import TYPE_CHECKING, Any

from tl import offline
from tl.data.splits import ALIASES, Splits
from tl.surrogates import refuse_surrogates

if TYPE_CHECKING:
    import datasets

PLAIN = ("string", "large_string", "int", "uint", "float", "bool")  # how such dtypes begin
UNLABELLED = -1  # what the Hub writes where a class is not published


def hub_splits(name: str) -> tuple[Splits, list[str]]:
    """Splits and warnings of `owner/name` or `owner/name:configuration`, downloaded if not cached.

    Code from the Hub is never run: a data set that needs its own loading script is an error.

    Raises:
        ValueError: the data set does not exist, cannot be reached or cannot be read.
    """
    offline.prefer_cache_if_unreachable()
    # These take a second: only for those who use them.
    import datasets
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HTTPError

    repository, _, configuration = name.partition(":")
    # A missing file or connection is an OSError, an unknown configuration a ValueError, a script a
    # RuntimeError; HTTPError is whatever the Hub's own client raises.
    failures = (OSError, ValueError, RuntimeError, DatasetsError, HTTPError)
    try:
        loaded = datasets.load_dataset(repository, configuration or None)
    except failures as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{type(error).__name__}: {reason}") from error
    return plain_splits(loaded)


def plain_splits(loaded: "datasets.DatasetDict") -> tuple[Splits, list[str]]:
    """Records by split, with the names of classes in place of their numbers.

    Left out with a warning: splits with other names than train, validation and test, splits whose
    labels are not published, and columns that are neither text nor numbers.

    Raises:
        ValueError: two splits mean the same, as `dev` and `validation`.
    """
    splits: Splits = {}
    warnings = []
    for hub_name, table in loaded.items():
        split = ALIASES.get(hub_name)
        if split is None:
            warnings.append(
                f"the Hub's split {hub_name!r} is left out: not train, validation or test"
            )
            continue
        if split in splits:
            raise ValueError(f"two splits mean {split}: found {', '.join(loaded)}")
        kept = {name: feature for name, feature in table.features.items() if _is_plain(feature)}
        if len(kept) < len(table.features):
            others = ", ".join(sorted(table.features.keys() - kept.keys()))
            warnings.append(f"columns of {split} left out, neither text nor numbers: {others}")
        classes = [name for name, feature in kept.items() if hasattr(feature, "int2str")]
        columns = {name: table[name][:] for name in kept}
        if any(columns[name] and set(columns[name]) == {UNLABELLED} for name in classes):
            warnings.append(
                f"the Hub's split {hub_name!r} is left out: its labels are not published"
            )
            continue
        named = [[_named(value, kept[name]) for value in columns[name]] for name in kept]
        splits[split] = [dict(zip(kept, row, strict=True)) for row in zip(*named, strict=True)]
        for i, record in enumerate(splits[split]):
            refuse_surrogates(record, f"record {i} of {split}")
    return splits, warnings


def _is_plain(feature: Any) -> bool:
    """Whether a column holds strings, numbers or lists and dictionaries of them."""
    if isinstance(feature, dict):
        return all(map(_is_plain, feature.values()))
    if hasattr(feature, "feature"):  # a list
        return _is_plain(feature.feature)
    return hasattr(feature, "int2str") or str(getattr(feature, "dtype", "")).startswith(PLAIN)


def _named(value: Any, feature: Any) -> Any:
    """A value with class numbers, alone or in lists and dictionaries, as their names."""
    if value is None or (value == UNLABELLED and hasattr(feature, "int2str")):
        return None
    if hasattr(feature, "int2str"):
        return feature.int2str(value)
    if isinstance(feature, dict):
        return {name: _named(value[name], inner) for name, inner in feature.items()}
    if hasattr(feature, "feature") and isinstance(value, list):
        return [_named(inner, feature.feature) for inner in value]
    return value
