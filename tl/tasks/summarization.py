"""Summarization: a text in, a shorter one out; scored by ROUGE-1, ROUGE-2 and ROUGE-L."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from transformers import GenerationConfig

from tl.backbones.base import Backbone
from tl.data.batch import Batch, Example, pad, pad_inputs
from tl.data.encode import Encoded, encode_texts, filler_id
from tl.data.sources import require_columns
from tl.losses import IGNORED
from tl.metrics import Scores, rouge_scores, signs_of, words_of
from tl.options import option
from tl.tasks.base import Answers
from tl.tasks.generating import Generating

# A space follows it, but not in Chinese and Japanese: 。, and ! and ? of full width.
SENTENCE_END = re.compile("[.!?…।]+[\"'»”)]*(?=\\s|$)|[。\uff01\uff1f]+[」』”\uff09]*")


@dataclass(frozen=True)
class Options:
    """One summary for a text."""

    text: str = option("text", "column of the text")
    summary: str = option("summary", "column of its summary")
    prompt: str = option("", "words in front of every text, such as 'summarize: ' for T5")
    max_length: int = option(
        192, "longest text in word pieces; the rest is cut", interval="[4, inf)"
    )
    max_summary: int = option(
        48, "longest summary in word pieces, learned or generated", interval="[2, inf)"
    )
    beams: int = option(1, "beams of the search; 1: greedy", interval="[1, inf)")
    length_penalty: float = option(
        1.0, "log-probabilities of beams are divided by their length to this power: larger values "
        "favour longer summaries",
    )  # fmt: skip
    no_repeat: int = option(
        0, "no run of so many word pieces occurs twice in a summary; 0: no limit",
        interval="[0, inf)",
    )  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A true summary: its token ids with their end, and its text."""

    ids: list[int]
    text: str


class Summarization(Generating):
    """An encoder-decoder learns to write the summary, token by token, behind its start token.

    While training, each token is predicted from the true ones before it; scores are of what the
    model generates by itself.
    """

    name = "summarization"
    metric = "rougeL"
    limits: ClassVar = {
        **Generating.limits,
        "max_summary": ("summaries", "is neither learned nor written, but scored"),
    }
    Options = Options

    @classmethod
    def stratify(cls, options: Options) -> tuple[str, ...]:
        return ()

    def check(self) -> None:
        require_columns(
            self.dataset,
            [self.options.text, self.options.summary],
            "name the columns with --task.text and --task.summary",
        )

    def columns(self) -> list[str]:
        return [self.options.text, self.options.summary]

    def find_labels(self) -> list[str]:
        return []

    def used_labels(self, split: str) -> set[str]:
        return set()

    def prepare(self, backbone: Backbone) -> None:
        if backbone.kind != "encoder-decoder":
            raise ValueError(
                "summarization takes an encoder-decoder (T5, mT5, BART, or a pair), or an encoder "
                f"that can become both sides of one (BERT, RoBERTa); this model is a "
                f"{backbone.kind}"
            )
        limit = backbone.n_positions
        if limit is not None and self.options.max_summary > limit:
            raise ValueError(
                f"--task.max-summary {self.options.max_summary}, but the model has positions for "
                f"{limit} word pieces only; give at most that many"
            )
        self.start_id = backbone.start_id
        if self.start_id is None:
            own = self.tokenizer  # None in a dry run, where any id will do
            ids = (0,) if own is None else (own.bos_token_id, own.cls_token_id)
            self.start_id = next(id for id in ids if id is not None)

    def examples(self, split: str) -> list[Example]:
        records = self.dataset.splits[split]
        encoded = self._encode(self._column(split, self.options.text))
        summaries = self._column(split, self.options.summary)
        rows = enumerate(zip(records, encoded, summaries, strict=True))
        return [self._example(str(r.get("id", i)), one, summary) for i, (r, one, summary) in rows]

    def tokenized_texts(self, split: str) -> list[str]:
        return self._column(split, self.options.text) + self._column(split, self.options.summary)

    def _column(self, split: str, name: str) -> list[str]:
        return [str(record[name]) for record in self.dataset.splits[split]]

    def _encode(self, texts: list[str]) -> list[Encoded]:
        texts = [self.options.prompt + text for text in texts]
        return encode_texts(self.tokenizer, texts, None, self.options.max_length)

    def _example(self, id: str, encoded: Encoded, summary: str) -> Example:
        """The start token is what the target's ids follow, not one of them."""
        ids, room = self._pieces(summary), self.options.max_summary - 1
        target = Target([*ids[:room], self.end_id], summary)
        found = {"max_length": encoded.truncated, "max_summary": len(ids) > room}
        truncated = tuple(name for name in found if found[name])
        return Example(id, encoded.inputs, target, truncated=truncated)

    def true_ids(self, example: Example) -> list[int]:
        return self._pieces(example.target.text)

    def _pieces(self, summary: str) -> list[int]:
        ids = self.tokenizer(text_target=summary)["input_ids"]
        ids = ids[1:] if ids[:1] == [self.start_id] else ids
        return [id for id in ids if id != self.end_id]

    def encode_text(self, text: str, id: str) -> Example:
        return self._example(id, self._encode([text])[0], "")

    def blank(self, length: int) -> Example:
        return Example("", {"input_ids": [0] * length}, Target([0] * self.options.max_summary, ""))

    def collate(self, examples: list[Example]) -> Batch:
        """Texts, and summaries moved one place to the right behind the start token."""
        filler = filler_id(self.tokenizer)
        moved = [[self.start_id, *example.target.ids[:-1]] for example in examples]
        inputs = pad_inputs(examples, filler) | {
            "decoder_input_ids": pad(moved, filler),
            "decoder_attention_mask": pad([[1] * len(row) for row in moved], 0),
        }
        labels, n_targets = self.batch_labels(examples, 0)
        return Batch(self.name, inputs, labels, n_targets, examples)

    def batch_labels(self, examples: list[Example], length: int) -> tuple[Tensor, int]:
        rows = [example.target.ids for example in examples]
        return pad(rows, IGNORED), sum(map(len, rows))

    def answer(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Answers]:
        """The loss on the true summaries, and the ids that the model generates by itself."""
        loss = self.loss_sum(model(batch), batch)
        written = model.generate(batch.inputs, generation_config=self.generation())
        return loss, self.predict(written, batch)

    def template_of_prompt(self) -> str:
        return self.options.prompt.replace("{", "{{").replace("}", "}}") + "{text}"

    def generation(self) -> GenerationConfig:
        options = self.options
        return self.search(
            options.max_summary,
            num_beams=options.beams,
            early_stopping=options.beams > 1,
            length_penalty=options.length_penalty,
            no_repeat_ngram_size=options.no_repeat,
            decoder_start_token_id=self.start_id,
        )

    def score(self, examples: list[Example], answers: Answers) -> Scores:
        return rouge_scores([example.target.text for example in examples], self.texts(answers))

    def baselines(self, split: str) -> dict[str, Scores]:
        """The first n words, as many as summaries of train have on average; the first sentence."""
        if "train" not in self.dataset.splits:
            return {}
        of_train = self._column("train", self.options.summary)
        n = max(1, round(sum(len(words_of(text)) for text in of_train) / len(of_train)))
        texts = self._column(split, self.options.text)
        gold = self._column(split, self.options.summary)
        copies = {
            f"lead-{n}": [first_words(text, n) for text in texts],
            "first sentence": [first_sentence(text) for text in texts],
        }
        return {name: rouge_scores(gold, made) for name, made in copies.items()}

    def arrays(self, examples: list[Example], answers: Answers) -> dict[str, np.ndarray]:
        return {
            "ids": np.array([example.id for example in examples]),
            "references": np.array([example.target.text for example in examples]),
            "summaries": np.array(self.texts(answers)),
        }

    def readable(self, text: str, example: Example, answer: np.ndarray) -> dict[str, object]:
        return {"summary": self.texts([answer])[0]}


def first_words(text: str, n: int) -> str:
    """The first n words of a text, by spaces, or by letters where a script has none."""
    ends = [word.end() for word in re.finditer("um*|[^us]+", signs_of(text))]
    return text[: ends[min(n, len(ends)) - 1]] if ends else ""


def first_sentence(text: str) -> str:
    """Up to the first sign that ends a sentence; the whole text where none does."""
    end = SENTENCE_END.search(text)
    return text[: end.end()] if end else text
