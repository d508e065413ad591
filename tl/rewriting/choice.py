"""From what the command line says of a rewriter to the rewriter."""

import torch

from tl.registry import unknown
from tl.rewriting import seq2seq
from tl.rewriting.base import Rewriter
from tl.rewriting.rules import RuleRewriter

MODELS = {"rules": 0, "seq2seq": 1, "back": 2}  # how many each needs
FORMS = "rules, seq2seq:MODEL, back:MODEL,MODEL"


def rewriter_of(text: str, prefix: str, device: torch.device) -> Rewriter:
    """The rewriter that is meant by `rules`, `seq2seq:MODEL` or `back:MODEL,MODEL`.

    Args:
        text: the choice.
        prefix: what stands before a text for a paraphraser.
        device: for models.

    Raises:
        ValueError: if there is no such rewriter, or a model of it cannot be loaded.
    """
    name, _, listed = text.partition(":")
    models = [model for model in listed.split(",") if model]
    if name not in MODELS:
        raise ValueError(f"--rewrites.by {text}: {unknown('rewriter', name, MODELS)}")
    if len(models) != MODELS[name]:
        raise ValueError(f"--rewrites.by {text}: {name} takes {MODELS[name]} models; write {FORMS}")
    if name == "rules":
        return RuleRewriter()
    if name == "seq2seq":
        return seq2seq.Paraphraser(models[0], prefix, device)
    return seq2seq.BackTranslator(*models, device)
