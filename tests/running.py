"""Running `train.py` in this process, and reading what it leaves."""

import json

import numpy as np
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from tl.runs import Run

FULL, LORA, ADAPTER = (["--strategy", name] for name in ("full", "lora", "adapter"))


def only_run(folder):
    (path,) = [config.parent for config in folder.rglob("config.json")]
    return Run(path)


def trained(words, folder):
    """Run a command line to its end."""
    assert train.main([*words, "--runs-dir", str(folder)]) == 0
    return only_run(folder)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def equal_bits(run, other):
    one, two = load_file(run.learned), load_file(other.learned)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def refused(words, capsys, *parts, code=2):
    """Run a training that must end with an error, whose message has all these parts."""
    return refused_by(train.main, words, capsys, *parts, code=code)


def refused_by(main, words, capsys, *parts, code=2):
    """Run a command line that must end with an error, whose message has all these parts."""
    capsys.readouterr()
    assert main(words) == code
    message = capsys.readouterr().err
    assert "Traceback" not in message
    for part in parts:
        assert part in message, message
    return message


def write_text(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return path


def scalars(run):
    """What TensorBoard shows: (name, step) -> value."""
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0}).Reload()
    return {
        (name, event.step): event.value
        for name in events.Tags()["scalars"]
        for event in events.Scalars(name)
    }


def recorded(*paths):
    """What the JSON lines hold, in the same form and precision."""
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return {
        (name, line["step"]): float(np.float32(value))
        for line in lines
        for name, value in line.items()
        if name != "step"
    }


def put_back_in_time(run):
    """TensorBoard reads files by the second in their names, and a test is quicker than that."""
    (events,) = run.path.glob("events.*")
    number = events.name.split(".")[3]
    events.rename(events.with_name(events.name.replace(number, f"{int(number) - 60:010d}")))
