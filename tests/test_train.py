"""`train.py` from end to end on a tiny model: what a run leaves."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from running import FULL, equal_bits, files, only_run, recorded, refused, scalars, trained
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import sentiment_records, write_jsonl

import train


def test_a_run_leaves_every_file_of_its_directory(finished):
    names = [re.sub(r"events\..*", "events", name) for name in files(finished.path)]
    assert names == [
        "checkpoint/state.pt",
        "config.json",
        "env.json",
        "events",
        "figures/curves.png",
        "figures/layers.png",
        "final/events",
        "learned.safetensors",
        "metrics.jsonl",
        "predictions/test.npz",
        "predictions/validation.npz",
        "result.json",
        "timings.jsonl",
    ]
    config = json.loads(finished.config.read_text())
    assert finished.path.parent.name == config["task"] == "classification"
    assert re.fullmatch(r"tiny-bert--full--[0-9a-f]{8}--s0", finished.path.name)


def test_the_result_has_what_tables_need(finished):
    result = finished.read_result()
    assert result["status"] == "finished"
    assert result["train_examples"] == 24
    assert 1 <= result["best_epoch"] <= 2
    assert set(result["scores"]) == set(result["scores_before"]) == {"validation", "test"}
    names = {"accuracy", "precision_macro", "recall_macro", "f1_macro", "loss"}
    assert set(result["scores"]["test"]) == names
    memory = result["peak_memory_mib"]
    parts = {"weights", "gradients", "optimizer", "activations"}
    assert set(memory) == parts | {"total", "predicted"}
    assert {part: memory["predicted"][part] for part in parts} == pytest.approx(
        {part: memory[part] for part in parts}, abs=1e-5
    )
    assert result["dead_parameters"] == []
    assert result["checkpoint_bytes"] == finished.learned.stat().st_size
    groups = result["parameter_groups"]
    assert sum(group["count"] for group in groups) == result["trainable_parameters"]
    assert {group["name"].split("/")[0] for group in groups} == {
        *("stem", "block00", "block01", "head")
    }
    head = 16 * 2 + 2
    assert sum(g["count"] for g in groups if g["name"].startswith("head")) == head


def test_the_environment_names_the_data_and_the_backbone(finished):
    environment = json.loads(finished.env.read_text())
    assert environment["data_examples"] == {"train": 24, "validation": 8, "test": 8}
    assert environment["data_fingerprint"] == finished.read_result()["data_fingerprint"]
    assert environment["precision"] == "float32"


def test_predictions_give_the_scores_again(finished):
    for split in ("validation", "test"):
        with np.load(finished.arrays("predictions", split)) as arrays:
            hits = arrays["logits"].argmax(1) == arrays["labels"]
            assert arrays["logits"].dtype == np.float32
        assert hits.mean() == finished.read_result()["scores"][split]["accuracy"]


def test_a_repeated_run_is_equal_to_the_last_bit(finished, basic, tmp_path):
    again = trained([*basic, "--strategy", "full"], tmp_path)
    assert again.path.name == finished.path.name
    assert again.learned.read_bytes() == finished.learned.read_bytes()
    assert again.metrics.read_bytes() == finished.metrics.read_bytes()
    assert again.read_result()["scores"] == finished.read_result()["scores"]


def test_a_run_is_also_a_configuration(finished, tmp_path):
    again = trained(["--config", str(finished.config)], tmp_path)
    assert again.config.read_bytes() == finished.config.read_bytes()
    assert equal_bits(again, finished)


def test_another_seed_gives_another_run(finished, basic, tmp_path):
    other = trained([*basic, "--strategy", "full", "--seed", "1"], tmp_path)
    assert other.path.name == finished.path.name.replace("--s0", "--s1")
    assert not equal_bits(other, finished)


def test_json_is_the_last_line_and_the_result(basic, here, tmp_path, capsys):
    assert train.main([*basic, *here, "--strategy", "lora", "--strategy.r", "2", "--json"]) == 0
    last = capsys.readouterr().out.strip().split("\n")[-1]
    assert json.loads(last) == only_run(tmp_path / "runs").read_result()


@pytest.mark.parametrize(
    "strategy",
    [
        ["full"],
        ["layerwise_lr"],
        ["feature_extraction", "--strategy.states", "mix"],
        ["adapter", "--strategy.size", "4", "--strategy.layers", "1"],
        ["lora", "--strategy.r", "2", "--strategy.targets", "all"],
    ],
    ids=lambda words: words[0],
)
def test_a_dry_run_counts_what_the_run_then_trains(strategy, basic, here, tmp_path, capsys):
    words = [*basic, "--strategy", *strategy, *here]
    assert train.main([*words, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "runs").exists()
    assert train.main(words) == 0
    run = only_run(tmp_path / "runs")
    result = run.read_result()
    for name in ("trainable_parameters", "total_parameters", "parameter_groups", "train_examples"):
        assert planned[name] == result[name], name
    last = json.loads(run.metrics.read_text().strip().split("\n")[-1])
    assert planned["steps"] == last["step"] == 6


def test_a_dry_run_says_what_a_run_would_say_of_data_and_strategy(basic, here, tmp_path, capsys):
    path = write_jsonl(tmp_path / "one.jsonl", sentiment_records(40))
    words = [*basic, *here, "--data", str(path), "--strategy", "bitfit", "--dry-run"]
    assert train.main(words) == 0
    notes = capsys.readouterr().err
    assert "note: validation and test cut from train" in notes
    assert "note: 32 of the biases" in notes


def test_a_dry_run_prints_a_table_and_needs_no_weights(basic, here, model_folder, capsys, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(model_folder / "config.json", bare)
    words = [*basic, *here, "--strategy", "adapter", "--model", str(bare), "--dry-run"]
    assert train.main(words) == 0
    out = capsys.readouterr().out
    assert "learning / total parameters" in out
    assert "block01" in out


def test_tensorboard_shows_the_numbers_of_the_json_lines(finished):
    shown = scalars(finished)
    assert shown == recorded(finished.metrics, finished.timings)
    names = {name for name, _ in shown}
    assert {"train/loss", "grad_norm/total", "grad_norm/block00", "lr/head"} <= names
    assert {"update_ratio/block00", "drift/stem", "drift_ratio/head"} <= names
    assert {"validation/f1_macro", "validation/loss", "test/f1_macro"} <= names
    assert not any(name.startswith("test/") for name, step in shown if step > 0)


def test_tensorboard_shows_the_figures_of_the_directory(finished):
    events = EventAccumulator(str(finished.path), size_guidance={"images": 0}).Reload()
    assert set(events.Tags()["images"]) == {"curves", "layers"}
    for name in ("curves", "layers"):
        (shown,) = events.Images(name)
        one = Image.open(io.BytesIO(shown.encoded_image_string))
        other = Image.open(finished.figures / f"{name}.png").convert("RGB")
        assert np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("error", [ValueError("no room"), RuntimeError("a fault of ours")])
def test_a_figure_that_fails_loses_no_run(error, basic, here, tmp_path, monkeypatch, capsys):
    def fail(run, result):
        assert not run.result.exists()
        raise error

    monkeypatch.setattr(train, "draw", fail)
    words = [*basic, *FULL, *here]
    if isinstance(error, ValueError):
        assert train.main(words) == 0
        assert "the run is finished, but its figures were not drawn: no room" in (
            capsys.readouterr().err
        )
    else:
        with pytest.raises(RuntimeError):
            train.main(words)
    assert only_run(tmp_path / "runs").read_result()["status"] == "finished"


def test_a_run_and_a_dry_run_say_where_memory_goes(basic, here, capsys):
    words = [*basic, *FULL, *here]
    for more, head in (["--dry-run"], "predicted"), ([], "predicted  measured"):
        assert train.main([*words, *more]) == 0
        out = capsys.readouterr().out
        assert re.search(rf"memory of a step, in MiB +{head}\n", out)
        assert re.search(r"activations +\d", out)
    assert re.search(r"figures +\S+/figures\n", out)


def test_named_entities_are_learned_from_end_to_end(model_folder, tagged_folder, tmp_path):
    words = [
        *("--task", "ner", "--strategy", "full", "--data", str(tagged_folder)),
        *("--model", str(model_folder), "--epochs", "8", "--batch-size", "4", "--lr", "1e-2"),
    ]
    result = trained([*words, "--precision", "fp32"], tmp_path).read_result()
    assert result["metric"] == "f1"
    assert result["scores"]["test"]["f1"] > 0.9 > result["scores_before"]["test"]["f1"]
    assert result["scores"]["test"]["PER/support"] == 8


def test_a_form_without_weights_is_trained_from_scratch(basic, model_folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model_folder / name, bare)
    words = [*basic, "--strategy", "full", "--model", str(bare), "--init", "random"]
    assert trained(words, tmp_path / "runs").read_result()["status"] == "finished"


def test_a_part_of_train_is_trained_on(basic, tmp_path):
    run = trained([*basic, "--strategy", "full", "--train-size", "10"], tmp_path)
    assert run.read_result()["train_examples"] == 10
    assert json.loads(run.env.read_text())["data_examples"]["train"] == 10


def test_patience_ends_a_run_that_does_not_get_better(basic, tmp_path):
    words = [*basic, "--strategy", "full", "--epochs", "50", "--lr", "1e-12", "--patience", "2"]
    result = trained(words, tmp_path).read_result()
    assert (result["epochs"], result["best_epoch"]) == (3, 1)


def test_a_loss_that_is_not_finite_stops_the_run(basic, here, tmp_path, capsys):
    words = [*basic, *FULL, *here, "--lr", "1e30", "--clip", "1e30", "--warmup", "0"]
    refused(words, capsys, "the loss became nan", "--lr", "1e+30", "--precision fp32")
    assert not only_run(tmp_path / "runs").result.exists()
