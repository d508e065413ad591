"""Scores, by the libraries that the field reports them with."""

import functools
import re
import unicodedata
import warnings

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from seqeval.metrics.v1 import precision_recall_fscore_support as entity_scores_of
from seqeval.scheme import IOB2, Entities
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

Scores = dict[str, float]
ROUGE = ("rouge1", "rouge2", "rougeL")
NO_CLASS = -1  # what is predicted where an answer names no class
# Scripts that put no spaces between words, as the names of their characters begin.
UNSPACED = {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "THAI", "LAO",
            "KHMER", "MYANMAR"}  # fmt: skip
# Unseen inside words: the soft hyphen, and what keeps letters apart or joins them.
JOINERS = {ord(sign): None for sign in "\u00ad\u200c\u200d"}


def classification_scores(labels: np.ndarray, predicted: np.ndarray) -> Scores:
    """Accuracy, and macro-averaged precision, recall and F1, as scikit-learn defines them.

    A macro average is the mean over the classes that occur in `labels` or in `predicted`; what is
    undefined counts as 0. NO_CLASS is wrong wherever it is predicted, but no class of its own.

    Args:
        labels: [n] class indices.
        predicted: [n] class indices, or NO_CLASS.
    """
    classes = np.setdiff1d(np.union1d(labels, predicted), [NO_CLASS])
    macro = precision_recall_fscore_support(
        labels, predicted, labels=classes, average="macro", zero_division=0
    )
    scores = {"accuracy": float(accuracy_score(labels, predicted))}
    return scores | {
        f"{name}_macro": float(value)
        for name, value in zip(("precision", "recall", "f1"), macro, strict=False)
    }


def entity_scores(tags: list[list[str]], predicted: list[list[str]]) -> Scores:
    """Precision, recall and F1 over entities: a hit has the same words and the same type.

    seqeval, strict IOB2: a span that does not begin with B- is no entity. Keys: `precision`,
    `recall`, `f1` over all entities, and `PER/f1`, `PER/support`, ... for each type.

    Args:
        tags: gold IOB2 tags, a list per sentence.
        predicted: as many predicted tags.
    """
    # As in seqeval, a type counts if gold or predicted tags hold a valid entity of it.
    types = sorted(Entities(tags, IOB2).unique_tags | Entities(predicted, IOB2).unique_tags)
    if not types:  # seqeval has no answer where nobody named an entity
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a type without a prediction is scored 0, as documented
        micro = entity_scores_of(tags, predicted, average="micro", scheme=IOB2, zero_division=0)
        each = entity_scores_of(tags, predicted, average=None, scheme=IOB2, zero_division=0)
    scores = dict(zip(("precision", "recall", "f1"), map(float, micro[:3]), strict=True))
    for name, *values in zip(types, *each, strict=True):
        keys = [f"{name}/{key}" for key in ("precision", "recall", "f1", "support")]
        scores |= dict(zip(keys, map(float, values), strict=True))
    return scores


@functools.cache
def sign_of(character: str) -> str:
    """Tell by one letter what a character is to words.

    `s` white space; `m` a combining mark or a joiner, which belongs to the letter before it; `u` a
    letter of a script without spaces between words; `l` another letter, or a digit; `o` any other.
    """
    if character.isspace():
        return "s"
    if unicodedata.category(character).startswith("M") or ord(character) in JOINERS:
        return "m"
    if not character.isalnum():
        return "o"
    name = unicodedata.name(character, "").replace("-", " ")
    begins = {name.partition(" ")[0], " ".join(name.split()[:2])}
    return "u" if character.isalpha() and begins & UNSPACED else "l"


def signs_of(text: str) -> str:
    """`sign_of` each character of a text: what regular expressions about words are matched with."""
    return "".join(map(sign_of, text))


class WordTokenizer:
    """Runs of letters and digits of any script, in lower case and Unicode's composed form (NFC).

    Marks belong to their letters, so that a word of Hindi is one word. A letter of Chinese,
    Japanese, Thai, Lao, Khmer or Burmese is a word: those scripts put no spaces between words
    (Korean does). The tokenizer that rouge-score takes by default keeps a-z and 0-9 alone, so that
    every Russian text is empty to it.
    """

    def tokenize(self, text: str) -> list[str]:
        text = unicodedata.normalize("NFC", text.translate(JOINERS)).lower()
        return [text[slice(*match.span())] for match in re.finditer("um*|l[lm]*", signs_of(text))]


def words_of(text: str) -> list[str]:
    """The words that ROUGE counts."""
    return WordTokenizer().tokenize(text)


def rouge_scores(references: list[str], summaries: list[str]) -> Scores:
    """ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004): F1, the mean over texts, without stemming.

    Args:
        references: the true summaries.
        summaries: as many others.
    """
    scorer = RougeScorer(ROUGE, tokenizer=WordTokenizer())
    each = [scorer.score(ref, made) for ref, made in zip(references, summaries, strict=True)]
    return {name: float(np.mean([score[name].fmeasure for score in each])) for name in ROUGE}
