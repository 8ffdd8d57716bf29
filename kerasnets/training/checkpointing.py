"""When checkpoints are written."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from kerasnets.catalog.kept_checkpoints import LAST
from kerasnets.errors import RecipeError, option
from kerasnets.runs import Run
from kerasnets.training import checkpoint
from kerasnets.training.callbacks import callback_state
from kerasnets.training.callbacks.early_stop import EarlyStop, Stopped
from kerasnets.training.callbacks.recorders import TableKeeper
from kerasnets.training.callbacks.stop_requests import StopRequest
from kerasnets.training.callbacks.watchers import check_finite
from kerasnets.training.checkpoint import BeforeCut, Checkpoint


@dataclass(frozen=True)
class Interval:
    """A checkpoint interval in optimizer steps or in seconds of wall time.

    Attributes:
        steps: steps between two checkpoints, >= 1; None if `seconds` is set.
        seconds: seconds between two checkpoints, > 0; None if `steps` is set.
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Parse "200" (steps) or "90s" (seconds).

        Raises:
            RecipeError: it is neither, or not positive.
        """
        try:
            if text.endswith("s"):
                interval = cls(seconds=float(text[:-1]))
            else:
                interval = cls(steps=int(text))
        except ValueError:
            interval = cls()
        if not 0 < (interval.steps or interval.seconds or 0) < float("inf"):
            raise RecipeError(
                f"checkpoint interval {text!r} is neither a number of steps (200) nor "
                "of seconds (90s)."
            )
        return interval

    @classmethod
    def of(cls, value: "Interval | int | str") -> "Interval":
        """Convert an `Interval`, 200 (steps), "200" or "90s".

        Raises:
            RecipeError: it is none of these, or not positive.
        """
        return value if isinstance(value, cls) else cls.parse(str(value))

    def is_over(self, *, steps: int, seconds: float) -> bool:
        """Whether a checkpoint is due, given the steps and seconds since the last."""
        if self.steps is not None:
            return steps >= self.steps
        return self.seconds is not None and seconds >= self.seconds


# The most work that a killed process loses, apart from its current step.
DEFAULT = Interval(seconds=300)


class Checkpointer(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch, inside an epoch at every `interval`, and
    at the next step or end of epoch when the run is asked to stop.

    It runs after the `keepers`, whose tables a checkpoint stores, and after the user's
    callbacks, whose states it stores and restores, so that an epoch's checkpoint
    includes what they did at its end. Only at the beginning of a step does it run
    before them, through `before_steps`. It writes the tables' files after the
    checkpoint.

    Args:
        users: the user's callbacks.
        early: records which of them has ended training.
        resumed: the checkpoint that the run resumes from, if any.
        keep: which checkpoints to retain, one of
            `kerasnets.catalog.kept_checkpoints.KEEP`.
        soon: whether to write one after the first step, so that the run no longer
            depends on the source of its initial weights.

    Attributes:
        stopped: set if training ended early.

    Raises:
        Interrupted: the run was asked to stop, and its checkpoint is written.
        TrainingDiverged: the loss or a weight is no longer a number; nothing is
            written.
    """

    def __init__(
        self,
        run: Run,
        keepers: Sequence[TableKeeper],
        users: Sequence[keras.callbacks.Callback],
        interval: Interval,
        stop: StopRequest,
        early: EarlyStop,
        resumed: Checkpoint | None,
        keep: str = LAST,
        *,
        soon: bool = False,
    ) -> None:
        super().__init__()
        self.run = run
        self.tables = {keeper.table.path.name: keeper.table for keeper in keepers}
        self.keepers = keepers
        self.users = users
        self.interval = interval
        self.stop = stop
        self.keep = keep
        self._soon = soon and not resumed
        self.early = early
        self.stopped = resumed.stopped if resumed else None
        self._resumed = resumed
        if resumed and resumed.batch:
            for keeper in keepers:
                keeper.go_on_from(resumed.parts.get(keeper.table.path.name, {}))

    def before_steps(self) -> keras.callbacks.Callback:
        """A callback that calls this one at the beginning of each step, and of the
        validation, before the user's callbacks."""
        return keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: self._before_step(batch),
            on_test_begin=lambda logs: self._before_validation(),
        )

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._put_back()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch, self._batch = epoch, 0
        self._cut: dict[str, Any] | None = None
        if self._resumed and self._resumed.batch:
            # Not earlier: Keras has just reset the metrics for a new epoch, and the
            # callbacks have begun it.
            self._resumed.restore_metrics(self.model)
            self._put_back()
            self._batch = self._resumed.batch
        self._resumed = None
        self._saved_s = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._done = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        where = f"the validation of epoch {epoch + 1}"
        check_finite(float((logs or {})["val_loss"]), where)
        if self.early:
            for keeper in self.keepers:
                keeper.is_last(epoch)
            if self._cut or epoch + 1 < self.params["epochs"]:
                self.stopped = Stopped(self._why(), self.params["epochs"])
        done = epoch if self._cut else epoch + 1
        self._save(done, stopped=self.stopped, **(self._cut or {}))
        for table in self.tables.values():
            table.write()
        if self.stop:
            self._end(epoch + 1, 0)

    def _put_back(self) -> None:
        if self._resumed and self.users:
            # Callbacks may have changed the model or the optimizer in on_train_begin
            # or on_epoch_begin.
            self._resumed.restore_variables(self.model)
            callback_state.put_back(self.users, self._resumed.callbacks)

    def _before_validation(self) -> None:
        # Validation resets the metrics, and callbacks take the epoch for a whole one.
        if self.early and self._done < self.params["steps"]:
            states = callback_state.states_of(self.users)
            self._cut = {
                "batch": self._done,
                "metrics": checkpoint.metrics_of(self.model),
                "parts": self._parts(),
                "before_cut": BeforeCut.of(self.model, states),
            }

    def _before_step(self, batch: int) -> None:
        # At the end of a batch, the time would count as waiting for data.
        seconds = time.monotonic() - self._saved_s
        steps = batch - self._batch
        due = self.stop or self._soon
        if steps and (due or self.interval.is_over(steps=steps, seconds=seconds)):
            self._save_inside(batch)
        if self.stop:
            self._end(self._epoch, batch)

    def _save_inside(self, batch: int) -> None:
        # A diverged run must not leave a checkpoint to resume from.
        loss = float(self.model.get_metrics_result()["loss"])
        check_finite(loss, checkpoint.position(self._epoch, batch))
        self._save(self._epoch, batch=batch, parts=self._parts())
        self._batch, self._saved_s = batch, time.monotonic()

    def _save(self, epoch: int, **more: Any) -> None:
        self._soon = False
        checkpoint.save(
            self.run.checkpoint_folder,
            self.model,
            epoch,
            self.tables,
            callbacks=callback_state.states_of(self.users),
            keep=self.keep,
            **more,
        )

    def _parts(self) -> dict[str, dict[str, float]]:
        return {keeper.table.path.name: keeper.part() for keeper in self.keepers}

    def _why(self) -> str:
        assert self.early.callback is not None
        why = callback_state.why_stopped(self.early.callback)
        if self._cut:
            why += f", at {checkpoint.position(self._epoch, self._cut['batch'])}"
        return why

    def _end(self, epoch: int, batch: int) -> None:
        after = checkpoint.position(epoch, batch) if epoch or batch else "no step"
        raise self.stop.interruption(
            f"after {after}; {option('resume', True)} continues from there."
        )
