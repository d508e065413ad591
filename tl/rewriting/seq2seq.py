"""Rewrites by models: a paraphraser, and translation into another language and back.

Proposals are drawn by top-p sampling (arXiv 1904.09751, §3.1): transformers has no diverse beam
search any more, and the filters take what differs. Each text is read alone, with a random stream of
its own, so that its rewrites do not depend on the texts beside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerBase,
)

from tl import seed as streams
from tl.backbones.locate import foreign, locate, unreadable
from tl.backbones.pretrained import Form, read_network
from tl.rewriting.base import Rewrite, tidy

ASKED = "paraphrase: "  # by this, unless told otherwise
TOP_P = 0.95
LONGEST = 256  # word pieces that are read of a text
# Of a checkpoint's wishes for a search: where texts begin and end, the language that a translator
# of many writes, and what Marian must never write. The others would change what is drawn from.
KEPT = (
    *("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id"),
    *("forced_bos_token_id", "bad_words_ids"),
)


class Writer:
    """An encoder-decoder of transformers that writes texts for a text.

    Args:
        model: a directory or a Hub id.
        device: where it works.

    Raises:
        ValueError: if it cannot be loaded, or lacks weights.
    """

    def __init__(self, model: str, device: torch.device) -> None:
        self.network, self.tokenizer = _load(model)
        own = self.network.generation_config
        kept = {name: getattr(own, name) for name in KEPT}
        self.network.generation_config = GenerationConfig(**kept)
        self.network.eval().to(device)
        self.device = device

    def sampled(self, text: str, n: int) -> list[str]:
        """Texts, n of them, drawn from the nucleus that holds TOP_P of the probability."""
        drawing = {"do_sample": True, "top_p": TOP_P, "top_k": 0, "num_return_sequences": n}
        return self._written([text], **drawing)

    def likeliest(self, texts: list[str]) -> list[str]:
        """A text for each, written greedily."""
        return self._written(texts, do_sample=False)

    @torch.no_grad()
    def _written(self, texts: list[str], **options: object) -> list[str]:
        read = self.tokenizer(
            texts, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST
        ).to(self.device)
        n_read = read["input_ids"].shape[1]
        ids = self.network.generate(
            input_ids=read["input_ids"],
            attention_mask=read["attention_mask"],
            num_beams=1,
            max_new_tokens=2 * n_read + 8,  # what is longer is no rewrite
            **options,
        )
        return [
            " ".join(t.split()) for t in self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        ]


class Paraphraser:
    """Asks a model for the same in other words; `prefix` is what it was trained to be asked by."""

    def __init__(self, model: str, prefix: str, device: torch.device) -> None:
        self.writer, self.prefix = Writer(model, device), prefix

    def rewrite(self, text: str, k: int, seed: int) -> list[Rewrite]:
        """See `tl.rewriting.base.Rewriter`."""
        text = tidy(text)
        with drawn(seed, text, self.writer.device):
            written = self.writer.sampled(self.prefix + text, k)
        return [Rewrite(new, "paraphrase") for new in written]


class BackTranslator:
    """Draws k translations, and takes the likeliest translation back of each (1711.05732).

    Args:
        there: the model that translates into the other language.
        back: the one that translates from it.
        prefixes: what each of the two is asked by; a Marian model, by nothing.
        device: where they work.
    """

    def __init__(
        self, there: str, back: str, prefixes: tuple[str, str], device: torch.device
    ) -> None:
        self.there, self.back = Writer(there, device), Writer(back, device)
        self.prefixes = prefixes

    def rewrite(self, text: str, k: int, seed: int) -> list[Rewrite]:
        """See `tl.rewriting.base.Rewriter`."""
        text = tidy(text)
        there, back = self.prefixes
        with drawn(seed, text, self.there.device):
            translated = self.there.sampled(there + text, k)
        written = self.back.likeliest([back + some for some in translated])
        return [Rewrite(new, "back-translation") for new in written]


@contextmanager
def drawn(seed: int, text: str, device: torch.device) -> Iterator[None]:
    """Inside, chance on the device is that of a text; after, it is where it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(streams.stream_seed(seed, f"rewrite/{text}"))
        yield


def _load(model: str) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    try:
        network, unfilled = read_network(model, AutoModelForSeq2SeqLM, Form(generates=True))
        if unfilled:
            raise ValueError(f"its checkpoint lacks {len(unfilled)} weights, as {unfilled[0]}")
        tokenizer = foreign(
            unreadable(model, "tokenizer"),
            AutoTokenizer.from_pretrained,
            locate(model),
            trust_remote_code=False,
        )
    except ValueError as error:
        reason = str(error).removeprefix(f"--model {model}: ")
        if not Path(model).is_dir():
            reason = "there is no directory of that name, and from the Hub it cannot be loaded"
        raise ValueError(
            f"{model} cannot rewrite: {reason}. Give the directory or the Hub id of an "
            "encoder-decoder of transformers, such as a T5 that paraphrases or a Marian model"
        ) from None
    return network, tokenizer
