"""Say what a user should know of a run: before training, and of the result at its end."""

import math
import unicodedata
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from tl.config import Config
from tl.metrics import Scores
from tl.tasks.base import Task

FEW = 3  # examples of a class; of fewer it cannot be learned
SAMPLE, LONGEST = 500, 2000  # at most so many texts are counted, and characters of each
# Shares of the pieces from which on a user is warned. With MiniLM's tokenizer seven English corpora
# have .05 to .12 letters and no unknown piece, six Russian ones .91 to .92 letters. With byte-level
# tokenizers of 8,000 pieces, texts of the language that they were learned from have at most .24,
# Russian by an English one .88 or more, English by a Russian one .51 or more.
MANY_LETTERS = 0.4
MANY_UNKNOWN = 0.1


@dataclass(frozen=True)
class Pieces:
    """The word pieces into which a tokenizer cuts texts, counted."""

    per_word: float  # a word is what stands between spaces
    letters: float  # share of the pieces that hold one letter, or a part of one
    unknown: float  # share of the pieces that are the token for anything unknown


def count_pieces(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> Pieces:
    """Count the word pieces of texts.

    A piece is measured by the characters that it stands for, so that it makes no difference how a
    tokenizer writes it. Scripts whose letters are syllables or words (Chinese, Japanese, Korean)
    have pieces of one letter by right; there only a part of a letter counts.
    """
    encoding = tokenizer(
        texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    n_pieces = n_letters = n_unknown = 0
    for text, ids, spans in zip(
        texts, encoding["input_ids"], encoding["offset_mapping"], strict=True
    ):
        n_pieces += len(ids)
        n_unknown += sum(i == tokenizer.unk_token_id for i in ids)
        known = [s for i, s in zip(ids, spans, strict=True) if i != tokenizer.unk_token_id]
        for before, span in zip([None, *known], known, strict=False):
            piece = text[slice(*span)].strip()
            wide = unicodedata.east_asian_width(piece) in "WF" if len(piece) == 1 else False
            n_letters += len(piece) == 1 and piece.isalpha() and (not wide or span == before)
    n_words = sum(len(text.split()) for text in texts)
    return Pieces(
        n_pieces / max(1, n_words), n_letters / max(1, n_pieces), n_unknown / max(1, n_pieces)
    )


def tokenizer_notes(task: Task) -> list[str]:
    """Warn of texts of train that the tokenizer cuts into letters, or does not know."""
    texts = task.tokenized_texts("train")
    sample = [text[:LONGEST] for text in texts[:: max(1, math.ceil(len(texts) / SAMPLE))]]
    pieces = count_pieces(task.tokenizer, sample)
    advice = "take a --model that was pretrained on such texts, or on many languages"
    if pieces.unknown >= MANY_UNKNOWN:
        share = f"{pieces.unknown:.0%} of the word pieces of train"
        return [f"the tokenizer does not know {share}; {advice}"]
    if pieces.letters >= MANY_LETTERS and pieces.per_word >= 2:
        return [
            f"the tokenizer cuts the words of train into single letters: {pieces.per_word:.1f} "
            f"pieces a word, {pieces.letters:.0%} of them one letter; {advice}"
        ]
    return []


def class_notes(task: Task) -> list[str]:
    """Name the classes that hardly occur in train."""
    rare = {name: n for name, n in task.class_counts("train").items() if n < FEW}
    if not rare:
        return []
    shown = [f"class {name!r} has {n} example{'s' * (n != 1)}" for name, n in rare.items()][:5]
    more = f", and {len(rare) - 5} more classes as few" if len(rare) > 5 else ""
    return [f"{', '.join(shown)}{more} in train: too few to learn from"]


def result_notes(task: Task, config: Config, best: Scores, untrained: Scores) -> list[str]:
    """Say so where a run has learned nothing that its score shows.

    Args:
        task: of the run.
        config: of the run.
        best: validation scores of the best epoch.
        untrained: validation scores before training.
    """
    name = task.metric
    rivals = {"the untrained model": untrained} | task.baselines("validation")
    ahead = {who: s[name] for who, s in rivals.items() if s.get(name, -1.0) >= best[name]}
    if not ahead:
        return []
    others = " or ".join(f"{who} ({score:.4f})" for who, score in ahead.items())
    return [
        f"the best validation {name}, {best[name]:.4f}, is not above that of {others}. Try more "
        f"--epochs (now {config.epochs}), a higher --lr (now {config.lr:g}) or another --model",
        *tokenizer_notes(task),
    ]
