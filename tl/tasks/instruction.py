"""Tasks in text form: a causal model reads a prompt and learns to write the answer behind it."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedTokenizerFast

from tl.backbones.base import Backbone
from tl.data import sources
from tl.data.batch import Batch, Example, pad, pad_inputs
from tl.data.encode import filler_id, fit_texts
from tl.data.records import Dataset, Record
from tl.losses import IGNORED
from tl.metrics import NO_CLASS, Scores, classification_scores, entity_scores
from tl.options import option
from tl.registry import TASKS, resolve
from tl.tasks.base import Answers
from tl.tasks.generating import Generating
from tl.templates import names_in

TEMPLATES = {
    "classification": "{text}\nLabel:",
    "pair": "{text}\n{pair}\nLabel:",
    "ner": "{text}\nNames:",
}
NOTHING = "none"  # the answer where there is no name
FIELD, ENTRY = ": ", "; "  # "PER: Brenda Khan; LOC: Osaka"
# How a written answer and the name of a class are compared: as they are, then whatever their case.
FORMS: tuple[Callable[[str], str], ...] = (
    str.strip,
    lambda name: unicodedata.normalize("NFC", name).strip().casefold(),
)


@dataclass(frozen=True)
class Options:
    """A task that labels, as text."""

    of: Literal["classification", "ner"] = option("classification", "the task that is put in words")
    template: str = option(
        "", "what is asked, with {text} and, of pairs, {pair} (default: '{text}', a line end, and "
        "'Label:' or 'Names:')",
    )  # fmt: skip
    max_length: int = option(
        192, "longest prompt with its answer in word pieces; of the text, or of the longer of two, "
        "the rest is cut", interval="[16, inf)",
    )  # fmt: skip
    max_answer: int = option(
        32, "longest answer in word pieces, learned or generated", interval="[2, inf)"
    )


@dataclass(frozen=True)
class Target:
    """What is behind a prompt: where it begins among the ids, its text, and the record's words."""

    start: int
    answer: str
    words: tuple[str, ...] = ()


class Instruction(Generating):
    """The loss is on the answer alone; scores are of what the model writes by itself.

    An answer is a class's name, or names with their types: "PER: Brenda Khan; LOC: Osaka". One that
    is no class's name is wrong (see `class_of`); a name that the text does not have is left out.
    """

    name = "instruction"
    metric = "f1_macro"
    limits: ClassVar = {
        "max_length": ("prompts", "of their texts is not read"),
        "max_answer": ("answers", "is neither learned nor written, but scored"),
    }
    Options = Options

    def __init__(
        self,
        options: Options,
        dataset: Dataset,
        tokenizer: PreTrainedTokenizerFast | None,
        labels: list[str] | None = None,
    ) -> None:
        task = resolve(TASKS, options.of, "task")
        self.inner = task(task.Options(), dataset, tokenizer, labels)
        self.metric = task.metric
        super().__init__(options, dataset, tokenizer, labels)

    @classmethod
    def load(cls, options: Options, data: str, encoding: str) -> Dataset:
        task = resolve(TASKS, options.of, "task")
        return sources.load(data, task.name, task.stratify(task.Options()), encoding)

    @classmethod
    def stratify(cls, options: Options) -> tuple[str, ...]:
        task = resolve(TASKS, options.of, "task")
        return task.stratify(task.Options())

    def check(self) -> None:
        """Raise ValueError unless a prompt has a place and room for texts; `inner` checked them."""
        self.label_column = self.inner.label_column
        check_template(self.options.template, paired=self.paired)
        template = self.template_of_prompt()
        longest, answer = self.options.max_length, self.options.max_answer
        taken, n_template = f"the longest answer takes {answer} (--task.max-answer)", 0
        if self.tokenizer is not None:  # a dry run has none, and counts no word pieces
            n_template = len(self.tokenizer(template.format(text="", pair=""))["input_ids"])
            taken += f", the template {n_template}"
        if n_template + answer >= longest:
            raise ValueError(
                f"--task.max-length {longest} leaves no room for a text: of these word pieces "
                f"{taken}. Allow more, or shorten one of them"
            )

    @property
    def paired(self) -> bool:
        return len(self.columns()) == 3  # two texts and a label

    def _template(self, pair: str) -> str:
        return self.options.template or TEMPLATES["pair" if pair else self.options.of]

    def columns(self) -> list[str]:
        return self.inner.columns()

    def find_labels(self) -> list[str]:
        """The classes; ValueError if two of them are one when written."""
        labels = self.inner.labels
        for one, other in combinations(labels, 2):
            if one.strip() == other.strip():
                raise ValueError(
                    f"data {self.dataset.name!r}: the classes {one!r} and {other!r} differ only by "
                    "spaces around them, which a written answer does not show; rename one of them"
                )
        return labels

    def used_labels(self, split: str) -> set[str]:
        return self.inner.used_labels(split)

    def prepare(self, backbone: Backbone) -> None:
        if backbone.kind != "decoder":
            raise ValueError(
                "--task instruction takes a causal model, such as GPT-2, Llama or Qwen2; this one "
                f"is an {backbone.kind}. It learns the task itself: --task {self.options.of}"
            )

    def examples(self, split: str) -> list[Example]:
        records = self.dataset.splits[split]
        prompts = self._prompts(split)
        made = []
        for i, (record, (text, pair)) in enumerate(zip(records, prompts, strict=True)):
            words = tuple(record["tokens"]) if self.options.of == "ner" else ()
            answer = self._answer(record)
            made.append(self._encode(str(record.get("id", i)), text, pair, answer, words))
        return made

    def tokenized_texts(self, split: str) -> list[str]:
        return self.inner.tokenized_texts(split)

    def class_counts(self, split: str) -> dict[str, int]:
        return self.inner.class_counts(split)

    def _prompts(self, split: str) -> list[tuple[str, str]]:
        """The text of each record and, of pairs, the second one."""
        if self.options.of == "ner":
            return [(" ".join(record["tokens"]), "") for record in self.dataset.splits[split]]
        texts, pairs = self.inner.texts(split)
        return list(zip(texts, pairs or [""] * len(texts), strict=True))

    def _answer(self, record: Record) -> str:
        if self.options.of == "ner":
            return entity_text(record["tokens"], record["ner_tags"])
        return str(record[self.inner.label_column])

    def _encode(
        self, id: str, text: str, pair: str, answer: str, words: tuple[str, ...] = ()
    ) -> Example:
        """Prompt, answer and end; the texts are truncated so that the longest answer has room."""
        template, room = self._template(pair), self.options.max_length - self.options.max_answer
        texts = {"text": text, "pair": pair}
        kept, truncated = fit_texts(self.tokenizer, template, texts, room)
        prompt = self.tokenizer(template.format(**kept))["input_ids"]
        reply, longest = self.piece_ids(" " + answer), self.options.max_answer - 1
        target = Target(len(prompt), answer, words)
        found = {"max_length": truncated, "max_answer": len(reply) > longest}
        ids = [*prompt, *reply[:longest], self.end_id]
        limits = tuple(name for name in found if found[name])
        return Example(id, {"input_ids": ids}, target, truncated=limits)

    def encode_text(self, text: str, id: str) -> Example:
        """A tab separates the two texts of a pair."""
        first, _, second = text.partition("\t")
        return self._encode(id, first, second, "", tuple(first.split()))

    def true_ids(self, example: Example) -> list[int]:
        return self.piece_ids(" " + example.target.answer)

    def notes(self, split: str, examples: list[Example]) -> list[str]:
        classes = self.options.of == "classification"
        absent = self.absent(split, self.used_labels(split)) if classes else []
        return [*super().notes(split, examples), *absent]

    def blank(self, length: int) -> Example:
        start = length - self.options.max_answer
        return Example("", {"input_ids": [0] * length}, Target(max(1, start), ""))

    def batch_labels(self, examples: list[Example], length: int) -> tuple[Tensor, int]:
        """At the position before each piece of the answer, that piece."""
        rows = []
        for example in examples:
            ids, start = example.inputs["input_ids"], example.target.start
            rows.append([IGNORED] * (start - 1) + ids[start:] + [IGNORED])
        n_targets = sum(len(example) - example.target.start for example in examples)
        return pad(rows, IGNORED), n_targets

    def answer(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Answers]:
        """The loss on the true answers, and the ids that the model writes behind the prompts."""
        loss = self.loss_sum(model(batch), batch)
        prompts = [
            replace(e, inputs={"input_ids": e.inputs["input_ids"][: e.target.start]})
            for e in batch.examples
        ]
        padded = pad_inputs(prompts, filler_id(self.tokenizer))
        inputs = {name: x.to(batch.labels.device) for name, x in padded.items()}
        written = model.generate(inputs, generation_config=self.generation())
        return loss, self.predict(written, batch)

    def template_of_prompt(self) -> str:
        return self._template("a pair" if self.paired else "")

    def generation(self) -> GenerationConfig:
        return self.search(self.options.max_answer)

    def score(self, examples: list[Example], answers: Answers) -> Scores:
        written = self.texts(answers)
        if self.options.of == "ner":
            true = [example.target.answer for example in examples]
            gold, found = (
                [entity_tags(text, e.target.words) for text, e in zip(texts, examples, strict=True)]
                for texts in (true, written)
            )
            return entity_scores(gold, found)
        index = {label: i for i, label in enumerate(self.labels)}
        gold = np.array([index[example.target.answer] for example in examples])
        readings = [unambiguous(self.labels, form) for form in FORMS]
        found = np.array([class_of(text, readings) for text in written])
        return classification_scores(gold, found)

    def baselines(self, split: str) -> dict[str, Scores]:
        return self.inner.baselines(split)

    def arrays(self, examples: list[Example], answers: Answers) -> dict[str, np.ndarray]:
        return {
            "ids": np.array([example.id for example in examples]),
            "true": np.array([example.target.answer for example in examples]),
            "written": np.array(self.texts(answers)),
        }

    def readable(self, text: str, example: Example, answer: np.ndarray) -> dict[str, object]:
        return {"answer": self.texts([answer])[0]}


def check_template(template: str, *, paired: bool) -> None:
    """Raise ValueError unless a template, if there is one, has a place for each text."""
    found = set(names_in(template, "--task.template"))
    needed = {"text", "pair"} if paired else {"text"}
    if template and not needed <= found <= {"text", "pair"}:
        raise ValueError(
            f"--task.template {template!r}: it must have {{text}} and, of pairs, {{pair}}; other "
            "braces are written twice: {{ and }}"
        )


def unambiguous(labels: list[str], form: Callable[[str], str]) -> dict[str, int]:
    """The index of each class by its name in a form that no other class shares."""
    names = [form(label) for label in labels]
    return {name: i for i, name in enumerate(names) if names.count(name) == 1}


def class_of(written: str, readings: list[dict[str, int]]) -> int:
    """The class that an answer names: in the first of FORMS in which it names one.

    So "it" is the class it beside a class IT, and the class IT where there is no other.
    """
    found = [known[form(written)] for form, known in zip(FORMS, readings, strict=True)
             if form(written) in known]  # fmt: skip
    return found[0] if found else NO_CLASS


def entity_text(words: list[str], tags: list[str]) -> str:
    """The entities of a sentence as an answer: "PER: Brenda Khan; LOC: Osaka"."""
    spans: list[tuple[str, list[str]]] = []
    for word, tag in zip(words, tags, strict=True):
        if tag.startswith("B-"):
            spans.append((tag[2:], [word]))
        elif tag.startswith("I-"):
            spans[-1][1].append(word)
    return ENTRY.join(f"{kind}{FIELD}{' '.join(span)}" for kind, span in spans) or NOTHING


def entity_tags(answer: str, words: tuple[str, ...]) -> list[str]:
    """IOB2 tags of the words that an answer names: of equal names, the first that is still free."""
    tags = ["O"] * len(words)
    for entry in answer.split(ENTRY):
        kind, field, name = entry.partition(FIELD)
        span = name.split()
        if not (field and span and kind.strip()):
            continue
        n = len(span)
        for start in range(len(words) - n + 1):
            free = all(tag == "O" for tag in tags[start : start + n])
            if free and list(words[start : start + n]) == span:
                tags[start : start + n] = [f"B-{kind.strip()}", *[f"I-{kind.strip()}"] * (n - 1)]
                break
    return tags
