"""PEFT as an oracle: the same weights give the same states, and files go both ways."""

import json

import pytest
import torch
from running import refused_by, trained
from safetensors.torch import load_file, save_file
from tiny import save_model, save_tagged, tiny_backbone, tiny_network
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

import eval
from tl import trained as loading
from tl.checkpoint.__main__ import main
from tl.exchange.peft import original_paths
from tl.registry import FAMILIES, STRATEGIES, options_of, resolve
from tl.runs import Run

peft = pytest.importorskip("peft")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

IDS = torch.randint(4, 40, (2, 6), generator=torch.Generator().manual_seed(0))
INPUTS = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
LORA = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
}
PLAIN = ["bert", "roberta", "deberta-v2", "llama", "qwen2", "mistral", "mt5", "t5", "bart"]


def stirred(module):
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def states(network, inputs):
    """The last states of a network of transformers, whose decoder reads the same text."""
    if network.config.is_encoder_decoder:
        inputs = inputs | {
            "decoder_input_ids": inputs["input_ids"],
            "decoder_attention_mask": inputs["attention_mask"],
        }
    with torch.no_grad():
        return network(**inputs).last_hidden_state


def our_states(strategy, family, options):
    """Our adapted backbone, its weights far from their start, and its projections' paths."""
    backbone = tiny_backbone(family)
    made = resolve(STRATEGIES, strategy, "strategy")(
        options_of(STRATEGIES, strategy, "strategy")(**options)
    )
    torch.manual_seed(0)
    made.check(backbone)
    made.attach(backbone)
    stirred(backbone).eval()
    stirred(made)
    paths = original_paths(backbone, resolve(FAMILIES, family, "family"))
    with torch.no_grad():
        found = backbone(made.before(backbone.complete(INPUTS))).last_hidden_state
    return found, {path: p.slot.module for path, p in paths.items()}, made


@pytest.mark.parametrize("kind", LORA)
@pytest.mark.parametrize("family", PLAIN)
def test_lora_equals_pefts(family, kind):
    options = {"r": 2, "alpha": 6.0, "targets": ("all",)}
    options |= {name.removeprefix("use_"): value for name, value in LORA[kind].items()}
    found, modules, _ = our_states("lora", family, options)
    config = peft.LoraConfig(r=2, lora_alpha=6, target_modules=list(modules), **LORA[kind])
    theirs = peft.get_peft_model(tiny_network(family), config).eval()
    with torch.no_grad():
        for path, layer in modules.items():
            other = theirs.base_model.model.get_submodule(path)
            other.lora_A["default"].weight.copy_(layer.A)
            other.lora_B["default"].weight.copy_(layer.B)
            if kind == "dora":
                other.lora_magnitude_vector["default"].weight.copy_(layer.magnitude)
    expected = states(theirs.base_model.model, INPUTS)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", PLAIN)
def test_ia3_equals_pefts(family):
    found, modules, _ = our_states("ia3", family, {})
    scaled = {path: m for path, m in modules.items() if hasattr(m, "scale")}
    inner = [path for path, module in scaled.items() if not module.of_output]
    config = peft.IA3Config(target_modules=list(scaled), feedforward_modules=inner)
    theirs = peft.get_peft_model(tiny_network(family), config).eval()
    with torch.no_grad():
        for path, layer in scaled.items():
            vector = theirs.base_model.model.get_submodule(path).ia3_l["default"]
            vector.copy_(layer.scale.view_as(vector))
    expected = states(theirs.base_model.model, INPUTS)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2", "gpt2", "llama"])
def test_a_prompt_equals_pefts(family):
    found, _, strategy = our_states("prompt", family, {"length": 3, "init": "random"})
    config = peft.PromptTuningConfig(num_virtual_tokens=3, task_type="FEATURE_EXTRACTION")
    theirs = peft.get_peft_model(tiny_network(family), config).eval()
    with torch.no_grad():
        theirs.prompt_encoder["default"].embedding.weight.copy_(strategy.prompt)
        expected = theirs(**INPUTS).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return save_tagged(tmp_path_factory.mktemp("data"))


def tagged_run(data, folder, family, *words):
    """A short run of `ner` in single precision; returns it and the directory of its model."""
    model = save_model(folder / "model", family)
    common = ["--data", str(data), "--model", str(model), "--epochs", "1", "--batch-size", "8"]
    common += ["--precision", "fp32", "--device", "cpu", "--lr", "1e-1", "--task.max-length", "40"]
    return trained(["--task", "ner", *common, *words], folder / "runs"), model


WORDS = {
    "lora": ["--strategy", "lora", "--strategy.r", "2", "--strategy.targets", "query,ffn_out"],
    "rslora upper": [
        *("--strategy", "lora", "--strategy.r", "2", "--strategy.rslora"),
        *("--strategy.layers", "1"),
    ],
    "dora": ["--strategy", "lora", "--strategy.r", "2", "--strategy.dora"],
    "ia3": ["--strategy", "ia3"],
    "prompt": ["--strategy", "prompt", "--strategy.length", "3"],
}


def our_logits(run, text):
    """What eval.py's model says of a text, [t, c], special tokens included."""
    setup = loading.load(run, device="cpu", precision="fp32")
    example = setup.task.encode_text(text, "0")
    batch = setup.task.collate([example])
    with torch.no_grad():
        return setup.model.eval()(batch)[0], batch.inputs


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "llama"])
@pytest.mark.parametrize("kind", WORDS)
def test_peft_loads_what_we_export_and_we_import_it_again(data, tmp_path, kind, family):
    run, model = tagged_run(data, tmp_path, family, *WORDS[kind])
    out = tmp_path / "out"
    assert main(["export", str(run.path), "--to", "peft", str(out)]) == 0
    base = AutoModelForTokenClassification.from_pretrained(model, num_labels=5)
    theirs = peft.PeftModel.from_pretrained(base, out).eval()
    expected, inputs = our_logits(run, "anna saw oslo again")
    with torch.no_grad():
        found = theirs(**inputs).logits[0][-len(expected) :]  # behind the virtual tokens
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    again = tmp_path / "again"
    words = ["--task", "ner", "--data", str(data)]
    assert main(["import", str(out), str(again), *words]) == 0
    imported = type(run)(again)
    assert load_file(imported.learned).keys() == load_file(run.learned).keys()
    for name, tensor in load_file(run.learned).items():
        assert torch.equal(load_file(imported.learned)[name], tensor)
    assert eval.main([str(again)]) == 0


def test_what_peft_itself_wrote_is_read(data, tmp_path, capsys):
    """Short names of targets, another prefix, and the head as PEFT saves it."""
    model = save_model(tmp_path / "model")
    torch.manual_seed(3)
    base = AutoModelForTokenClassification.from_pretrained(model, num_labels=5)
    config = peft.LoraConfig(
        r=3, lora_alpha=5, target_modules=["query", "value"], task_type="TOKEN_CLS"
    )
    theirs = stirred(peft.get_peft_model(base, config)).eval()
    theirs.save_pretrained(tmp_path / "adapter")
    words = ["--task", "ner", "--data", str(data)]
    assert main(["import", str(tmp_path / "adapter"), str(tmp_path / "run"), *words]) == 0
    run = Run(tmp_path / "run")
    saved = json.loads(run.config.read_text())
    assert saved["strategy"] == "lora"
    assert saved["strategy_options"]["r"] == 3
    assert saved["strategy_options"]["alpha"] == 5
    found, inputs = our_logits(run, "anna saw oslo")
    with torch.no_grad():
        expected = theirs(**inputs).logits[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


CANNOT = {
    "adapters": (["--strategy", "adapter"], "bert", "PEFT has no form for the strategy 'adapter'"),
    "a prefix": (["--strategy", "prefix"], "bert", "PEFT has no form for the strategy 'prefix'"),
    "parts of a layer": (["--strategy", "lora"], "gpt2", "query, key and value are one layer"),
}


@pytest.mark.parametrize("what", CANNOT)
def test_what_peft_cannot_carry_is_refused(data, tmp_path, what, capsys):
    words, family, reason = CANNOT[what]
    run, _ = tagged_run(data, tmp_path, family, *words)
    refused_by(
        main, ["export", str(run.path), "--to", "peft", str(tmp_path / "out")], capsys, reason
    )
    assert not list(tmp_path.glob("*out*"))


def test_gpt2_projections_that_are_layers_of_their_own_are_carried(data, tmp_path):
    words = ["--strategy", "lora", "--strategy.targets", "ffn_in,attention_out"]
    run, model = tagged_run(data, tmp_path, "gpt2", *words)
    out = tmp_path / "out"
    assert main(["export", str(run.path), "--to", "peft", str(out)]) == 0
    base = AutoModelForTokenClassification.from_pretrained(model, num_labels=5)
    theirs = peft.PeftModel.from_pretrained(base, out).eval()
    expected, inputs = our_logits(run, "anna saw oslo again")
    with torch.no_grad():
        torch.testing.assert_close(theirs(**inputs).logits[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_a_classifier_of_texts_goes_out_with_its_head(sentiment_folder, tmp_path, kind):
    """BERT's pooler among it: the class has one, and ours is not the pretrained one."""
    model = save_model(tmp_path / "model")
    words = ["--task", "classification", "--data", str(sentiment_folder), "--model", str(model)]
    words += ["--epochs", "1", "--precision", "fp32", "--lr", "1e-1", "--task.pool", "cls"]
    run = trained([*words, "--task.max-length", "40", "--strategy", kind], tmp_path / "runs")
    out = tmp_path / "out"
    assert main(["export", str(run.path), "--to", "peft", str(out)]) == 0
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    theirs = peft.PeftModel.from_pretrained(base, out).eval()
    expected, inputs = our_logits(run, "day good the a")
    with torch.no_grad():
        torch.testing.assert_close(theirs(**inputs).logits[0], expected, rtol=1e-5, atol=1e-5)


def adapter_folder(tmp_path, **changes):
    """What PEFT writes of a LoRA on a tiny BERT, with a change of its configuration."""
    model = save_model(tmp_path / "model")
    base = AutoModelForTokenClassification.from_pretrained(model, num_labels=5)
    config = peft.LoraConfig(r=2, target_modules=["query"], task_type="TOKEN_CLS")
    peft.get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return tmp_path / "adapter"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peft_type": "LOHA"}, "adapters of type LOHA have no form here; known: LORA, IA3"),
        ({"peft_type": ["LORA"]}, "adapters of type ['LORA'] have no form here"),
        ({"base_model_name_or_path": 5}, "gives 5 for 'base_model_name_or_path'"),
        ({"rank_pattern": {"query": 4}}, "it uses PEFT's option 'rank_pattern'"),
        ({"alora_invocation_tokens": [1]}, "it uses PEFT's option 'alora_invocation_tokens'"),
        ({"init_lora_weights": "pissa"}, "it started by init_lora_weights 'pissa'"),
        ({"r": None}, "adapter_config.json gives no number for 'r'"),
        ({"bias": "all"}, "it trains biases too"),
        ({"r": 3}, "tensors differ in name or shape"),
        ({"base_model_name_or_path": None}, "names no model; add --model"),
        ({"use_dora": True}, "lora_magnitude_vector"),
    ],
)
def test_an_adapter_without_a_form_here_is_refused(data, tmp_path, changes, reason, capsys):
    folder = adapter_folder(tmp_path, **changes)
    words = ["import", str(folder), str(tmp_path / "run"), "--task", "ner", "--data", str(data)]
    refused_by(main, words, capsys, reason)
    assert not (tmp_path / "run").exists()


def test_a_configuration_that_is_no_object_is_refused(data, tmp_path, capsys):
    folder = adapter_folder(tmp_path)
    (folder / "adapter_config.json").write_text("[]")
    words = ["import", str(folder), str(tmp_path / "run"), "--task", "ner", "--data", str(data)]
    refused_by(main, words, capsys, "must hold one JSON object")


def test_classes_in_another_order_are_refused(data, tmp_path, capsys):
    """An adapter numbers its classes; the configuration of its model may name them."""
    folder = adapter_folder(tmp_path)
    path = tmp_path / "model" / "config.json"
    names = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id2label": names_of(names)}))
    words = ["import", str(folder), str(tmp_path / "run"), "--task", "ner", "--data", str(data)]
    refused_by(main, words, capsys, "in the order B-LOC, B-PER", "the data give O, B-LOC, I-LOC")
    named = names_of(["O", "B-LOC", "I-LOC", "B-PER", "I-PER"])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id2label": named}))
    assert main(words) == 0
    assert "in this order: O, B-LOC, I-LOC, B-PER, I-PER" in capsys.readouterr().out


def names_of(classes):
    return {str(i): name for i, name in enumerate(classes)}


def test_a_run_from_random_weights_is_no_adapter(data, tmp_path, capsys):
    run, _ = tagged_run(data, tmp_path, "bert", "--strategy", "lora", "--init", "random")
    words = ["export", str(run.path), "--to", "peft", str(tmp_path / "out")]
    refused_by(main, words, capsys, "started from random weights", "--to transformers")


def test_a_classifier_with_a_pretrained_pooler_cannot_be_read(sentiment_folder, tmp_path, capsys):
    model = save_model(tmp_path / "model")
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    config = peft.LoraConfig(r=2, target_modules=["query"], task_type="SEQ_CLS")
    peft.get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    words = ["import", str(tmp_path / "adapter"), str(tmp_path / "run"), "--model", str(model)]
    words += ["--task", "classification", "--data", str(sentiment_folder)]
    refused_by(main, words, capsys, "takes a run with --task.pool cls")
    words += ["--task.pool", "cls"]
    refused_by(main, words, capsys, "has a pretrained layer in its head")


def test_a_torn_adapter_is_refused(data, tmp_path, capsys):
    folder = adapter_folder(tmp_path)
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    words = ["import", str(folder), str(tmp_path / "run"), "--task", "ner", "--data", str(data)]
    refused_by(main, words, capsys, "cannot be read as an adapter of PEFT")


def test_an_adapter_that_holds_no_numbers_is_refused(data, tmp_path, capsys):
    folder = adapter_folder(tmp_path)
    weights = load_file(folder / "adapter_model.safetensors")
    name = next(iter(weights))
    save_file(weights | {name: weights[name] * float("nan")}, folder / "adapter_model.safetensors")
    words = ["import", str(folder), str(tmp_path / "run"), "--task", "ner", "--data", str(data)]
    refused_by(main, words, capsys, name, "not finite")


def test_an_adapter_without_a_head_is_refused(data, tmp_path, capsys):
    folder = adapter_folder(tmp_path)
    weights = load_file(folder / "adapter_model.safetensors")
    less = {name: tensor for name, tensor in weights.items() if "classifier" not in name}
    save_file(less, folder / "adapter_model.safetensors")
    words = ["import", str(folder), str(tmp_path / "run"), "--task", "ner", "--data", str(data)]
    refused_by(main, words, capsys, "the first is classifier.bias")
