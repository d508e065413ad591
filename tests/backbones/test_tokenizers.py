"""Tokenizers of every family: from tokenizer.json, or from a bare sentencepiece model."""

import copy
import io
import json

import pytest
import sentencepiece
import transformers
from tiny import CONFIGS, tiny_tokenizer
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tl.backbones.tokenizer import class_to_load, load_tokenizer, save_tokenizer
from tl.data.encode import encode_texts, encode_words

TEXTS = [
    "the day was good and anna met boris in oslo",
    "a bad rainy day in paris again",
    "день был хороший и анна видела рим",
    "fine sunny rome saw clara left the poor awful day",
]
T5_IDS = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
IDENTITY = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
BARE = {  # file, kind of model, options of its training, and what stands around a text
    "t5": ("spiece.model", "unigram", T5_IDS, ([], ["</s>"])),
    "mt5": ("spiece.model", "unigram", T5_IDS, ([], ["</s>"])),
    "xlm-roberta": ("sentencepiece.bpe.model", "unigram", {}, (["<s>"], ["</s>"])),
    "deberta-v2": (
        "spm.model",
        "unigram",
        {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "user_defined_symbols": ["[MASK]"]},
        (["[CLS]"], ["[SEP]"]),
    ),
    "llama": ("tokenizer.model", "bpe", IDENTITY, (["<s>"], [])),
    "mistral": ("tokenizer.model", "bpe", IDENTITY, (["<s>"], [])),
}


def write_config(folder, family, vocab_size=500):
    config = copy.deepcopy(CONFIGS[family])
    config.vocab_size = vocab_size
    config.save_pretrained(folder)


@pytest.fixture(params=BARE)
def bare(request, tmp_path):
    """A directory with a configuration and a sentencepiece model, and that model itself."""
    name, kind, options, around = BARE[request.param]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=written,
        vocab_size=60,
        model_type=kind,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    (tmp_path / name).write_bytes(written.getvalue())
    write_config(tmp_path, request.param)
    return (
        str(tmp_path),
        sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()),
        around,
    )


def test_a_bare_sentencepiece_model_cuts_words_as_it_does_itself(bare):
    folder, model, _ = bare
    tokenizer = load_tokenizer(folder)
    assert tokenizer.is_fast
    for text in TEXTS:
        assert tokenizer.tokenize(text) == model.encode(text, out_type=str)


def test_around_a_text_stands_what_its_family_puts_there(bare):
    folder, model, (before, after) = bare
    tokenizer = load_tokenizer(folder)
    ((inputs, *_),) = encode_texts(tokenizer, [TEXTS[0]], None, 40)
    pieces = tokenizer.convert_ids_to_tokens(inputs["input_ids"])
    assert pieces == [*before, *model.encode(TEXTS[0], out_type=str), *after]


def test_words_keep_their_pieces_together(bare):
    folder, model, (before, _) = bare
    words = TEXTS[2].split()
    ((*_, first),) = encode_words(load_tokenizer(folder), [words], 60)
    assert list(first) == list(range(len(words)))
    n_pieces = [len(model.encode(word, out_type=str)) for word in words]
    starts = [len(before) + sum(n_pieces[:i]) for i in range(len(words))]
    assert list(first.values()) == starts


SENTENCES = (*TEXTS, "anna doesn't owe the U.S. 10,000 (or more), boris says")
LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+"
SPLITTERS = {  # how tokenizers over bytes split a text, none of them with the space switched on
    "plain": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "Llama 3": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LETTERS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
    "digits": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "metaspace": lambda: pre_tokenizers.Metaspace(prepend_scheme="never"),
}
CLASSES = {  # what a checkpoint may name, by family
    "llama": ("PreTrainedTokenizerFast", "LlamaTokenizerFast", None),
    "mistral": ("PreTrainedTokenizerFast",),
    "gpt2": ("GPT2Tokenizer", "PreTrainedTokenizerFast"),
    "roberta": ("RobertaTokenizer", "PreTrainedTokenizerFast"),
    "bart": ("BartTokenizer",),
    "qwen2": ("Qwen2Tokenizer", "PreTrainedTokenizerFast"),
    "t5": ("PreTrainedTokenizerFast",),
    "bert": ("PreTrainedTokenizerFast",),
}


def byte_level(splitter="plain"):
    """BPE over bytes, as GPT-2, RoBERTa, BART, Qwen2 and Llama 3 have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = SPLITTERS[splitter]()
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())  # fmt: skip
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|endoftext|>"
    )


@pytest.mark.parametrize("family", CONFIGS)
def test_a_tokenizer_json_is_read_for_every_family(family, tmp_path):
    write_config(tmp_path, "bert" if family == "encoder-decoder" else family)
    in_bytes = family in ("gpt2", "qwen2", "roberta", "bart")
    made = byte_level() if in_bytes else tiny_tokenizer()
    made.save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    assert tokenizer.is_fast
    for text in TEXTS[:2]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert len(ids) > 3
        spaced = " " + text if in_bytes else text
        assert ids == made(spaced, add_special_tokens=False)["input_ids"]
        words = tokenizer(text.split(), is_split_into_words=True, add_special_tokens=False)
        assert words["input_ids"] == ids


@pytest.mark.parametrize(
    ("family", "kind", "splitter"),
    [
        (family, kind, splitter)
        for family, kinds in CLASSES.items()
        for kind in kinds
        for splitter in SPLITTERS
        if splitter != "metaspace" or kind == "PreTrainedTokenizerFast"
    ],
)
def test_words_that_come_alone_have_the_pieces_of_running_text(family, kind, splitter, tmp_path):
    write_config(tmp_path, family)
    made = byte_level(splitter)
    made.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    saved = json.loads(path.read_text())
    saved.pop("tokenizer_class")
    path.write_text(json.dumps(saved | ({} if kind is None else {"tokenizer_class": kind})))
    original = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    for text in SENTENCES:
        words = text.split()
        ((inputs, _, first),) = encode_words(tokenizer, [words], 400)
        (running,) = encode_texts(tokenizer, [text], None, 400)
        within = original(" " + text)["input_ids"]  # as the checkpoint reads words behind others
        assert inputs["input_ids"] == running.inputs["input_ids"] == within
        pieces = tokenizer.convert_ids_to_tokens(inputs["input_ids"])
        assert all(pieces[position].startswith(("Ġ", "▁")) for position in first.values())
        assert len(first) == len(words)
    # What is saved for others reads texts in the same way, also when it is read here again.
    save_tokenizer(tokenizer, tmp_path / "out", 40)
    write_config(tmp_path / "out", family)
    reads = getattr(transformers, class_to_load(tokenizer, tmp_path / "out"))
    theirs, again = reads.from_pretrained(tmp_path / "out"), load_tokenizer(str(tmp_path / "out"))
    for text in SENTENCES:
        ids = tokenizer(text)["input_ids"]
        assert theirs(text)["input_ids"] == ids == again(text)["input_ids"]
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_a_torn_sentencepiece_model_is_refused(bare):
    from pathlib import Path

    folder, _, _ = bare
    (path,) = Path(folder).glob("*.model")
    path.write_bytes(b"not a model at all")
    with pytest.raises(ValueError, match="its tokenizer cannot be read"):
        load_tokenizer(folder)
