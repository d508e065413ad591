"""A trained run as a plain model of transformers, which `pipeline` loads."""

import copy
import re
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn

from tl import heads
from tl.backbones.family import Family, PlainHead, Weights
from tl.backbones.locate import read_config
from tl.backbones.tokenizer import class_to_load, save_tokenizer
from tl.build import Setup
from tl.data.encode import filler_id
from tl.registry import FAMILIES, resolve

CLOSE = 1e-5  # the largest difference to our own logits, over the largest of them or over 1


def family_of(setup: Setup) -> Family:
    """The family of a run's model.

    Raises:
        ValueError: if transformers has no class that labels with it.
    """
    if setup.task.name not in setup.model.heads:
        raise ValueError(
            f"an export carries one head that labels; --task {setup.config.task} has none, or "
            "several. Its run directory is used with eval.py"
        )
    family = resolve(FAMILIES, read_config(setup.config.model).model_type, "model family")
    if family.model != "AutoModel":
        raise ValueError("transformers has no class that labels with an encoder-decoder of two")
    return family


def only_head(setup: Setup) -> PlainHead:
    """The head of the run's task, layer by layer.

    Raises:
        ValueError: if it is more than one hidden layer and an output.
    """
    head: heads.Head = setup.model.heads[setup.task.name]
    if head.contextualize is not None:
        raise ValueError("no class of transformers has a transformer layer in its head")
    *dense, out = [layer for layer in head.project if isinstance(layer, nn.Linear)]
    return PlainHead(head.pool, out, *dense)


def labels_tokens(setup: Setup) -> bool:
    return only_head(setup).pool == "each"


def head_weights(setup: Setup, family: Family) -> tuple[Weights, dict[str, object]]:
    """The head in the form of the class that labels texts or tokens, and options for its config.

    Raises:
        ValueError: if that class cannot compute what the head computes.
    """
    head = only_head(setup)
    if head.pool != "each":
        weights, options = family.text_head(head)
        return {n: w.detach() for n, w in weights.items() if w is not None}, options
    if family.token_head is None:
        raise ValueError("transformers has no class that labels tokens with this family's decoder")
    if head.dense is not None:
        raise ValueError("the class that labels tokens has no hidden layer in its head")
    weights = {"weight": head.out.weight, "bias": head.out.bias}
    return {f"{family.token_head}.{name}": w.detach() for name, w in weights.items()}, {}


def class_of(setup: Setup) -> type:
    """The class of transformers that labels what the run labels."""
    kind = "Token" if labels_tokens(setup) else "Sequence"
    return getattr(transformers, f"AutoModelFor{kind}Classification")


def labelling_network(setup: Setup, options: dict[str, object]) -> nn.Module:
    """A new network, with random weights, of the class that `pipeline` takes for the task."""
    config = copy.deepcopy(read_config(setup.config.model))
    config.id2label = dict(enumerate(setup.task.labels))
    config.label2id = {label: i for i, label in enumerate(setup.task.labels)}
    for name, value in options.items():
        setattr(config, name, value)
    if config.pad_token_id is None:
        config.pad_token_id = filler_id(setup.task.tokenizer)
    return class_of(setup).from_config(config)


def loading(setup: Setup, folder: Path) -> str:
    """The Python that loads what `export` wrote; a text that is too long is truncated."""
    kind, options = ("token", "") if labels_tokens(setup) else ("text", ", truncation=True")
    reads = class_to_load(setup.task.tokenizer, folder)
    imported = "pipeline"
    if reads != "AutoTokenizer":
        imported = f"{reads}, pipeline"
        options = f", tokenizer={reads}.from_pretrained({str(folder)!r}){options}"
    return (
        f"from transformers import {imported}\n"
        f'label = pipeline("{kind}-classification", {str(folder)!r}{options})'
    )


def check(setup: Setup) -> tuple[Family, Weights, dict[str, object]]:
    """The family, the head's weights and options of an export; weights need not be there yet.

    Raises:
        ValueError: if plain weights, or the class of transformers, cannot carry the run.
    """
    family = family_of(setup)
    weights, options = head_weights(setup, family)
    setup.model.adaptor.check_merge()
    return family, weights, options


def export(setup: Setup, folder: Path) -> None:
    """Write model and tokenizer as `save_pretrained` does; what was learned is merged in.

    Raises:
        ValueError: if plain weights, or the class of transformers, cannot carry the run.
    """
    family, weights, options = check(setup)
    setup.model.adaptor.merge(setup.model.backbone)
    network = labelling_network(setup, options)
    base = {name: w.float() for name, w in setup.model.backbone.model.state_dict().items()}
    prefix = network.base_model_prefix
    filled = {f"{prefix}.{name}": w for name, w in family.restore(base).items()} | weights
    answer = network.load_state_dict(filled, strict=False)
    assert not answer.missing_keys, answer.missing_keys
    assert not answer.unexpected_keys, answer.unexpected_keys
    check_equal(setup, network.eval())
    network.save_pretrained(folder)
    save_tokenizer(setup.task.tokenizer, folder, setup.config.task_options.max_length)


@torch.no_grad()
def check_equal(setup: Setup, network: nn.Module) -> None:
    """Raise ValueError unless a network gives our own logits, on a few words of its vocabulary."""
    by_id = sorted(setup.task.tokenizer.get_vocab().items(), key=lambda item: item[1])
    words = [word for word, _ in by_id if re.fullmatch(r"\w{2,}", word)][:12]
    texts = [" ".join(words), " ".join(words[:3])]
    examples = [setup.task.encode_text(text, str(i)) for i, text in enumerate(texts)]
    batch = setup.task.collate(examples)
    ours = setup.model.eval()(batch)
    theirs = network(**batch.inputs).logits
    real = batch.inputs["attention_mask"].bool() if labels_tokens(setup) else slice(None)
    require_close(ours[real], theirs[real])


def require_close(ours: Tensor, theirs: Tensor) -> None:
    """Raise ValueError unless the logits of an exported model are our own."""
    difference = (ours - theirs).abs().max().item()
    allowed = CLOSE * max(1.0, ours.abs().max().item())
    if not difference <= allowed:
        raise ValueError(
            f"the exported model's logits differ from ours by {difference:.1e}, more than "
            f"{allowed:.1e}"
        )
