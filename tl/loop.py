"""The training loop, written out: epochs, steps, evaluation, the best epoch, checkpoints."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from safetensors.torch import load_file
from torch import nn
from tqdm import tqdm

from tl import bars, optim
from tl.build import Setup
from tl.checkpoint import load_learned, save_learned
from tl.checkpoint.state import load_state, save_state
from tl.data.batch import Batch, Example, chunks
from tl.dead import Silence
from tl.device import peak_mib
from tl.evaluate import Stop, evaluate
from tl.metrics import Scores
from tl.monitor import Monitor
from tl.record import Recorder
from tl.resume import belongs_to, chance, check_belongs, restore_best, restore_chance
from tl.runs import Run
from tl.seed import generator, stream_seed
from tl.tasks.base import Answers

LOG_EVERY = 10  # optimizer steps
BAR_SECONDS = 0.5 if bars.in_terminal() else 10  # a log file wants fewer lines


@dataclass
class Progress:
    """Where a run stands; a checkpoint holds it."""

    epoch: int = 0
    step: int = 0  # of the whole run: how many were taken
    step_of_epoch: int = 0
    loss_sum: float = 0.0  # over the targets of this epoch
    n_targets: int = 0
    best_epoch: int = 0  # counted from 1; 0: none yet
    best_score: float = -math.inf
    best_loss: float = math.inf  # on validation; of two equal scores it decides
    seconds: float = 0.0  # of optimizer steps alone, without evaluation
    n_examples: int = 0
    evaluation_seconds: float = 0.0
    n_evaluated: int = 0  # examples; each as often as it was evaluated
    silent: dict[str, int] = field(default_factory=dict)  # see `tl.dead`

    @property
    def speed(self) -> float:
        """Training examples a second."""
        return self.n_examples / max(self.seconds, 1e-9)

    @property
    def evaluation_speed(self) -> float:
        """Evaluated examples a second."""
        return self.n_evaluated / max(self.evaluation_seconds, 1e-9)


class Trainer:
    """One run: it trains until the last epoch, until patience ends, or until it is told to stop.

    Args:
        setup: configuration, task and model.
        run: where to write.
        splits: encoded examples. Nothing is chosen on `test`.
        stop: asked after every step; once true, the run saves itself and raises KeyboardInterrupt.
        report: takes a line of text after every epoch.
        resume: go on from the run's checkpoint.
        save_seconds: how long training may go on without a checkpoint. It changes nothing of what
            the run computes.
    """

    def __init__(
        self,
        setup: Setup,
        run: Run,
        splits: dict[str, list[Example]],
        stop: Stop,
        report: Callable[[str], None],
        *,
        resume: bool = False,
        save_seconds: float = math.inf,
    ) -> None:
        self.setup, self.run, self.stop, self.report = setup, run, stop, report
        self.config, self.task, self.model = setup.config, setup.task, setup.model
        self.splits = splits
        self.groups = setup.groups()
        optim.check_partition(self.groups, self.model)
        self.optimizer = optim.adamw(self.groups)
        self.learns = [p for group in self.groups for p in group.params]
        self.monitor = Monitor(self.groups)
        names = {p: name for name, p in self.model.named_parameters()}
        self.silence = Silence(self.groups, names)
        self.starts = {}
        if self.config.decay_toward == "pretrained":
            self.starts = {p: p.detach().clone() for p in self.model.learning_matrices()}
        self.n_steps = self.config.epochs * len(self.steps(0))
        self.progress = Progress(silent=self.silence.start())
        self.scores_before: dict[str, Scores] = {}  # of the untrained model, by split
        if resume:
            self._restore()
        else:
            torch.manual_seed(stream_seed(self.config.seed, "dropout"))
            self.recorder = Recorder(run)
        self.save_seconds, self.saved_at = save_seconds, time.monotonic()

    def train(self) -> None:
        """Run what is left of the epochs, then put the best one's weights into the model.

        Raises:
            KeyboardInterrupt: it was told to stop; the run is saved and can be resumed.
            ValueError: the loss is not finite.
        """
        progress = self.progress
        try:
            if not self.scores_before:
                self._measure_untrained()
            while progress.epoch < self.config.epochs and not self._out_of_patience():
                self.model.adaptor.start_epoch(progress.epoch, self.model.backbone)
                self._train_epoch()
                self._end_epoch()
        except KeyboardInterrupt:
            self.save()
            raise
        load_learned(self.run.learned, self.model.learned(), self.setup.backbone_fingerprint)

    def _measure_untrained(self) -> None:
        before = {}
        for split in self.held_out:
            title = f"{split}, untrained"
            before[split], _ = self.evaluate(split, title)
        for split, scores in before.items():
            self.recorder.metrics(0, {f"{split}/{name}": v for name, v in scores.items()})
        self.scores_before = before

    def evaluate(self, split: str, title: str) -> tuple[Scores, Answers]:
        """Score a split, and add up the time that scoring takes."""
        started = time.perf_counter()
        found = evaluate(self.setup, self.splits[split], title, self.stop)
        self.progress.evaluation_seconds += time.perf_counter() - started
        self.progress.n_evaluated += len(self.splits[split])
        return found

    @property
    def held_out(self) -> list[str]:
        """The splits that are not learned from."""
        return [split for split in self.splits if split != "train"]

    def steps(self, epoch: int) -> list[list[int]]:
        """The examples of each step of an epoch: a function of data, seed and epoch alone."""
        order = generator(self.config.seed, f"data/{epoch}")
        size = self.config.batch_size * self.config.accumulate
        return self.task.steps(self.splits["train"], size, order)

    def collate(self, indices: list[int]) -> Batch:
        examples = [self.splits["train"][i] for i in indices]
        return self.task.collate(examples).to(self.setup.device)

    def _train_epoch(self) -> None:
        progress = self.progress
        steps, taken = self.steps(progress.epoch), progress.step_of_epoch
        self.model.train()
        title = f"epoch {progress.epoch + 1}/{self.config.epochs}"
        n_steps = len(steps)
        with tqdm(
            steps[taken:], desc=title, mininterval=BAR_SECONDS, initial=taken, total=n_steps,
            **bars.shape(),
        ) as bar:  # fmt: skip
            for indices in bar:
                started = time.perf_counter()
                micro_batches = map(self.collate, chunks(indices, self.config.batch_size))
                loss = self._step(list(micro_batches))
                progress.seconds += time.perf_counter() - started
                progress.step_of_epoch += 1
                progress.n_examples += len(indices)
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                if self.stop():
                    raise KeyboardInterrupt
                if time.monotonic() - self.saved_at >= self.save_seconds:
                    self.save()

    def _step(self, micro_batches: list[Batch]) -> float:
        """One optimizer step; returns the mean loss over its targets."""
        # Divide by the targets of the whole step: a mean of batch means would
        # overweight batches with few targets.
        n_targets = max(1, sum(batch.n_targets for batch in micro_batches))
        loss = 0.0
        for batch in micro_batches:
            share = self.setup.share(batch, n_targets=n_targets)
            share.backward()
            loss += share.item()
        self._check_finite("loss", loss)
        progress = self.progress
        scale = optim.lr_scale(progress.step, self.n_steps, self.config.warmup)
        progress.step += 1
        logs = progress.step == 1 or progress.step % LOG_EVERY == 0
        self.silence.listen(progress.silent)
        values = self.monitor.gradients() if logs else {}
        total = nn.utils.clip_grad_norm_(self.learns, self.config.clip).item()
        self._check_finite("gradient norm", total)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * scale
        before = self.monitor.copies() if logs else {}
        self.optimizer.step()
        optim.pull_back(self.optimizer, self.starts)
        self.optimizer.zero_grad(set_to_none=True)
        if logs:
            rates = {f"lr/{g['name']}": g["lr"] for g in self.optimizer.param_groups}
            values = {"train/loss": loss, "grad_norm/total": total} | values | rates
            values |= self.monitor.changes(before)
            if (member := micro_batches[0].task) != self.task.name:
                values[f"train/loss/{member}"] = loss
            self.recorder.metrics(progress.step, values)
        progress.loss_sum += loss * n_targets
        progress.n_targets += n_targets
        return loss

    def _check_finite(self, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        best = self.progress.best_epoch
        kept = f" The weights of the best epoch, {best}, stay in {self.run.path}." if best else ""
        raise ValueError(
            f"the {what} became {value} in epoch {self.progress.epoch + 1}. Try a lower --lr (it "
            f"is {self.config.lr:g}), a longer --warmup, or --precision fp32.{kept}"
        )

    def _end_epoch(self) -> None:
        """Evaluate, record, keep the best weights, save."""
        progress, step = self.progress, self.progress.step
        scores, _ = self.evaluate("validation", "validation")
        values = {"train/loss_of_epoch": progress.loss_sum / max(1, progress.n_targets)}
        values |= {f"validation/{name}": value for name, value in scores.items()}
        self.recorder.metrics(step, {"epoch": progress.epoch + 1, **values})
        self.recorder.timings(
            step,
            {
                "seconds/training": progress.seconds,
                "seconds/evaluation": progress.evaluation_seconds,
                "speed/examples_per_second": progress.speed,
                "speed/evaluated_per_second": progress.evaluation_speed,
                "memory/peak_mib": peak_mib(self.setup.device),
            },
        )
        progress.epoch += 1
        progress.step_of_epoch, progress.loss_sum, progress.n_targets = 0, 0.0, 0
        score, loss = scores[self.task.metric], scores["loss"]
        if (score, -loss) > (progress.best_score, -progress.best_loss):
            progress.best_score, progress.best_loss = score, loss
            progress.best_epoch = progress.epoch
            # Before the checkpoint, which cannot be lost by it: killed in between, the run goes on
            # from the checkpoint before, and that puts its own weights back (`restore_best`).
            save_learned(self.run.learned, self.model.learned(), self.setup.metadata())
        self.save()
        best = "  (best so far)" if progress.best_epoch == progress.epoch else ""
        self.report(f"epoch {progress.epoch}: validation {self.task.metric} {score:.4f}{best}")
        for note in self.silence.news(progress.silent):
            self.report(f"note: {note}")

    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.progress.epoch - self.progress.best_epoch >= patience

    def save(self) -> None:
        """Write everything that is needed to go on exactly.

        The weights of the best epoch too: a state needs no other file to be as old as itself.
        """
        best = None
        if self._stands_at_best():
            best = self.model.learned()
        elif self.progress.best_epoch:
            best = load_file(self.run.learned)
        state = {
            "progress": asdict(self.progress),
            "learned": self.model.learned(),
            "best": best,
            "optimizer": self.optimizer.state_dict(),
            **chance(self.setup.device),
            "n_bytes": list(self.recorder.n_bytes),
            "scores_before": self.scores_before,
            "belongs_to": belongs_to(self.setup),
        }
        save_state(self.run, state)
        self.saved_at = time.monotonic()

    def _stands_at_best(self) -> bool:
        """Whether the best epoch has just ended: its weights are those of the model."""
        progress = self.progress
        return progress.best_epoch == progress.epoch > 0 and progress.step_of_epoch == 0

    def _restore(self) -> None:
        counted = list(asdict(self.progress))
        state = load_state(self.run, partial(check_belongs, self.setup, counted), self.report)
        self.progress = Progress(**state["progress"])
        self.report(f"going on after step {self.progress.step} of {self.n_steps}")
        self.scores_before = state["scores_before"]
        with torch.no_grad():
            for name, tensor in self.model.learned().items():
                tensor.copy_(state["learned"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        # As the last epoch left it: what is measured at the end depends on it.
        self.model.adaptor.start_epoch(max(0, self.progress.epoch - 1), self.model.backbone)
        for note in restore_chance(state, self.setup.device):
            self.report(note)
        self.recorder = Recorder(self.run, self.progress.step, tuple(state["n_bytes"]))
        restore_best(self.run, state["best"], self.setup.metadata())
