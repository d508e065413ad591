"""What one process learned, another one says: with another seed, and every head with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from adapted import REFUSED, VARIANTS, adapted, examples, logits_of
from tiny import CONFIGS, tiny_backbone

from tl.checkpoint import fingerprint, load_learned, save_learned

LENGTHS = [5, 2, 7]
TASKS = ("classification", "ner")
PAIRS = [(v, f) for v in VARIANTS for f in CONFIGS if (v, f) not in REFUSED]


def sayings(model, task):
    return torch.cat([x.flatten() for x in logits_of(model, task, examples(task, LENGTHS))])


def write(folder):
    """Save what every adapted model learned, and what it says."""
    said = {}
    for i, (variant, family) in enumerate(PAIRS):
        model, task = adapted(variant, family, TASKS[i % 2], seed=1)
        torch.manual_seed(i)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.3 * torch.randn_like(parameter))
        metadata = {"labels": task.labels, "backbone": fingerprint(tiny_backbone(family))}
        save_learned(folder / f"{i}.safetensors", model.learned(), metadata)
        said[str(i)] = torch.cat(
            [x.flatten() for x in logits_of(model, task, examples(task, LENGTHS))]
        )
    safetensors.torch.save_file(said, folder / "said.safetensors")


def differing(folder):
    """The pairs whose saved weights say something else here."""
    said, wrong = safetensors.torch.load_file(folder / "said.safetensors"), []
    for i, (variant, family) in enumerate(PAIRS):
        model, task = adapted(variant, family, TASKS[i % 2], seed=2)
        mark = fingerprint(tiny_backbone(family))
        load_learned(folder / f"{i}.safetensors", model.learned(), mark)
        if not torch.equal(sayings(model, task), said[str(i)]):
            wrong.append((variant, family))
    return wrong


@pytest.mark.slow
def test_a_new_process_with_another_seed_says_the_same(tmp_path):
    write(tmp_path)
    here = Path(__file__).parents[1]
    answer = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{here}:{here.parent}", "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1]) == []


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(12345)
    print(json.dumps(differing(Path(sys.argv[1]))))
