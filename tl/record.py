"""Numbers of a run, written twice by one call: as JSON lines and for TensorBoard."""

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from tl.runs import Run, remove_final


class Recorder:
    """Appends to `metrics.jsonl`, `timings.jsonl` and the event file of a run.

    `metrics.jsonl` holds what a repetition of the run gives again to the last bit; what depends on
    the machine's mood (seconds, memory) goes to `timings.jsonl`.

    Args:
        run: the run directory.
        step: the number of steps that a resumed run has taken; TensorBoard forgets later ones.
        n_bytes: the length of the two files at that step; what stands behind it is cut off.

    Raises:
        ValueError: if a file is shorter than that.
    """

    def __init__(
        self, run: Run, step: int | None = None, n_bytes: tuple[int, int] = (0, 0)
    ) -> None:
        self.paths = (run.metrics, run.timings)
        for path, length in zip(self.paths, n_bytes, strict=True):
            with path.open("ab") as file:
                if file.tell() < length:
                    raise ValueError(
                        f"{path} has {file.tell()} bytes, but had {length} when the run was saved; "
                        "put its lines back, or start the run again with --overwrite"
                    )
                file.truncate(length)
        self.run = run
        self.writer = SummaryWriter(str(run.path), purge_step=None if step is None else step + 1)

    @property
    def n_bytes(self) -> tuple[int, int]:
        """The length of the two files, for a checkpoint; so much of them is on the disk now."""
        for path in self.paths:
            with path.open("ab") as file:
                os.fsync(file.fileno())
        metrics, timings = (path.stat().st_size for path in self.paths)
        return metrics, timings

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Record numbers that belong to an optimizer step."""
        self._write(self.paths[0], step, values)

    def timings(self, step: int, values: dict[str, float]) -> None:
        """Record what the machine did until that step."""
        self._write(self.paths[1], step, values)

    def _write(self, path: Path, step: int, values: dict[str, float]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}, allow_nan=False) + "\n")
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def text(self, name: str, markdown: str) -> None:
        """A text for TensorBoard's text page."""
        self.writer.add_text(name, markdown)

    def picture(self, path: Path) -> None:
        """A PNG for TensorBoard's page of images, under the name of its file."""
        with Image.open(path) as image:
            self.writer.add_image(path.stem, np.asarray(image.convert("RGB")), dataformats="HWC")

    def hyperparameters(
        self, step: int, options: dict[str, object], scores: dict[str, float]
    ) -> None:
        """Write a row for TensorBoard's page of hyperparameters, and its scores at that step.

        They lie in a directory of their own, so that these scores alone, and no curves, are the
        metrics of that page. No run declares an experiment: TensorBoard would take one run's
        declaration for all; without any, it shows the options and metrics that some run has, those
        options first in which runs differ.
        """
        plain = {
            k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in options.items()
        }
        _, *session = hparams(plain, scores)  # without the experiment
        remove_final(self.run)  # of an end that was cut short
        with SummaryWriter(str(self.run.final)) as writer:
            for summary in session:
                writer.file_writer.add_summary(summary)
            for name, value in scores.items():
                writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()
