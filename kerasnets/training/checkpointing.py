"""When checkpoints are made."""

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
from kerasnets.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Interval:
    """Every so many optimizer steps, or every so many seconds of wall time.

    Attributes:
        steps: steps between two checkpoints, >= 1; None where seconds decide.
        seconds: seconds between two checkpoints, > 0; None where steps decide.
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read "200" (steps) or "90s" (seconds).

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
        """An interval as it may be given: itself, 200 (steps), "200" or "90s".

        Raises:
            RecipeError: it is none of these, or not positive.
        """
        return value if isinstance(value, cls) else cls.parse(str(value))

    def is_over(self, *, steps: int, seconds: float) -> bool:
        """Whether so many steps and seconds after a checkpoint the next is due."""
        if self.steps is not None:
            return steps >= self.steps
        return self.seconds is not None and seconds >= self.seconds


# What a killed process loses at most, beside the step it was in.
DEFAULT = Interval(seconds=300)


class Checkpointer(keras.callbacks.Callback):
    """A checkpoint after every epoch, inside one at every `interval`, and at the next
    step or end of an epoch when somebody asks the run to stop.

    It comes after the `keepers`, whose tables a checkpoint keeps, and after the user's
    callbacks, whose states it keeps and puts back: what they do at the end of an epoch
    is in the epoch's checkpoint. Only at the beginning of a step comes it before them,
    by `before_steps`. The files of the tables are written after it.

    Args:
        users: the user's callbacks.
        early: whether one of them has ended training.
        resumed: the checkpoint that the run goes on from, if any.
        keep: which checkpoints stay, of `kerasnets.catalog.kept_checkpoints.KEEP`.
        soon: whether the first step is followed by one, after which the run does not
            need what its weights came from.

    Attributes:
        stopped: that training ended early, if so.

    Raises:
        Interrupted: the run was asked to stop, and the checkpoint is written.
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
        if resumed:
            for keeper in keepers:
                keeper.go_on_from(resumed.parts.get(keeper.table.path.name, {}))

    def before_steps(self) -> keras.callbacks.Callback:
        """What calls it at the beginning of each step."""
        return keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: self._before_step(batch)
        )

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._put_back()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch, self._batch = epoch, 0
        self._cut: dict[str, Any] | None = None
        if self._resumed and self._resumed.batch:
            # Only now: Keras has just reset the metrics for a new epoch, and callbacks
            # have begun one.
            self._resumed.restore_metrics(self.model)
            self._put_back()
            self._batch = self._resumed.batch
        self._resumed = None
        self._saved_s = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._done = batch + 1

    def on_test_begin(self, logs: dict | None = None) -> None:
        # Keras clears the metrics after this.
        if self.early and self._done < self.params["steps"]:
            self._cut = {
                "batch": self._done,
                "metrics": checkpoint.metrics_of(self.model),
                "parts": self._parts(),
            }

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
            # Callbacks may change either when training or an epoch begins.
            self._resumed.restore_variables(self.model)
            callback_state.put_back(self.users, self._resumed.callbacks)

    def _before_step(self, batch: int) -> None:
        # Not at the end of a batch, where its time would count as waiting for data.
        seconds = time.monotonic() - self._saved_s
        steps = batch - self._batch
        due = self.stop or self._soon
        if steps and (due or self.interval.is_over(steps=steps, seconds=seconds)):
            self._save_inside(batch)
        if self.stop:
            self._end(self._epoch, batch)

    def _save_inside(self, batch: int) -> None:
        # A run that has diverged must not go on from there.
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
            f"after {after}; {option('resume', True)} goes on from there."
        )
