"""From what the command line says of a rewriter to the rewriter."""

import torch

from tl.registry import unknown
from tl.rewriting import seq2seq
from tl.rewriting.base import Rewriter
from tl.rewriting.rules import RuleRewriter

MODELS = {"rules": 0, "seq2seq": 1, "back": 2}  # how many each needs
FORMS = "rules, seq2seq:MODEL, back:MODEL,MODEL"


def rewriter_of(text: str, prefix: str | None, device: torch.device) -> Rewriter:
    """The rewriter that is meant by `rules`, `seq2seq:MODEL` or `back:MODEL,MODEL`.

    Args:
        text: the choice.
        prefix: what stands before a text for a model; of two translators both, as `THERE|BACK`.
            None: `seq2seq.ASKED` for a paraphraser, nothing for translators.
        device: for models.

    Raises:
        ValueError: if there is no such rewriter, it takes another prefix, or a model of it cannot
            be loaded.
    """
    name, _, listed = text.partition(":")
    models = [model for model in listed.split(",") if model]
    if name not in MODELS:
        raise ValueError(f"--rewrites.by {text}: {unknown('rewriter', name, MODELS)}")
    if len(models) != MODELS[name]:
        raise ValueError(f"--rewrites.by {text}: {name} takes {MODELS[name]} models; write {FORMS}")
    if name == "rules":
        if prefix is not None:
            raise ValueError("--rewrites.prefix is for models, and rules ask none; leave it out")
        return RuleRewriter()
    if name == "seq2seq":
        return seq2seq.Paraphraser(models[0], seq2seq.ASKED if prefix is None else prefix, device)
    both = ("", "") if prefix is None else tuple(prefix.split("|"))
    if len(both) != 2:
        raise ValueError(
            f"--rewrites.prefix {prefix!r}: two translators take two prefixes, as in "
            "'translate English to German: |translate German to English: '"
        )
    return seq2seq.BackTranslator(*models, both, device)
