"""A trained run that writes text, as a plain model of transformers, which `generate` continues."""

from pathlib import Path

import torch
from torch import nn

from tl.backbones import warm_start
from tl.backbones.locate import family_of, read_config
from tl.backbones.pretrained import becomes_a_pair, new_network
from tl.build import Setup, form_of
from tl.exchange.plain import require_close
from tl.losses import IGNORED


def loading(setup: Setup, folder: Path) -> str:
    """The Python that loads what `export` wrote."""
    causal = setup.model.backbone.kind == "decoder"
    kind = "CausalLM" if causal else "Seq2SeqLM"
    return (
        f"from transformers import AutoModelFor{kind}, AutoTokenizer\n"
        f"tokenizer = AutoTokenizer.from_pretrained({str(folder)!r})\n"
        f"model = AutoModelFor{kind}.from_pretrained({str(folder)!r})\n"
        'ids = tokenizer("a text", return_tensors="pt")\n'
        "tokenizer.batch_decode(model.generate(**ids), skip_special_tokens=True)"
    )


def export(setup: Setup, folder: Path) -> None:
    """Write model, tokenizer and the search for an answer as `save_pretrained` does.

    Raises:
        ValueError: if plain weights cannot carry the run.
    """
    setup.model.adaptor.merge(setup.model.backbone)
    config, form = read_config(setup.config.model), form_of(setup.config)
    network = new_network(config, form)
    ours = setup.model.backbone.model
    weights = {name: weight.float() for name, weight in ours.state_dict().items()}
    # What may be missing is what takes no part (a pooler): the answers are compared below.
    answer = network.load_state_dict(family_of(network.config).restore(weights), strict=False)
    assert not answer.unexpected_keys, answer.unexpected_keys
    if becomes_a_pair(config, form):
        warm_start.untie(network)
    check_equal(setup, network.eval())
    network.generation_config = setup.task.generation()
    network.save_pretrained(folder)
    setup.task.tokenizer.save_pretrained(folder)


@torch.no_grad()
def check_equal(setup: Setup, network: nn.Module) -> None:
    """Raise ValueError unless a network gives our own logits."""
    vocabulary = sorted(setup.task.tokenizer.get_vocab(), key=len)
    texts = [" ".join(vocabulary[-12:]), " ".join(vocabulary[-3:])]
    examples = [setup.task.encode_text(text, str(i)) for i, text in enumerate(texts)]
    batch = setup.task.collate(examples)
    real = batch.labels != IGNORED
    theirs = network(**batch.inputs).logits[:, -batch.labels.shape[1] :]
    require_close(setup.model.eval()(batch)[real], theirs[real])
