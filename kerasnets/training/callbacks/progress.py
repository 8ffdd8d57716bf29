"""Progress on screen and in run.log while a network trains.

On a terminal: a bar with images per second and the time left. Elsewhere: plain lines.
Every line also goes to run.log with the time of day.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from kerasnets.console import console, line
from kerasnets.text import duration, rate

QUIET, NORMAL, VERBOSE = 0, 1, 2

# Steps excluded from the speed: the first ones allocate, compile and capture graphs.
_WARM_UP_STEPS = 4
_ESTIMATE_STEPS = 7
_REFRESH_S = 0.5


class ProgressReporter(keras.callbacks.Callback):
    """Reports a run's facts, progress and messages.

    Args:
        verbosity: QUIET (messages only), NORMAL, or VERBOSE (a line every 10 % of an
            epoch).
        train_images: images in one epoch; may be set later, before training begins.
        batch_size: images in one step.
        to: where to print; standard output unless given.

    Attributes:
        silenced: whether a line could not be printed: the disk of standard output is
            full or its pipe closed.
    """

    def __init__(
        self,
        verbosity: int,
        *,
        train_images: int = 0,
        batch_size: int,
        to: Console | None = None,
    ) -> None:
        super().__init__()
        self.verbosity = verbosity
        self.train_images = train_images
        self.batch_size = batch_size
        self.silenced = False
        self.console = to or console(soft_wrap=True)
        self._log_file: Path | None = None
        self._unlogged: list[str] = []
        self._bar: Progress | None = None

    def log_to(self, path: Path) -> None:
        """Append every line to `path`, including those already printed."""
        self._log_file = path
        for unlogged in self._unlogged:
            self._log(unlogged)
        self._unlogged.clear()

    def screen(self, title: str, facts: Mapping[str, str]) -> None:
        """Show the facts of a run before its first step."""
        if self.verbosity > QUIET:
            table = Table(
                title=title, title_justify="left", show_header=False, box=None
            )
            for name, value in facts.items():
                table.add_row(Text(name, "dim"), line(value))
            self._print(table)
        self._log(title)
        for name, value in facts.items():
            self._log(f"{name}: {value}")

    def say(self, message: str, *, quiet: bool = False) -> None:
        """Print and log a line; with `quiet`, verbosity QUIET does not print it."""
        if self.verbosity > QUIET or not quiet:
            self._print(line(message))
        self._log(message)

    def _print(self, what: str | Table) -> None:
        try:
            self.console.print(what)
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.silenced = True
            raise

    def _log(self, message: str) -> None:
        if self._log_file is None:
            self._unlogged.append(message)
            return
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        # Paths in it need not be valid UTF-8.
        with self._log_file.open("a", encoding="utf-8", errors="backslashreplace") as f:
            f.write(f"{now} {message}\n")

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._steps_seen = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1
        self._began = self._refreshed = time.perf_counter()
        if self._steps_seen >= _WARM_UP_STEPS:  # the estimate is of steps alone
            self._warm += self._began - self._validation_began
        self._first: int | None = None
        if self.verbosity > QUIET and self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f} images"),
                TextColumn("{task.fields[facts]}"),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(
                f"epoch {self._epoch}/{self.params['epochs']}",
                total=self.train_images,
                facts="",
            )

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        # Not 0 if an earlier process has begun the epoch.
        self._first = batch if self._first is None else self._first

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._steps_seen += 1
        self._images_done = min((batch + 1) * self.batch_size, self.train_images)
        if self._steps_seen == _WARM_UP_STEPS:
            self._loss(logs)
            self._warm = time.perf_counter()
        elif self._steps_seen == _WARM_UP_STEPS + _ESTIMATE_STEPS:
            self._loss(logs)
            self._estimate((time.perf_counter() - self._warm) / _ESTIMATE_STEPS)
        if self._bar and time.perf_counter() - self._refreshed >= _REFRESH_S:
            loss, done, speed = self._so_far(batch, logs)
            left = self._time_left(done, speed)
            self._bar.update(
                self._task,
                completed=done,
                facts=f"loss {loss:.4f} · {rate(speed)} images/s · {left} left",
            )
            self._refreshed = time.perf_counter()
        if self.verbosity >= VERBOSE:
            tenth = max(1, self.params["steps"] // 10)
            if (batch + 1) % tenth == 0:
                loss, _, speed = self._so_far(batch, logs)
                self.say(
                    f"epoch {self._epoch} step {batch + 1}/{self.params['steps']}: "
                    f"loss {loss:.4f}, {rate(speed)} images/s"
                )

    def _loss(self, logs: dict | None) -> float:
        """The epoch's loss so far. Reading it waits for an asynchronous device, so
        times are taken afterwards."""
        return float((logs or {})["loss"])

    def _so_far(self, batch: int, logs: dict | None) -> tuple[float, int, float]:
        """Loss, images done, and images a second of the epoch after a batch."""
        loss = self._loss(logs)
        done = min((batch + 1) * self.batch_size, self.train_images)
        seconds = time.perf_counter() - self._began
        return loss, done, (done - self._images_before) / seconds

    def _estimate(self, step_s: float) -> None:
        epochs = self.params["epochs"] - self._epoch + 1
        total = step_s * (self.params["steps"] * epochs - (self._first or 0))
        self.say(
            f"about {duration(total)} for {epochs} epoch{'s' * (epochs > 1)} at "
            f"{rate(self.batch_size / step_s)} images/s (validation not counted)",
            quiet=True,
        )

    @property
    def _images_before(self) -> int:
        """Images of this epoch that an earlier process has trained on."""
        return (self._first or 0) * self.batch_size

    def _time_left(self, done: int, speed: float) -> str:
        epochs_after = self.params["epochs"] - self._epoch
        images = self.train_images - done + epochs_after * self.train_images
        return duration(images / speed)

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._validation_began = time.perf_counter()
        self._train_s = self._validation_began - self._began

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.close()
        logs = logs or {}
        trained = self._images_done - self._images_before
        self.say(
            f"epoch {epoch + 1}/{self.params['epochs']}: "
            f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.2%}, "
            f"validation loss {logs['val_loss']:.4f}, "
            f"validation accuracy {logs['val_accuracy']:.2%}, "
            f"{duration(time.perf_counter() - self._began)}, "
            f"{rate(trained / self._train_s)} images/s",
            quiet=True,
        )

    def close(self) -> None:
        """Remove the progress bar; called after errors too."""
        if self._bar:
            self._bar.stop()
            self._bar = None
