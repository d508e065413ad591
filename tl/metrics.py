"""Scores, by the libraries that the field reports them with."""

import re
import warnings

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from seqeval.metrics.v1 import precision_recall_fscore_support as entity_scores_of
from seqeval.scheme import IOB2, Entities
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

Scores = dict[str, float]
ROUGE = ("rouge1", "rouge2", "rougeL")


def classification_scores(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> Scores:
    """Accuracy, and precision, recall and F1 averaged over all classes alike (scikit-learn).

    A class that is neither present nor predicted counts as 0, as in scikit-learn.

    Args:
        labels: [n] class indices.
        predicted: [n] class indices.
        n_classes: number of classes, c.
    """
    macro = precision_recall_fscore_support(
        labels, predicted, labels=range(n_classes), average="macro", zero_division=0
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


class WordTokenizer:
    """Runs of letters and digits of any script, in lower case.

    The tokenizer that rouge-score takes by default keeps a-z and 0-9 alone, so that every Russian
    text is empty to it.
    """

    def tokenize(self, text: str) -> list[str]:
        return re.findall(r"[^\W_]+", text.lower())


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
