"""Tiny models and data sets, made in code: what a test needs of a checkpoint, in milliseconds."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import (
    BartConfig,
    BertConfig,
    DebertaV2Config,
    EncoderDecoderConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MT5Config,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
)

from tl.backbones import pretrained
from tl.backbones.base import Backbone
from tl.backbones.pretrained import LABELS, Form, new_network
from tl.registry import FAMILIES, resolve

D = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 50,
}
T5 = {
    "d_model": 16,
    "num_layers": 2,
    "num_heads": 2,
    "d_kv": 12,
    "d_ff": 32,
    "vocab_size": 50,
    "decoder_start_token_id": 0,
}
IDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}  # as in VOCABULARY
CONFIGS: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**D, **IDS),
    "roberta": RobertaConfig(**D, **IDS),
    "xlm-roberta": XLMRobertaConfig(**D, **IDS),
    "gpt2": GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=50, n_positions=128, **IDS),
    "llama": LlamaConfig(**D, **IDS, num_key_value_heads=1),
    "mistral": MistralConfig(**D, **IDS, num_key_value_heads=1),
    "qwen2": Qwen2Config(**D, **IDS, num_key_value_heads=1),
    # As in v3: shared projections of positions, no absolute ones; and the convolution of v2.
    "deberta-v2": DebertaV2Config(
        **D, **IDS, relative_attention=True, pos_att_type=["c2p", "p2c"], share_att_key=True,
        position_buckets=8, norm_rel_ebd="layer_norm", position_biased_input=False,
        max_position_embeddings=64, type_vocab_size=0, conv_kernel_size=3,
    ),
    # Heads are wider than d / h, as in the larger T5s; T5 is plain, mT5 gated.
    "t5": T5Config(**T5, **IDS, feed_forward_proj="relu"),
    "mt5": MT5Config(**T5, **IDS, feed_forward_proj="gated-gelu"),
    "bart": BartConfig(  # of unequal depths
        d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, vocab_size=50,
        max_position_embeddings=128, forced_eos_token_id=3, decoder_start_token_id=3, **IDS,
    ),
    "encoder-decoder": EncoderDecoderConfig.from_encoder_decoder_configs(
        BertConfig(**D, **IDS),
        BertConfig(**D, **IDS, is_decoder=True, add_cross_attention=True),
        decoder_start_token_id=2, pad_token_id=0,
    ),
}  # fmt: skip

GENERATES = Form(generates=True)
SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
GOOD = ("good", "fine", "great", "sunny")
BAD = ("bad", "poor", "awful", "rainy")
NEUTRAL = ("the", "a", "day", "was", "in", "and", "met", "left", "saw", "again")
PEOPLE, PLACES = ("anna", "boris", "clara"), ("oslo", "paris", "rome")
PIECES = ("un", "##good", "##s", "##ly", "##ing")  # "ungoodly" is three pieces
VOCABULARY = (*SPECIAL.values(), *GOOD, *BAD, *NEUTRAL, *PEOPLE, *PLACES, *PIECES)


def tiny_network(family: str, *, generates: bool = False) -> nn.Module:
    """A seeded random network as transformers makes it."""
    torch.manual_seed(0)
    config = copy.deepcopy(CONFIGS[family])  # a network writes into its configuration
    return new_network(config, GENERATES if generates else LABELS)


def cut_network(network: nn.Module, family: str) -> Backbone:
    return resolve(FAMILIES, family, "model family").cut(network).eval()


def tiny_backbone(family: str, *, generates: bool = False) -> Backbone:
    """A seeded random network of a family, cut as every other one, in eval mode."""
    network = tiny_network(family, generates=generates)
    if not generates:
        return cut_network(network, family)
    warm = resolve(FAMILIES, family, "model family").pairs
    return pretrained.cut_network(network, GENERATES, warm=warm).eval()


def tiny_tokenizer(*, special: bool = True) -> PreTrainedTokenizerFast:
    """WordPiece over `VOCABULARY`; with `special`, [CLS] and [SEP] stand around each text."""
    ids = {piece: i for i, piece in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")],
        )
    names = ["input_ids", "token_type_ids", "attention_mask"] if special else ["input_ids"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **SPECIAL)


def save_model(folder: Path, family: str = "bert", *, generates: bool = False) -> Path:
    """A model directory as a user has it: configuration, weights, tokenizer."""
    tiny_network(family, generates=generates).save_pretrained(folder)
    tiny_tokenizer(
        special=resolve(FAMILIES, family, "model family").generator != "AutoModelForCausalLM"
    ).save_pretrained(folder)
    return folder


def write_jsonl(path: Path, records: Sequence[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def sentiment_records(n: int, start: int = 0) -> list[dict]:
    """Texts of 3 to 10 words; the second word decides the label."""
    records = []
    for i in range(start, start + n):
        label, words = ("good", GOOD) if i % 2 else ("bad", BAD)
        filler = [NEUTRAL[(i * 7 + j * 3) % len(NEUTRAL)] for j in range(1 + i % 8)]
        text = " ".join(["day", words[i // 2 % len(words)], *filler])
        records.append({"id": str(i), "text": text, "label": label})
    return records


def tagged_records(n: int, start: int = 0) -> list[dict]:
    """Sentences with a person and a place."""
    records = []
    for i in range(start, start + n):
        filler = [NEUTRAL[(i * 5 + j) % len(NEUTRAL)] for j in range(i % 6)]
        tokens = [PEOPLE[i % 3], "saw", PLACES[i // 3 % 3], "again", *filler]
        tags = ["B-PER", "O", "B-LOC", "O", *["O"] * len(filler)]
        records.append({"id": str(i), "tokens": tokens, "ner_tags": tags})
    return records


def write_splits(folder: Path, splits: dict[str, list[dict]]) -> Path:
    for split, records in splits.items():
        write_jsonl(folder / f"{split}.jsonl", records)
    return folder


def save_sentiment(folder: Path, n_train: int = 24) -> Path:
    """A directory for `--task classification`, with 8 texts each for validation and test."""
    parts = {
        "train": sentiment_records(n_train),
        "validation": sentiment_records(8, start=n_train),
        "test": sentiment_records(8, start=n_train + 8),
    }
    return write_splits(folder, parts)


def save_tagged(folder: Path, n_train: int = 24) -> Path:
    """A directory for `--task ner`, with 8 sentences each for validation and test."""
    parts = {
        "train": tagged_records(n_train),
        "validation": tagged_records(8, start=n_train),
        "test": tagged_records(8, start=n_train + 8),
    }
    return write_splits(folder, parts)
