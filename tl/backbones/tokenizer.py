"""The tokenizer of a model, or the bundled one for a form without a vocabulary."""

import json
from pathlib import Path

import transformers
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerFast

from tl.backbones.locate import family_of, foreign, locate, read_config, unreadable

TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
SPACE = {"type": "Metaspace", "replacement": " ", "prepend_scheme": "first", "split": False}


def has_tokenizer(model: str) -> bool:
    """Whether a model brings a tokenizer; a Hub id is taken to have one."""
    folder = Path(locate(model))
    return not folder.is_dir() or any(any(folder.glob(pattern)) for pattern in TOKENIZERS)


def _read_tokenizer(source: str, config: PretrainedConfig) -> PreTrainedTokenizerFast:
    folder, family = Path(source), family_of(config)
    bare = any(folder.glob("*.model")) and not (folder / "tokenizer.json").is_file()
    if bare and family.sentencepiece is not None:
        return getattr(transformers, family.sentencepiece).from_pretrained(
            source, add_bos_token=True
        )
    # Many classes ignore the space; see `space_words`.
    return AutoTokenizer.from_pretrained(
        source, config=config, trust_remote_code=False, add_prefix_space=True
    )


def space_words(tokenizer: PreTrainedTokenizerFast) -> None:
    """Make a text that begins without a space read as if it had one, in place.

    In running text a space stands before every word but the first, and a byte-level tokenizer has
    other pieces for a word without it. So that words which come alone, one by one (NER), have the
    pieces of running text, all texts get it.
    """
    backend = tokenizer.backend_tokenizer
    splitter = backend.pre_tokenizer
    if isinstance(splitter, pre_tokenizers.ByteLevel):
        splitter.add_prefix_space = True
    elif isinstance(splitter, pre_tokenizers.Metaspace) and splitter.prepend_scheme == "never":
        splitter.prepend_scheme = "first"
    parts = _parts(tokenizer)
    in_bytes = [part for part in parts if part["type"] == "ByteLevel"]
    if not in_bytes or parts[0] == SPACE:
        return
    for part in in_bytes:  # in a sequence it would put a space before whatever was split off
        part["add_prefix_space"] = False
    spaced = pre_tokenizers.Sequence([])
    state = {"type": "Sequence", "pretokenizers": [SPACE, *parts]}
    spaced.__setstate__(json.dumps(state).encode())
    backend.pre_tokenizer = spaced
    # A class that makes its splitter anew must not be asked for what goes wrong in a sequence.
    tokenizer.add_prefix_space = tokenizer.init_kwargs["add_prefix_space"] = False


def _parts(tokenizer: PreTrainedTokenizerFast) -> list[dict]:
    """List the parts of a splitter that is a sequence; no parts of another."""
    splitter = tokenizer.backend_tokenizer.pre_tokenizer
    if not isinstance(splitter, pre_tokenizers.Sequence):
        return []
    return json.loads(splitter.__getstate__())["pretokenizers"]


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path, max_length: int) -> None:
    """Write a tokenizer so that it reads texts as it does here, none longer than `max_length`."""
    tokenizer.model_max_length = max_length
    tokenizer.save_pretrained(folder)
    if _parts(tokenizer)[:1] != [SPACE]:
        return
    path = folder / "tokenizer_config.json"  # other classes would make a splitter of their own
    saved = json.loads(path.read_text(encoding="utf-8"))
    saved["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(saved, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def class_to_load(tokenizer: PreTrainedTokenizerFast, folder: Path) -> str:
    """The class of transformers that reads a saved tokenizer as it was.

    `AutoTokenizer` does, unless the model's family has a splitter that it insists on (Qwen2).
    """
    splitters = [
        t.backend_tokenizer.pre_tokenizer
        for t in (tokenizer, AutoTokenizer.from_pretrained(folder))
    ]
    ours, theirs = (None if s is None else json.loads(s.__getstate__()) for s in splitters)
    return "AutoTokenizer" if ours == theirs else "PreTrainedTokenizerFast"


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
    tokenizer = foreign(unreadable(model, "tokenizer"), _read_tokenizer, source, config)
    if not tokenizer.is_fast:
        raise ValueError(f"--model {model}: its tokenizer has no fast form, which tl needs")
    space_words(tokenizer)
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
    vocabulary = tokenizer.get_vocab()
    greatest = max(vocabulary, key=vocabulary.get)
    if vocabulary[greatest] >= n_ids:
        holes = vocabulary[greatest] + 1 - len(vocabulary)
        among = f" ({holes} numbers below it stand for nothing)" if holes else ""
        raise ValueError(
            f"{front}{whose} has {len(vocabulary)} ids, but the model's vocab_size is {n_ids}, so "
            f"the greatest id may be {n_ids - 1}; it is {vocabulary[greatest]}, of "
            f"{greatest!r}{among}. They must fit"
        )
    if getattr(parts[0], "type_vocab_size", 0) < 2:  # a borrowed tokenizer may number segments
        names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
        tokenizer.model_input_names = names
