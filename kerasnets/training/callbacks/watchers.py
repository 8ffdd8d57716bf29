"""Callbacks that watch a training: collapse, divergence, the first step.

Epochs are counted from 1 in every file and message. docs/run-folder.md lists the
columns with their units.
"""

import math
from collections.abc import Callable, Mapping

import keras

from kerasnets.errors import TrainingDiverged, option
from kerasnets.statistics import collapsed_class
from kerasnets.training.metrics import confusion_metric


def objective(logs: Mapping[str, float]) -> float:
    """Mean of the quantity that training minimizes: "objective" if that differs from
    the loss."""
    return float(logs["objective"] if "objective" in logs else logs["loss"])


class CollapseDetector(keras.callbacks.Callback):
    """Reports when a network predicts one class for (almost) every image of an epoch's
    validation pass, as the paper's original VGG-19 does on MNIST.

    Args:
        class_names: names by class index.
        say: receives the message.
    """

    def __init__(self, class_names: tuple[str, ...], say) -> None:
        super().__init__()
        self.class_names = class_names
        self.say = say

    def on_test_end(self, logs: dict | None = None) -> None:
        # By the epoch's end, another callback may have evaluated again.
        self._predictions = confusion_metric(self.model).counts().sum(axis=0)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        collapsed = collapsed_class(self._predictions)
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
            float((logs or {})["loss"])  # the device may be asynchronous
            self._ended()
            self._ended = None


class StopOnNaN(keras.callbacks.Callback):
    """Ends training when the loss is NaN or infinite.

    It checks every `every` steps, because reading the loss makes an accelerator wait,
    and after validation.

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
            loss = objective(logs or {})
            check_finite(loss, f"step {batch + 1} of epoch {self._epoch}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        # history.csv must hold finite losses only.
        loss = float((logs or {})["val_loss"])
        check_finite(loss, f"the validation of epoch {self._epoch}")


def advice() -> str:
    """Advice for a training that has diverged."""
    return (
        f"a lower {option('learning_rate')} or some {option('warmup')} may help. The "
        "last checkpoint is intact."
    )


def check_finite(loss: float, where: str) -> None:
    """Raise TrainingDiverged if the loss is NaN or infinite."""
    if not math.isfinite(loss):
        raise TrainingDiverged(f"the loss became {loss} by {where}; {advice()}")
