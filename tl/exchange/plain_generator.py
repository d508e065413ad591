"""A trained run that writes text, as a plain model of transformers, which `generate` continues."""

from pathlib import Path

import torch
from torch import nn
from transformers import PretrainedConfig

from tl.backbones import warm_start
from tl.backbones.locate import family_of, read_config
from tl.backbones.pretrained import becomes_a_pair, new_network
from tl.backbones.tokenizer import class_to_load, save_tokenizer
from tl.build import Setup, form_of
from tl.exchange.plain import require_close
from tl.losses import IGNORED


def loading(setup: Setup, folder: Path) -> str:
    """The Python that loads what `export` wrote, and writes an answer to a text as eval.py does."""
    causal = setup.model.backbone.kind == "decoder"
    kind = "CausalLM" if causal else "Seq2SeqLM"
    reads = class_to_load(setup.task.tokenizer, folder)
    template = setup.task.template_of_prompt()
    options = 'return_tensors="pt", return_token_type_ids=False'
    lines = [
        f"from transformers import AutoModelFor{kind}, {reads}",
        f"tokenizer = {reads}.from_pretrained({str(folder)!r})",
        f"model = AutoModelFor{kind}.from_pretrained({str(folder)!r})",
        f"template = {template!r}",
        'text = "a text"',
    ]
    pair = '""'
    if "{pair}" in template:
        pair = "pair"
        lines.append('pair = "a second text"')
    if causal:  # a long text is cut inside the prompt, so that its end is read
        room = setup.task.options.max_length - setup.task.options.max_answer
        lines += [
            "pieces = tokenizer(text, add_special_tokens=False).input_ids",
            f'front = tokenizer(template.format(text="", pair={pair})).input_ids',
            f"room = max(1, {room} - len(front))",
            "text = text if len(pieces) <= room else tokenizer.decode(pieces[:room])",
            f"ids = tokenizer(template.format(text=text, pair={pair}), {options})",
            "written = model.generate(**ids)[:, ids.input_ids.shape[1]:]",
        ]
    else:
        lines += [
            f"ids = tokenizer(template.format(text=text), truncation=True, {options})",
            "written = model.generate(**ids)",
        ]
    return "\n".join([*lines, "tokenizer.batch_decode(written, skip_special_tokens=True)"])


def check(setup: Setup) -> None:
    """Raise ValueError if plain weights cannot carry the run; weights need not be there yet."""
    setup.model.adaptor.check_merge()


def export(setup: Setup, folder: Path) -> None:
    """Write model, tokenizer and the search for an answer as `save_pretrained` does.

    What stands around a text is in the configuration, under `task_specific_params`, and words in
    front of it, as T5 has them, under `prefix` too.

    Raises:
        ValueError: if plain weights cannot carry the run.
    """
    setup.model.adaptor.merge(setup.model.backbone)
    config, form = read_config(setup.config.model), form_of(setup.config)
    network = new_network(config, form)
    ours = setup.model.backbone.model
    own_output = tied(network) and not tied(ours)
    if own_output:
        network.get_output_embeddings().weight = nn.Parameter(
            torch.empty_like(network.get_output_embeddings().weight)
        )
    weights = {name: weight.float() for name, weight in ours.state_dict().items()}
    # What may be missing is what takes no part (a pooler): the answers are compared below.
    answer = network.load_state_dict(family_of(network.config).restore(weights), strict=False)
    assert not answer.unexpected_keys, answer.unexpected_keys
    if becomes_a_pair(config, form):
        warm_start.untie(network)
    check_equal(setup, network.eval())
    if not tied(network):
        network.config.tie_word_embeddings = False
    network.generation_config = setup.task.generation()
    describe_prompt(setup, network.config)
    network.save_pretrained(folder)
    save_tokenizer(setup.task.tokenizer, folder, setup.config.task_options.max_length)


def tied(network: nn.Module) -> bool:
    """Whether the output layer shares the matrix of the embeddings."""
    return network.get_output_embeddings().weight is network.get_input_embeddings().weight


def describe_prompt(setup: Setup, config: PretrainedConfig) -> None:
    """Write into a configuration what stands around a text, in the place where T5 has it."""
    template = setup.task.template_of_prompt()
    own = {"template": template, "max_length": setup.config.task_options.max_length}
    front, _, behind = template.partition("{text}")
    if not behind:
        config.prefix = own["prefix"] = front.format()
    config.task_specific_params = {setup.task.name: own}


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
