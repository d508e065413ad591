"""Prompt tuning: learned embeddings before the text, which heads and labels never see."""

from dataclasses import replace

import pytest
import torch
from adapted import adapted, config_of, examples, task_of
from running import refused
from tiny import BAD, CONFIGS, tiny_backbone, tiny_tokenizer

from tl import build
from tl.strategies.prompt import Options, PromptTuning

ENCODER_DECODERS = ["t5", "mt5", "bart", "encoder-decoder"]


def started(family="bert", labels=("bad", "fair"), **options):
    """A strategy whose prompt has its first values, and the embeddings that it could take."""
    backbone = tiny_backbone(family)
    strategy = PromptTuning(Options(**({"length": 5} | options)))
    strategy.check(backbone)
    torch.manual_seed(0)
    strategy.attach(backbone)
    tokenizer = tiny_tokenizer()
    strategy.start(lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], labels)
    return strategy.prompt.detach(), backbone.embedding.weight.detach(), tokenizer


def ids_of(tokenizer, *words):
    return tokenizer.convert_tokens_to_ids(list(words))


def test_a_random_prompt_is_uniform_between_plus_and_minus_a_half():
    prompt, _, _ = started(length=2000, init="random")
    assert -0.5 <= prompt.min() < -0.49
    assert 0.49 < prompt.max() <= 0.5
    assert abs(prompt.mean()) < 0.01


def test_a_prompt_of_drawn_words_has_their_embeddings():
    prompt, embeddings, _ = started(init="vocabulary", length=30)
    for row in prompt:
        assert (embeddings == row).all(dim=1).any()
    assert len({tuple(row.tolist()) for row in prompt}) > 10


@pytest.mark.parametrize("length", [2, 3, 8])
def test_a_prompt_of_a_text_repeats_or_cuts_it(length):
    prompt, embeddings, tokenizer = started(init="text", text="the day good", length=length)
    wanted = (ids_of(tokenizer, "the", "day", "good") * 3)[:length]
    assert torch.equal(prompt, embeddings[wanted])


def test_a_prompt_of_labels_has_the_mean_of_each_names_pieces_then_drawn_words():
    labels = ("bad", "ungoodly", "fine")  # un ##good ##ly
    prompt, embeddings, tokenizer = started(init="labels", labels=labels, length=5)
    pieces = ids_of(tokenizer, "un", "##good", "##ly")
    assert torch.equal(prompt[0], embeddings[ids_of(tokenizer, "bad")[0]])
    torch.testing.assert_close(prompt[1], embeddings[pieces].mean(dim=0))
    assert torch.equal(prompt[2], embeddings[ids_of(tokenizer, "fine")[0]])
    for row in prompt[3:]:
        assert (embeddings == row).all(dim=1).any()


def test_more_labels_than_positions_are_cut():
    prompt, embeddings, tokenizer = started(init="labels", labels=BAD, length=2)
    assert torch.equal(prompt, embeddings[ids_of(tokenizer, *BAD[:2])])


def test_a_scaled_embedding_gives_a_scaled_prompt():
    """BART may multiply embeddings by √d: a prompt of words must enter as those words do."""
    config = CONFIGS["bart"]
    config.scale_embedding = True
    try:
        prompt, embeddings, tokenizer = started("bart", init="text", text="good", length=1)
    finally:
        config.scale_embedding = False
    torch.testing.assert_close(prompt[0], 4 * embeddings[ids_of(tokenizer, "good")[0]])


@pytest.mark.parametrize("family", CONFIGS)
def test_a_prompt_of_words_equals_the_words_themselves(family):
    """Put before the text as ids, or as a prompt of their embeddings: the same states."""
    backbone = tiny_backbone(family)
    strategy = PromptTuning(Options(length=2, init="text", text="the day"))
    strategy.attach(backbone)
    tokenizer = tiny_tokenizer()
    words = ids_of(tokenizer, "the", "day")
    strategy.start(lambda text: words, [])
    ids = torch.tensor([[9, 12, 20, 7]])
    inputs = backbone.complete({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    longer = torch.cat([torch.tensor([words]), ids], dim=1)
    plain = inputs | {"input_ids": longer, "attention_mask": torch.ones_like(longer)}
    with torch.no_grad():
        found = backbone(strategy.before(inputs)).last_hidden_state
        expected = backbone(plain).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", CONFIGS)
def test_heads_see_the_text_alone(family):
    """One state per token of the text, whichever side stands the prompt on (faults 7 to 9)."""
    model, task = adapted("prompt random", family, "ner")
    seen = {}
    model.heads["ner"].register_forward_pre_hook(
        lambda _, args: seen.update(hidden=args[0], mask=args[1])
    )
    batch = task.collate(examples(task, [5, 3]))
    logits = model.eval()(batch)
    assert logits.shape[:2] == batch.labels.shape == (2, 5)
    assert seen["hidden"].shape[:2] == (2, 5)
    assert torch.equal(seen["mask"], batch.inputs["attention_mask"])
    whole = model.read(batch.inputs).last_hidden_state
    n_virtual = 0 if family in ENCODER_DECODERS else 3  # there, it stands before the encoder's text
    assert whole.shape[1] == 5 + n_virtual
    assert torch.equal(seen["hidden"], whole[:, n_virtual:])


def test_a_prompt_has_p_times_e_parameters():
    model, _ = adapted("prompt random", "bert", "ner")
    own = {n: p.shape for n, p in model.named_parameters() if p.requires_grad and "heads" not in n}
    assert own == {"adaptor.prompt": (3, 16)}


def test_positions_are_counted_with_the_prompt():
    config = config_of("ner", "prompt random")
    limit = tiny_backbone("gpt2").n_positions
    task = task_of(config)
    fits, too_long = (
        replace(config, task_options=replace(config.task_options, max_length=limit - n))
        for n in (3, 2)
    )
    build.adapt(tiny_backbone("gpt2"), fits, task)
    message = f"and 3 virtual tokens, but.*--task.max-length {limit - 3}"
    with pytest.raises(ValueError, match=message):
        build.adapt(tiny_backbone("gpt2"), too_long, task)


@pytest.mark.parametrize("words", [["--strategy.init", "text"], ["--strategy.text", "some words"]])
def test_a_text_without_its_start_is_refused(words, basic, here, capsys):
    refused([*basic, "--strategy", "prompt", *words, *here], capsys, "--strategy.init text needs")


def test_a_text_without_a_word_is_refused(basic, here, capsys):
    words = ["--strategy", "prompt", "--strategy.init", "text", "--strategy.text", "\u200b"]
    refused([*basic, *words, *here], capsys, "the tokenizer finds no word in it")
