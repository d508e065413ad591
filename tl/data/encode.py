"""From text to token ids, through a fast tokenizer of transformers."""

from transformers import PreTrainedTokenizerFast

Inputs = dict[str, list[int]]


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
) -> list[Inputs]:
    """Encode texts, or pairs of texts; of a pair, the longer side is cut first."""
    if not texts:
        return []
    truncation = "longest_first" if pairs else True
    encoding = tokenizer(texts, pairs, truncation=truncation, max_length=max_length)
    return [_inputs(encoding, i, filler_id(tokenizer)) for i in range(len(texts))]


def encode_words(
    tokenizer: PreTrainedTokenizerFast, sentences: list[list[str]], max_length: int
) -> list[tuple[Inputs, dict[int, int]]]:
    """Encode sentences that are already split into words.

    Returns:
        for each sentence its inputs, and word -> position of its first piece. A word beyond the
        length limit, or one that the tokenizer drops (a lone control character), has no position.
    """
    if not sentences:
        return []
    encoding = tokenizer(
        sentences, is_split_into_words=True, truncation=True, max_length=max_length
    )
    encoded = []
    for i in range(len(sentences)):
        first: dict[int, int] = {}
        for position, word in enumerate(encoding.word_ids(i)):
            if word is not None:
                first.setdefault(word, position)
        encoded.append((_inputs(encoding, i, filler_id(tokenizer)), first))
    return encoded


def cut(tokenizer: PreTrainedTokenizerFast, text: str, n: int) -> str:
    """A text as it is, if it has at most n word pieces; otherwise the first n of them."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return text if len(ids) <= n else tokenizer.decode(ids[:n])
