"""Classification without training: a model is asked by a template, in the way it was pretrained.

A sentence encoder says how similar a text and a label's description are, a masked language model
how well the label fills a gap behind the text (arXiv 2001.07676), a causal one how likely it
follows it (GPT-3, arXiv 2005.14165, §2.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedTokenizerFast

from tl import heads
from tl.backbones.locate import family_of, read_config
from tl.backbones.pretrained import Form, pretrained_backbone, read_network
from tl.backbones.tokenizer import load_tokenizer
from tl.bars import bar
from tl.data import sources
from tl.data.batch import chunks, pad
from tl.data.encode import encode_texts, filler_id, fit_texts
from tl.metrics import Scores, classification_scores
from tl.tasks.classification import Classification
from tl.templates import names_in

BATCH = 32
METHODS = ("similarity", "cloze", "likelihood")
TEMPLATES = {
    "similarity": "This text expresses {label}.",
    "cloze": "{text} It was {label}.",
    "likelihood": "{text}\nIt was {label}",
}


@dataclass(frozen=True)
class Question:
    """How a label is asked for.

    Attributes:
        template: with {label}; but for `similarity` also {text} and, of a pair, {pair}.
        words: what each class is called in it, in the order of the classes.
        max_length: of a whole prompt, in word pieces; the texts are truncated to fit.
    """

    template: str
    words: tuple[str, ...]
    max_length: int = 256


class Asker:
    """A pretrained model, and the way in which it is asked.

    Args:
        model: as for `tl.backbones.locate.locate`.
        method: one of METHODS, or None: by what the checkpoint was trained for.

    Raises:
        ValueError: if the model cannot be asked that way.
    """

    def __init__(self, model: str, method: str | None = None) -> None:
        self.tokenizer = load_tokenizer(model)
        self.method, self.network = _choose(model, method)
        self.network.eval()
        # The special tokens around a text, such as [CLS] and [SEP].
        whole, inner = self.tokenizer("a")["input_ids"], self._pieces("a")
        start = next(i for i in range(len(whole)) if whole[i : i + len(inner)] == inner)
        self.front, self.back = whole[:start], whole[start + len(inner) :]

    def ask(self, texts: list[str], pairs: list[str] | None, question: Question) -> np.ndarray:
        """A score of every class for every text, [n, c]; the largest is the answer.

        Raises:
            ValueError: if the template lacks what the method needs.
        """
        check_template(question.template, self.method, paired=pairs is not None)
        if self.method == "similarity":
            return self._similarities(texts, question)
        return self._log_probabilities(texts, pairs, question)

    @torch.no_grad()
    def _similarities(self, texts: list[str], question: Question) -> np.ndarray:
        """Cosines of mean-pooled states: of a text, and of the template with a class's words."""
        described = [question.template.format(label=words) for words in question.words]
        of_labels = self._embedded(described, question.max_length)
        rows = [
            self._embedded(some, question.max_length) @ of_labels.T
            for some in _batches(texts)
        ]  # fmt: skip
        return torch.cat(rows).numpy()

    def _embedded(self, texts: list[str], max_length: int) -> Tensor:
        """Unit vectors, [b, d]."""
        encoded = self.tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
        inputs = _padded(encoded, self.tokenizer)
        pooled = heads.mean(self.network(inputs).last_hidden_state, inputs["attention_mask"])
        return nn.functional.normalize(pooled, dim=-1)

    @torch.no_grad()
    def _log_probabilities(
        self, texts: list[str], pairs: list[str] | None, question: Question
    ) -> np.ndarray:
        """Mean log-probability of each class's word pieces where the template has them.

        The mean, not the sum, so that a name of several pieces is not at a disadvantage.
        """
        pieces = [self._pieces(" " + words) for words in question.words]
        scores = np.empty((len(texts), len(pieces)))
        rows = list(zip(texts, pairs or [""] * len(texts), strict=True))
        for start, some in enumerate(_batches(rows)):
            for c, answer in enumerate(pieces):
                prompts = [self._prompt(t, p, question, len(answer)) for t, p in some]
                found = self._scored(prompts, answer)
                scores[start * BATCH : start * BATCH + len(some), c] = found.numpy()
        return scores

    def _pieces(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _prompt(
        self, text: str, pair: str, question: Question, n_answer: int
    ) -> tuple[list[int], list[int]]:
        """Pieces before and after the place of the label; long texts are truncated."""
        before, after = question.template.split("{label}")
        kept, _ = self._fitting(text, pair, question, n_answer)
        return (
            self._pieces(before.format(**kept).rstrip()),
            self._pieces(after.format(**kept)),
        )

    def _fitting(
        self, text: str, pair: str, question: Question, n_answer: int
    ) -> tuple[dict[str, str], bool]:
        """The texts of a prompt, truncated to leave room for an answer, and whether they were."""
        template, texts = question.template.replace("{label}", ""), {"text": text, "pair": pair}
        # Two places are kept for special tokens, whatever the tokenizer has of them.
        special = 2 - len(self.front) - len(self.back)
        room = question.max_length - n_answer - special
        return fit_texts(self.tokenizer, template, texts, room)

    def truncated(self, texts: list[str], pairs: list[str] | None, question: Question) -> int:
        """Count the texts that the length limit truncates."""
        if self.method == "similarity":
            encoded = encode_texts(self.tokenizer, texts, None, question.max_length)
            return sum(one.truncated for one in encoded)
        longest = max(len(self._pieces(" " + words)) for words in question.words)
        rows = zip(texts, pairs or [""] * len(texts), strict=True)
        return sum(self._fitting(t, p, question, longest)[1] for t, p in rows)

    def _scored(self, prompts: list[tuple[list[int], list[int]]], answer: list[int]) -> Tensor:
        """Mean log-probability of an answer in each prompt, [b]."""
        rows, places = [], []
        for before, after in prompts:
            front = [*self.front, *before]
            if self.method == "cloze":
                gap = [self.tokenizer.mask_token_id] * len(answer)
                row = [*front, *gap, *after, *self.back]
                places.append(range(len(front), len(front) + len(gap)))
            else:  # what stands before a piece predicts it
                row = [*front, *answer]
                places.append(range(len(front) - 1, len(row) - 1))
            rows.append(row)
        logits = self._logits(rows)
        chosen = torch.stack([row[list(place)] for row, place in zip(logits, places, strict=True)])
        log_p = chosen.float().log_softmax(dim=-1)  # [b, pieces, v]
        ids = torch.tensor(answer).expand(len(rows), -1).unsqueeze(-1)
        return log_p.gather(-1, ids).squeeze(-1).mean(dim=1)

    def _logits(self, rows: list[list[int]]) -> Tensor:
        inputs = _padded(rows, self.tokenizer)
        output = self.network(**inputs) if self.method == "cloze" else self.network(inputs)
        return output.logits


@dataclass(frozen=True)
class Answered:
    """How well a question was answered on a split."""

    data: str
    split: str
    n_examples: int
    question: Question
    scores: Scores
    baselines: dict[str, Scores]
    notes: tuple[str, ...]


def score(
    asker: Asker, data: str, split: str | None, template: str | None, words: str | None
) -> Answered:
    """Ask for the label of every text of a split of a data set for classification.

    Args:
        asker: the model.
        data: as for `tl.data.sources.load`.
        split: see `Dataset.choose_split`.
        template: None takes that of the method.
        words: see `words_of`.
    """
    options = Classification.Options()
    dataset = sources.load(data, Classification.name, Classification.stratify(options))
    task = Classification(options, dataset, None)
    split = dataset.choose_split(split)
    question = Question(template or TEMPLATES[asker.method], words_of(words, task.labels))
    predicted = asker.ask(*task.texts(split), question).argmax(axis=1)
    scores = classification_scores(task.gold(split), predicted)
    notes = task.absent(split, task.used_labels(split))
    if n := asker.truncated(*task.texts(split), question):
        notes = [
            f"{n:,} of {len(predicted):,} {split} texts do not fit into a question of "
            f"{question.max_length} word pieces; the rest is not read",
            *notes,
        ]
    return Answered(
        dataset.name, split, len(predicted), question, scores, task.baselines(split), tuple(notes)
    )


def words_of(text: str | None, labels: list[str]) -> tuple[str, ...]:
    """What each class is called: its name, unless "CLASS=WORDS,…" says otherwise.

    Raises:
        ValueError: for a class that is not there.
    """
    words = {label: label.replace("_", " ") for label in labels}
    for part in text.split(",") if text else ():
        name, _, called = part.strip().partition("=")
        if name not in words or not called:
            raise ValueError(
                f"--words {part!r}: write CLASS=WORDS, with a class of {', '.join(labels)}"
            )
        words[name] = called
    return tuple(words.values())


def _choose(model: str, method: str | None) -> tuple[str, nn.Module]:
    """The method that fits a checkpoint, and its network."""
    config = read_config(model)
    causal = family_of(config).generator == "AutoModelForCausalLM"
    if causal and method in (None, "likelihood"):
        return "likelihood", pretrained_backbone(model, form=Form(generates=True))
    if causal or method == "likelihood" or family_of(config).generator is not None:
        raise ValueError(
            f"--method {method or 'auto'}: {model} is a model of the family {config.model_type!r}. "
            "A causal model is asked by likelihood, an encoder by similarity or cloze; others not"
        )
    if method != "similarity":
        form = Form(generates=True)
        network, unfilled = read_network(model, AutoModelForMaskedLM, form, config=config)
        if not unfilled:
            return "cloze", network
        if method == "cloze":
            raise ValueError(
                f"--method cloze: the checkpoint of {model} has no masked-language-modelling head "
                f"({unfilled[0]} is missing); take --method similarity"
            )
    return "similarity", pretrained_backbone(model)


def check_template(template: str, method: str, *, paired: bool) -> None:
    """Raise ValueError unless a template has what a method needs, and nothing else."""
    found = names_in(template, "--template")
    needed = ["label"] if method == "similarity" else ["text", "label"]
    if paired:
        if method == "similarity":
            raise ValueError(
                "similarity compares one text with a label; for pairs take a masked or causal "
                "language model, and a template with {text}, {pair} and {label}"
            )
        needed.append("pair")
    if sorted(found) != sorted(needed):
        shown = ", ".join(f"{{{name}}}" for name in needed)
        raise ValueError(f"--template {template!r}: for {method} it must have {shown}, once each")


def _batches(rows: list) -> Iterator[list]:
    return iter(bar(list(chunks(rows, BATCH)), "zero-shot"))


def _padded(rows: list[list[int]], tokenizer: PreTrainedTokenizerFast) -> dict[str, Tensor]:
    return {
        "input_ids": pad(rows, filler_id(tokenizer)),
        "attention_mask": pad([[1] * len(row) for row in rows], 0),
    }
