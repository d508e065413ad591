"""The tokenizer of a model, or the bundled one for a form without a vocabulary."""

from pathlib import Path

import transformers
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerFast

from tl.backbones.family import Family
from tl.backbones.locate import LOAD_FAILURES, family_of, locate, read_config, unreadable

TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")


def has_tokenizer(model: str) -> bool:
    """Whether a model brings a tokenizer; a Hub id is taken to have one."""
    folder = Path(locate(model))
    return not folder.is_dir() or any(any(folder.glob(pattern)) for pattern in TOKENIZERS)


def _read_tokenizer(source: str, family: Family) -> PreTrainedTokenizerFast:
    folder = Path(source)
    bare = any(folder.glob("*.model")) and not (folder / "tokenizer.json").is_file()
    if bare and family.sentencepiece is not None:
        return getattr(transformers, family.sentencepiece).from_pretrained(
            source, add_bos_token=True
        )
    return AutoTokenizer.from_pretrained(
        source, trust_remote_code=False, **family.tokenizer_options
    )


def load_tokenizer(model: str, init: str = "pretrained") -> PreTrainedTokenizerFast:
    """The tokenizer of a model.

    Random weights know no vocabulary: a directory without a tokenizer (a bare config.json) then
    takes the bundled one, if the model's table of embeddings has room for its ids.

    Args:
        model: as for `locate`.
        init: "pretrained" or "random".

    Raises:
        ValueError: if there is no tokenizer that fits, or no fast one.
    """
    config, source = read_config(model), locate(model)
    whose = "its tokenizer"
    if not has_tokenizer(model):
        missing = f"the directory holds no tokenizer ({', '.join(TOKENIZERS)})"
        if init == "pretrained":
            raise ValueError(
                f"--model {model}: {missing}, and the weights fit no other. Copy its tokenizer "
                "there, or train its form from scratch with --init random"
            )
        whose, source = f"{missing}, and the bundled one", locate("minilm")
    try:
        tokenizer = _read_tokenizer(source, family_of(config))
    except LOAD_FAILURES as error:
        raise unreadable(model, "tokenizer", error) from None
    if not tokenizer.is_fast:
        raise ValueError(f"--model {model}: its tokenizer has no fast form, which tl needs")
    fit(tokenizer, config, f"--model {model}: ", whose)
    return tokenizer


def fit(
    tokenizer: PreTrainedTokenizerFast, config: PretrainedConfig, front: str, whose: str
) -> None:
    """Leave out what the model has no table for, and raise ValueError if its ids do not fit.

    Args:
        tokenizer: changed in place.
        config: of the model.
        front: where a message begins.
        whose: the tokenizer, in a message.
    """
    parts = [getattr(config, side, config) for side in ("encoder", "decoder")]
    n_ids, n_ids_of_decoder = (part.vocab_size for part in parts)
    if n_ids_of_decoder != n_ids:
        raise ValueError(
            f"{front}its encoder has {n_ids} ids, its decoder {n_ids_of_decoder}; tl reads texts "
            "for both sides with one tokenizer"
        )
    if len(tokenizer) > n_ids:
        raise ValueError(
            f"{front}{whose} has {len(tokenizer)} ids, but the model's vocab_size is {n_ids}; they "
            "must fit"
        )
    if getattr(parts[0], "type_vocab_size", 0) < 2:  # a borrowed tokenizer may number segments
        names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
        tokenizer.model_input_names = names
