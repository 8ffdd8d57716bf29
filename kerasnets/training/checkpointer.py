"""When checkpoints are made."""

import time
from collections.abc import Sequence

import keras

from kerasnets.runs import Run
from kerasnets.training import checkpoint
from kerasnets.training.callbacks import TableKeeper, check_finite
from kerasnets.training.checkpoint import Checkpoint
from kerasnets.training.interval import Interval
from kerasnets.training.kept import LAST
from kerasnets.training.signals import StopRequest


class Checkpointer(keras.callbacks.Callback):
    """A checkpoint after every epoch, inside one at every `interval`, and at the next
    step or end of an epoch when somebody asks the run to stop.

    It comes after the `keepers`, whose tables a checkpoint keeps; their files are
    written after it.

    Args:
        resumed: the checkpoint that the run goes on from, if any.
        keep: which checkpoints stay, of `kerasnets.training.kept.KEEP`.

    Raises:
        Interrupted: the run was asked to stop, and the checkpoint is written.
        TrainingDiverged: the loss or a weight is no longer a number; nothing is
            written.
    """

    def __init__(
        self,
        run: Run,
        keepers: Sequence[TableKeeper],
        interval: Interval,
        stop: StopRequest,
        resumed: Checkpoint | None,
        keep: str = LAST,
    ) -> None:
        super().__init__()
        self.run = run
        self.tables = {keeper.table.path.name: keeper.table for keeper in keepers}
        self.keepers = keepers
        self.interval = interval
        self.stop = stop
        self.keep = keep
        self._resumed = resumed
        if resumed:
            for keeper in keepers:
                keeper.go_on_from(resumed.parts.get(keeper.table.path.name, {}))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch, self._batch = epoch, 0
        if self._resumed and self._resumed.batch:
            # Only now: Keras has just reset the metrics for a new epoch.
            self._resumed.restore_metrics(self.model)
            self._batch = self._resumed.batch
        self._resumed = None
        self._saved_s = time.monotonic()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        # Not at the end of a batch, where its time would count as waiting for data.
        seconds = time.monotonic() - self._saved_s
        steps = batch - self._batch
        if steps and (self.stop or self.interval.is_over(steps=steps, seconds=seconds)):
            self._save_inside(batch)
        if self.stop:
            self._end(self._epoch, batch)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        where = f"the validation of epoch {epoch + 1}"
        check_finite(float((logs or {})["val_loss"]), where)
        checkpoint.save(
            self.run.checkpoint_folder,
            self.model,
            epoch + 1,
            self.tables,
            keep=self.keep,
        )
        for table in self.tables.values():
            table.write()
        if self.stop:
            self._end(epoch + 1, 0)

    def _save_inside(self, batch: int) -> None:
        # A run that has diverged must not go on from there.
        loss = float(self.model.get_metrics_result()["loss"])
        check_finite(loss, checkpoint.position(self._epoch, batch))
        checkpoint.save(
            self.run.checkpoint_folder,
            self.model,
            self._epoch,
            self.tables,
            batch=batch,
            parts={keeper.table.path.name: keeper.part() for keeper in self.keepers},
            keep=self.keep,
        )
        self._batch, self._saved_s = batch, time.monotonic()

    def _end(self, epoch: int, batch: int) -> None:
        after = checkpoint.position(epoch, batch) if epoch or batch else "no step"
        raise self.stop.interruption(f"after {after}; --resume goes on from there.")
