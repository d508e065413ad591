"""From text to token ids, through a fast tokenizer of transformers."""

from typing import NamedTuple

from transformers import PreTrainedTokenizerFast

Inputs = dict[str, list[int]]


class Encoded(NamedTuple):
    """A text as a model reads it.

    `first` holds, of a sentence that is split into words already, word -> position of its first
    piece. A word beyond the length limit, or one that the tokenizer drops (a lone control
    character), has no position.
    """

    inputs: Inputs
    truncated: bool  # whether the length limit cut something off
    first: dict[int, int]


def _inputs(encoding: dict, index: int, filler: int) -> Inputs:
    names = [name for name in ("input_ids", "token_type_ids") if name in encoding]
    inputs = {name: list(encoding[name][index]) for name in names}
    if not inputs["input_ids"]:  # an empty text under a tokenizer without special tokens
        inputs = {name: [filler if name == "input_ids" else 0] for name in names}
    return inputs


def filler_id(tokenizer: PreTrainedTokenizerFast | None) -> int:
    """The id that pads, or stands in an empty text: the tokenizer's pad, else its end of text.

    A dry run has no tokenizer, and any id will do.
    """
    known = () if tokenizer is None else (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next(i for i in (*known, 0) if i is not None)


def encode_texts(
    tokenizer: PreTrainedTokenizerFast, texts: list[str], pairs: list[str] | None, max_length: int
) -> list[Encoded]:
    """Encode texts, or pairs of texts; of a pair, the longer side is truncated first."""
    if not texts:
        return []
    truncation = "longest_first" if pairs else True
    encoding = tokenizer(texts, pairs, truncation=truncation, max_length=max_length)
    return [
        Encoded(_inputs(encoding, i, filler_id(tokenizer)), bool(own.overflowing), {})
        for i, own in enumerate(encoding.encodings)
    ]


def encode_words(
    tokenizer: PreTrainedTokenizerFast, sentences: list[list[str]], max_length: int
) -> list[Encoded]:
    """Encode sentences that are already split into words."""
    if not sentences:
        return []
    encoding = tokenizer(
        sentences, is_split_into_words=True, truncation=True, max_length=max_length
    )
    encoded = []
    for i, own in enumerate(encoding.encodings):
        first: dict[int, int] = {}
        for position, word in enumerate(own.word_ids):
            if word is not None:
                first.setdefault(word, position)
        inputs = _inputs(encoding, i, filler_id(tokenizer))
        encoded.append(Encoded(inputs, bool(own.overflowing), first))
    return encoded


def truncate(tokenizer: PreTrainedTokenizerFast, texts: list[str], n: int) -> list[str]:
    """Truncate one or two texts to n word pieces together; the longer of two is cut first."""
    encoding = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    ends = [[end for _, end in offsets] for offsets in encoding["offset_mapping"]]
    kept = [min(len(own), n // len(texts)) for own in ends]
    for i, own in enumerate(ends):  # what one text does not need, the other may have
        kept[i] = min(len(own), n - sum(kept) + kept[i])
    return [
        text if k == len(own) else text[: own[k - 1] if k else 0]
        for text, own, k in zip(texts, ends, kept, strict=True)
    ]


def fit_texts(
    tokenizer: PreTrainedTokenizerFast, template: str, texts: dict[str, str], max_length: int
) -> tuple[dict[str, str], bool]:
    """The texts of a prompt, truncated so that all of it fits, and whether they were.

    Args:
        tokenizer: its pieces are counted, special tokens included.
        template: with a place for each of the texts.
        texts: one or two, by the names of their places.
        max_length: of the filled template, in word pieces.

    Raises:
        ValueError: if the template alone is too long.
    """

    def excess(some: dict[str, str]) -> int:
        return len(tokenizer(template.format(**some))["input_ids"]) - max_length

    too_long = excess(texts)
    if too_long <= 0:
        return texts, False
    if (alone := excess(dict.fromkeys(texts, ""))) > 0:
        raise ValueError(
            f"the template {template!r} alone has {alone + max_length} word pieces, but "
            f"{max_length} are left for it and its texts; shorten it, or allow a longer input"
        )
    shorter = texts
    room = sum(map(len, tokenizer(list(texts.values()), add_special_tokens=False)["input_ids"]))
    while too_long > 0:  # more than once where pieces merge otherwise after the cut
        room = max(0, room - too_long)
        cut = truncate(tokenizer, list(texts.values()), room)
        shorter = dict(zip(texts, cut, strict=True))
        too_long = excess(shorter)
    return shorter, True
