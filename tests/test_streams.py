"""Nothing but its owner draws from a random stream: what is only measured changes no weight."""

import pytest
import torch
from running import trained
from tiny import save_model, sentiment_records, write_splits

from tl.checkpoint.state import read_state

TRAIN, HELD_OUT = sentiment_records(24), sentiment_records(16, start=24)
DATA = {  # what is held out: so many texts of validation and of test
    "much": {"validation": 8, "test": 8},
    "little": {"validation": 3},
}


def summaries(records):
    return [r | {"summary": " ".join(r["text"].split()[:2])} for r in records]


def splits_of(sizes, of=list):
    splits, start = {"train": of(TRAIN)}, 0
    for split, n in sizes.items():
        splits[split] = of(HELD_OUT[start : start + n])
        start += n
    return splits


@pytest.fixture(scope="module")
def models(model_folder, tmp_path_factory):
    writer = save_model(tmp_path_factory.mktemp("models") / "bart", "bart", generates=True)
    return {"classification": model_folder, "summarization": writer}


TASKS = {
    "classification": (list, []),
    "summarization": (summaries, ["--task.max-length", "40", "--task.max-summary", "6"]),
}


@pytest.mark.parametrize("task", TASKS)
def test_what_is_held_out_changes_no_learned_weight(task, models, tmp_path):
    """Two epochs, so that validation stands between steps; the last weights, not the best ones."""
    of, options = TASKS[task]
    learned, seen = [], set()
    for name, sizes in DATA.items():
        data = write_splits(tmp_path / name / "data", splits_of(sizes, of))
        words = [
            *("--task", task, "--data", str(data), "--model", str(models[task])),
            *("--strategy", "lora", "--strategy.dropout", "0.3", "--epochs", "2"),
            *("--batch-size", "8", "--lr", "1e-2", "--device", "cpu", "--precision", "fp32"),
        ]
        run = trained([*words, *options], tmp_path / name / "runs")
        learned.append(read_state(run.checkpoint)["learned"])
        seen.add(len(run.read_result()["scores_before"]))
    assert seen == {1, 2}
    one, other = learned
    assert all(torch.equal(one[name], other[name]) for name in one)
