"""How a run's loss and accuracy went on, by epoch and by the clock."""

from typing import TYPE_CHECKING, Any

from kerasnets.errors import RunError
from kerasnets.runs import Run, read_json
from kerasnets.storage.schema import ENVIRONMENT

if TYPE_CHECKING:
    pass

import math
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from kerasnets.runs import read_csv


@dataclass(frozen=True)
class LearningCurve:
    """One run, epoch after epoch; every tuple has a value for each finished epoch.

    Attributes:
        epochs: numbers, from 1.
        loss, accuracy: of the monitored images after the epoch: mean cross-entropy
            (nats an image), and the share classified correctly.
        epoch_s: seconds of wall time in the epoch, training and validation, or None
            where epoch_times.csv does not cover every epoch.
        images_per_s: training images a second in the epoch, or None likewise.
        energy_j: joules that the device says the epoch took, or None where energy.csv
            does not cover every epoch.
    """

    epochs: tuple[int, ...]
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    epoch_s: tuple[float, ...] | None
    images_per_s: tuple[float, ...] | None
    energy_j: tuple[float, ...] | None = None

    @property
    def ends_s(self) -> tuple[float, ...] | None:
        """Seconds from the start of training to the end of each epoch; pauses before
        resumptions are not in it."""
        return tuple(accumulate(self.epoch_s)) if self.epoch_s else None

    @property
    def total_s(self) -> float | None:
        """Seconds of training and validation, all epochs together."""
        return sum(self.epoch_s) if self.epoch_s else None

    @property
    def seconds_per_epoch(self) -> float | None:
        """The median: the first epoch may have compiled something."""
        return median(self.epoch_s) if self.epoch_s else None

    @property
    def median_images_per_s(self) -> float | None:
        """Training images a second in the median epoch."""
        return median(self.images_per_s) if self.images_per_s else None

    @property
    def total_energy_j(self) -> float | None:
        """Joules of training and validation, all epochs together."""
        return sum(self.energy_j) if self.energy_j else None


def learning_curve(run: Run) -> LearningCurve:
    """Read a run's history.csv, epoch_times.csv and energy.csv.

    Raises:
        RunError: no epoch is finished, or a file is damaged.
    """
    history = run.history
    if not history:
        raise RunError(f"{run.path} has no finished epoch.")
    try:
        epochs = tuple(int(row["epoch"]) for row in history)
        loss = tuple(row["val_loss"] for row in history)
        accuracy = tuple(row["val_accuracy"] for row in history)
        if not all(map(math.isfinite, (*loss, *accuracy))):
            raise ValueError("not finite")
    except (KeyError, ValueError) as error:
        raise RunError(
            f"{run.path / 'history.csv'} does not hold a finite validation loss and "
            "accuracy of each epoch."
        ) from error
    times, energy = _epoch_times(run), _energy(run)
    joules = tuple(energy[e] for e in epochs) if set(epochs) <= set(energy) else None
    if not set(epochs) <= set(times):
        return LearningCurve(epochs, loss, accuracy, None, None, joules)
    seconds, speed = zip(*(times[epoch] for epoch in epochs), strict=True)
    return LearningCurve(epochs, loss, accuracy, seconds, speed, joules)


def _energy(run: Run) -> dict[int, float]:
    """Joules by epoch, where the device counted them."""
    path = run.path / "energy.csv"
    if not path.exists():
        return {}
    try:
        joules = {int(row["epoch"]): float(row["energy_j"]) for row in read_csv(path)}
        if not all(map(math.isfinite, joules.values())):
            raise ValueError("not finite")
        return joules
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} does not hold the energy of epochs.") from error


def _epoch_times(run: Run) -> dict[int, tuple[float, float]]:
    """Seconds of training and validation, and training images a second, by epoch."""
    path = run.path / "epoch_times.csv"
    if not path.exists():
        return {}
    try:
        return {
            int(row["epoch"]): (
                float(row["train_s"]) + float(row["validation_s"]),
                float(row["train_images_per_s"]),
            )
            for row in read_csv(path)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} does not hold epoch times.") from error


def environment(run: Run) -> dict[str, Any]:
    """What training recorded of its machine and its data, as `ENVIRONMENT` has it.

    Raises:
        RunError: environment.json is missing or damaged.
    """
    path = run.path / "environment.json"
    if not path.exists():
        raise RunError(
            f"{run.path} has no environment.json: it is not a whole run folder."
        )
    return read_json(path, ENVIRONMENT)


def class_names(run: Run) -> list[str]:
    """Names by class index, as training recorded them.

    Raises:
        RunError: environment.json is missing, damaged, or has none.
    """
    names = environment(run).get("class_names")
    if not names:
        raise RunError(f"{run.path / 'environment.json'} has no class names.")
    return names
