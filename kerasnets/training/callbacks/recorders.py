"""Callbacks that write a run's tables, one row per epoch."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from kerasnets.compute.memory.use import forget_peak_memory, peak_memory_bytes
from kerasnets.compute.runtime import Session
from kerasnets.runs import HISTORY_COLUMNS
from kerasnets.runs.records import EPOCH_TIMES, VALIDATION_CONFUSION
from kerasnets.training.callbacks.epoch_table import EpochTable
from kerasnets.training.callbacks.watchers import objective
from kerasnets.training.metrics import confusion_metric
from kerasnets.training.optimization.optimizer import steps_done
from kerasnets.training.optimization.schedule import LearningRate


class TableKeeper(keras.callbacks.Callback):
    """A callback that fills one `table`, which checkpoints store."""

    table: EpochTable

    def part(self) -> dict[str, float]:
        """The partial record of the current epoch, for a checkpoint inside it."""
        return {}

    def go_on_from(self, part: Mapping[str, float]) -> None:
        """Continue an interrupted epoch from the partial record of an earlier process,
        which is empty if that process did not fill the table."""

    def is_last(self, epoch: int) -> None:
        """Called after `on_epoch_end` if the epoch turns out to be the last."""


class HistoryLogger(TableKeeper):
    """history.csv: loss (cross-entropy, nats per image), accuracy (share in [0, 1]),
    both on the monitored images too (val_), the learning rate of the epoch's last step,
    and the mean of the objective that training minimizes.

    Args:
        schedule: of the learning rate; None if callbacks may set the rate.
        every_step: whether a callback may set the rate between two steps.
        objective: False for older runs without this column, whose "loss" is the
            objective.
    """

    COLUMNS = (*HISTORY_COLUMNS, "learning_rate", "objective")

    def __init__(
        self,
        folder: Path,
        schedule: LearningRate | None = None,
        *,
        every_step: bool = False,
        objective: bool = True,
    ) -> None:
        super().__init__()
        columns = self.COLUMNS if objective else self.COLUMNS[:-1]
        self.table = EpochTable(folder / "history.csv", columns, self._completed)
        self.schedule = schedule
        self.every_step = every_step

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._rate: Any = None

    # After a step, the optimizer has the next step's rate, and a later callback may set
    # another. The rate is therefore kept as a tensor here and read at the epoch's end,
    # as reading makes an accelerator wait.

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self.schedule is not None and batch + 1 == self.params["steps"]:
            self._rate = self.schedule(steps_done(self.model.optimizer))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        last = batch + 1 == self.params["steps"]
        if self.schedule is None and (last or self.every_step):
            rate = self.model.optimizer.learning_rate
            self._rate = keras.ops.copy(keras.ops.convert_to_tensor(rate))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        values = [float(logs[name]) for name in self.COLUMNS[1:-2]]
        rate = float(keras.ops.convert_to_numpy(self._last_rate()))
        row = [epoch + 1, *values, rate, objective(logs)]
        self.table.add([row[: len(self.table.columns)]])

    def _last_rate(self) -> Any:
        if self._rate is not None:
            return self._rate
        # A callback has ended the epoch before its last step.
        optimizer = self.model.optimizer
        if self.schedule is not None:
            return self.schedule(steps_done(optimizer) - 1)
        return optimizer.learning_rate

    def _completed(self, row: list[Any]) -> list[Any]:
        """Add the objective to a row without it; it equals the loss there."""
        missing = len(row) == len(self.table.columns) - 1
        return [*row, row[1]] if missing else row


class EpochTimer(TableKeeper):
    """epoch_times.csv: seconds and images per second of training and validation,
    seconds spent waiting for batches, and peak memory since training started in
    megabytes (10^6 bytes).

    The seconds of an interrupted epoch are those up to the checkpoint from which it was
    resumed, plus those after.

    Args:
        train_images, validation_images: images in an epoch.
        batch_size: training images in a step, except the epoch's last.
        waited_s: returns the total seconds spent so far making or waiting for batches.
    """

    def __init__(
        self,
        folder: Path,
        session: Session,
        *,
        train_images: int,
        validation_images: int,
        batch_size: int,
        waited_s: Callable[[], float],
    ) -> None:
        super().__init__()
        self.table = EpochTable(folder / EPOCH_TIMES.file, EPOCH_TIMES.columns)
        self.session = session
        self.train_images = train_images
        self.validation_images = validation_images
        self.batch_size = batch_size
        self.waited_s = waited_s
        self._earlier: Mapping[str, float] = {}

    def part(self) -> dict[str, float]:
        return {
            "train_s": time.perf_counter() - self._began,
            "data_wait_s": self.waited_s() - self._not_waited,
        }

    def go_on_from(self, part: Mapping[str, float]) -> None:
        self._earlier = part

    def on_train_begin(self, logs: dict | None = None) -> None:
        forget_peak_memory(self.session.backend, self.session.device)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._began = time.perf_counter() - self._earlier.get("train_s", 0.0)
        # Reading of the waiting clock at the beginning of this epoch.
        self._not_waited = self.waited_s() - self._earlier.get("data_wait_s", 0.0)
        self._earlier = {}

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._images = min((batch + 1) * self.batch_size, self.train_images)

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._validation_began = time.perf_counter()
        self._waited_s = self.waited_s() - self._not_waited

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        train = self._validation_began - self._began
        validation = time.perf_counter() - self._validation_began
        peak = peak_memory_bytes(self.session.backend, self.session.device)
        row = [
            epoch + 1,
            round(train, 4),
            round(validation, 4),
            round(self._images / train, 2),
            round(self.validation_images / validation, 2),
            round(self._waited_s, 4),
            "" if peak is None else round(peak / 1e6, 1),
        ]
        self.table.add([row])


class ConfusionMatrixLogger(TableKeeper):
    """validation_confusion.csv: counts of (label, prediction) pairs among the
    monitored images, every `every` epochs and after the last; pairs without images are
    omitted."""

    def __init__(self, folder: Path, *, every: int = 1) -> None:
        super().__init__()
        file, columns = VALIDATION_CONFUSION
        self.table = EpochTable(folder / file, columns)
        self.every = every

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        # After validation the metric holds the counts of the validation pass.
        self._counts = confusion_metric(self.model).counts()
        self._added = False
        last = epoch + 1 == self.params["epochs"]
        if last or (epoch + 1) % self.every == 0:
            self._add(epoch)

    def is_last(self, epoch: int) -> None:
        if not self._added:
            self._add(epoch)

    def _add(self, epoch: int) -> None:
        counts = self._counts
        self.table.add(
            [epoch + 1, int(label), int(prediction), int(counts[label, prediction])]
            for label, prediction in zip(*counts.nonzero(), strict=True)
        )
        self._added = True
