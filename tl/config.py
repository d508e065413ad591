"""The options of a run: one JSON file, one shortest command line, one identity.

Options of every run are flat (`--lr`); those that a strategy or a task owns carry its prefix
(`--strategy.r`, `--task.max-length`) and are declared in its own file.
"""

import hashlib
import json
import shlex
from dataclasses import MISSING, asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from tl.options import arguments_of, flag_of, option, option_fields
from tl.registry import STRATEGIES, TASKS

WHAT, HOW, WHERE = "what to train on what", "how to train", "where, and what else to do"


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes.

    `strategy_options` and `task_options` are the `Options` of the chosen strategy and task.
    """

    task: str = option(MISSING, f"one of: {', '.join(TASKS)}", group=WHAT)
    strategy: str = option(MISSING, f"one of: {', '.join(STRATEGIES)}", group=WHAT)
    model: str = option("minilm", "bundled name (minilm), local directory or Hub id", group=WHAT)
    init: Literal["pretrained", "random"] = option(
        "pretrained", "the checkpoint's weights, or random ones of the same form", group=WHAT
    )
    decoder_layers: int | None = option(
        None, "layers of the decoder that an encoder becomes, to generate (default: as many as it "
        "has)", interval="[1, inf)", group=WHAT,
    )  # fmt: skip
    data: str = option(
        "newsroom", "newsroom, newsroom-ru, a local file or directory, or a Hub id", group=WHAT
    )
    encoding: str = option("utf-8", "encoding of local data files", group=WHAT)
    train_size: int | None = option(
        None, "train on this many examples: nested, the same for every strategy",
        interval="[1, inf)", group=WHAT,
    )  # fmt: skip
    epochs: int = option(5, "passes over the training split", interval="[1, inf)", group=HOW)
    batch_size: int = option(32, "examples per batch", interval="[1, 1e6]", group=HOW)
    accumulate: int = option(
        1, "batches per optimizer step; k of b examples equal one of k·b",
        interval="[1, 1e6]", group=HOW,
    )  # fmt: skip
    lr: float | None = option(
        None, "peak learning rate (default: the strategy's own)", interval="(0, inf)", group=HOW
    )
    weight_decay: float = option(
        0.01, "AdamW's decay λ; matrices only", interval="[0, inf)", group=HOW
    )
    decay_toward: Literal["zero", "pretrained"] = option(
        "zero", "where the decay pulls the pretrained weights", group=HOW
    )
    mixout: float = option(
        0.0, "p: how probably a learning weight stands back for its pretrained value in a step",
        interval="[0, 1)", group=HOW,
    )  # fmt: skip
    mixout_form: Literal["column", "element"] = option(
        "column", "what mixout draws for: each input unit, or each weight", group=HOW
    )
    label_smoothing: float = option(
        0.0, "ε, share of each target spread over all classes", interval="[0, 1)", group=HOW
    )
    dropout: float | None = option(
        None, "p of the backbone's states and attention (default: as its checkpoint says)",
        interval="[0, 1)", group=HOW,
    )  # fmt: skip
    warmup: float = option(
        0.06, "share of the steps in which the rate rises; then it falls to 0",
        interval="[0, 1]", group=HOW,
    )  # fmt: skip
    clip: float = option(1.0, "largest norm of a step's gradient", interval="(0, inf)", group=HOW)
    patience: int | None = option(
        None, "stop after so many epochs without a better validation score, or an equal one with a "
        "lower loss", interval="[1, inf)", group=HOW,
    )  # fmt: skip
    gradient_checkpointing: bool = option(
        False, "compute activations anew in the backward pass: less memory, more time", group=HOW
    )
    precision: Literal["auto", "bf16", "fp32"] = option(
        "auto", "matrix products in bfloat16 where the processor has it", group=HOW
    )
    device: Literal["auto", "cpu", "cuda"] = option("auto", "where to compute", group=HOW)
    seed: int = option(
        0, "seed of three random streams: initial weights, order of the data, dropout",
        interval="[0, inf)", group=HOW,
    )  # fmt: skip
    strategy_options: object = None
    task_options: object = None

    @property
    def identity(self) -> str:
        """8 hex digits of all options but the seed: runs that differ by seed only share them.

        What has its default does not count, so that an option that is added later to this program
        leaves the names of all runs as they are.
        """
        return hashlib.sha256(replace(self, seed=0).command().encode()).hexdigest()[:8]

    @property
    def run_name(self) -> str:
        """`<task>/<model>--<strategy>--<identity>--s<seed>`."""
        model = Path(self.model.rstrip("/")).name or "model"
        return f"{self.task}/{model}--{self.strategy}--{self.identity}--s{self.seed}"

    def flags(self) -> dict[str, object]:
        """Every option by its flag: {"--lr": 1e-4, ..., "--strategy.r": 8, ...}."""
        flat = {flag_of(f.name): getattr(self, f.name) for f in option_fields(self)}
        for prefix in ("strategy", "task"):
            owned = getattr(self, f"{prefix}_options")
            flat |= {flag_of(f.name, prefix): getattr(owned, f.name) for f in option_fields(owned)}
        return flat

    def to_json(self) -> str:
        """Every option, defaults included, in a form that `--config` reads back."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def command(self) -> str:
        """The shortest command line that gives this configuration."""
        flat = self
        if self.lr == self.strategy_options.default_lr:
            flat = replace(self, lr=None)
        words = [
            *arguments_of(flat),
            *arguments_of(self.strategy_options, "strategy"),
            *arguments_of(self.task_options, "task"),
        ]
        return shlex.join(["python", "train.py", *words])


@dataclass(frozen=True)
class Command:
    """What to do with a configuration; none of it changes what the run computes."""

    config: str | None = option(
        None, "start from the config.json of this run; options beside it win", group=WHERE
    )
    resume: str | None = option(None, "go on with this unfinished run directory", group=WHERE)
    runs_dir: str = option("runs", "parent of the run directories", group=WHERE)
    save_minutes: float = option(
        10.0, "save not only after every epoch, but whenever so much time has passed",
        interval="[0, inf)", group=WHERE,
    )  # fmt: skip
    overwrite: bool = option(False, "replace a run directory that exists", group=WHERE)
    dry_run: bool = option(
        False, "say what would learn, and in how many steps; train nothing", group=WHERE
    )
    json: bool = option(False, "print one JSON object as the last line", group=WHERE)
