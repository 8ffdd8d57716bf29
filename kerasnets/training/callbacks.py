"""What is recorded and watched while a network trains; one class a purpose.

Epochs are counted from 1 in every file and message. docs/run-folder.md lists the
columns with their units.
"""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from kerasnets.collapse import collapsed_class
from kerasnets.engines.runtime import Session, peak_memory_bytes
from kerasnets.errors import TrainingDiverged
from kerasnets.training.confusion import confusion_metric
from kerasnets.training.epoch_table import EpochTable


class TableKeeper(keras.callbacks.Callback):
    """A callback whose record is one `table`, which checkpoints keep."""

    table: EpochTable

    def part(self) -> dict[str, float]:
        """What it has of the epoch under way, for a checkpoint inside the epoch."""
        return {}

    def go_on_from(self, part: Mapping[str, float]) -> None:
        """Begin the next epoch with what an earlier process had of it."""


class HistoryLogger(TableKeeper):
    """history.csv: loss (nats an image), accuracy (share in [0, 1]), both also on the
    monitored images (val_), and the learning rate in the epoch's last step."""

    COLUMNS = (
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "learning_rate",
    )

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.table = EpochTable(folder / "history.csv", self.COLUMNS)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        values = [float(logs[name]) for name in self.COLUMNS[1:-1]]
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.table.add([[epoch + 1, *values, rate]])


class EpochTimer(TableKeeper):
    """epoch_times.csv: seconds and images per second of training and validation,
    seconds spent waiting for batches, and peak memory in megabytes (10^6 bytes).

    The seconds of an epoch that was interrupted are those up to the checkpoint from
    which it went on, and those after.

    Args:
        waited_s: seconds that have passed since the start while batches were made or
            waited for.
    """

    COLUMNS = (
        "epoch",
        "train_s",
        "validation_s",
        "train_images_per_s",
        "validation_images_per_s",
        "data_wait_s",
        "peak_memory_mb",
    )

    def __init__(
        self,
        folder: Path,
        session: Session,
        *,
        train_images: int,
        validation_images: int,
        waited_s: Callable[[], float],
    ) -> None:
        super().__init__()
        self.table = EpochTable(folder / "epoch_times.csv", self.COLUMNS)
        self.session = session
        self.train_images = train_images
        self.validation_images = validation_images
        self.waited_s = waited_s
        self._earlier: Mapping[str, float] = {}

    def part(self) -> dict[str, float]:
        return {
            "train_s": time.perf_counter() - self._began,
            "data_wait_s": self.waited_s() - self._not_waited,
        }

    def go_on_from(self, part: Mapping[str, float]) -> None:
        self._earlier = part

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._began = time.perf_counter() - self._earlier.get("train_s", 0.0)
        # What the clock of waiting says where this epoch's waiting begins.
        self._not_waited = self.waited_s() - self._earlier.get("data_wait_s", 0.0)
        self._earlier = {}

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
            round(self.train_images / train, 2),
            round(self.validation_images / validation, 2),
            round(self._waited_s, 4),
            "" if peak is None else round(peak / 1e6, 1),
        ]
        self.table.add([row])


class ConfusionMatrixLogger(TableKeeper):
    """validation_confusion.csv: counts of (label, prediction) pairs among the
    monitored images, every `every` epochs and in the last; pairs without images are
    left out."""

    COLUMNS = ("epoch", "label", "prediction", "count")

    def __init__(self, folder: Path, *, every: int = 1) -> None:
        super().__init__()
        self.table = EpochTable(folder / "validation_confusion.csv", self.COLUMNS)
        self.every = every

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        last = epoch + 1 == self.params["epochs"]
        if (epoch + 1) % self.every and not last:
            return
        # After validation the metric holds the counts of the validation pass.
        counts = confusion_metric(self.model).counts()
        self.table.add(
            [epoch + 1, int(label), int(prediction), int(counts[label, prediction])]
            for label, prediction in zip(*counts.nonzero(), strict=True)
        )


class CollapseDetector(keras.callbacks.Callback):
    """Says when a network predicts one class for (almost) every image of an epoch's
    validation pass, as the paper's original VGG-19 does on MNIST.

    Args:
        class_names: names by class index.
        say: takes the message.
    """

    def __init__(self, class_names: tuple[str, ...], say) -> None:
        super().__init__()
        self.class_names = class_names
        self.say = say

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        predictions = confusion_metric(self.model).counts().sum(axis=0)
        collapsed = collapsed_class(predictions)
        if collapsed:
            index, share = collapsed
            self.say(
                f"collapsed: {share:.1%} of the validation predictions of epoch "
                f"{epoch + 1} are class {self.class_names[index]!r}"
            )


class FirstStep(keras.callbacks.Callback):
    """Calls `ended` once, when the first training step has ended."""

    def __init__(self, ended: Callable[[], None]) -> None:
        super().__init__()
        self._ended: Callable[[], None] | None = ended

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self._ended:
            float((logs or {})["loss"])  # a device may compute while the host goes on
            self._ended()
            self._ended = None


class StopOnNaN(keras.callbacks.Callback):
    """Ends training when the loss is no longer a number.

    Looks every `every` steps, as reading the loss makes an accelerator wait, and after
    the validation.

    Raises:
        TrainingDiverged: the mean loss of the epoch so far, or of its validation, is
            NaN or infinite.
    """

    def __init__(self, *, every: int = 16) -> None:
        super().__init__()
        self.every = every

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        last = batch + 1 == self.params["steps"]
        if (batch + 1) % self.every == 0 or last:
            loss = float((logs or {})["loss"])
            check_finite(loss, f"step {batch + 1} of epoch {self._epoch}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        # Nobody who reads the history expects another loss than a number.
        loss = float((logs or {})["val_loss"])
        check_finite(loss, f"the validation of epoch {self._epoch}")


ADVICE = "a lower --lr or some --warmup may help. The last checkpoint is intact."


def check_finite(loss: float, where: str) -> None:
    """Raise TrainingDiverged where the loss is no longer a number."""
    if not math.isfinite(loss):
        raise TrainingDiverged(f"the loss became {loss} by {where}; {ADVICE}")
