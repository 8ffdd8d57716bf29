"""The records that training writes into a run folder, with a reader for each file.

history.csv is read by `kerasnets.runs.Run.history`, and the files of `evaluate` by
`kerasnets.runs.results`. Shares are in [0, 1].
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import Any, NamedTuple

from kerasnets.errors import RunError
from kerasnets.runs import Run, read_csv, read_json
from kerasnets.storage import schema
from kerasnets.storage.schema import COUNT, LINE, NAMES, NUMBER, or_null

# What a session of training ran on.
MACHINE = {
    "backend": LINE,
    "engine": LINE,
    "deterministic": schema.FLAG,
    "device": LINE,
    "device_name": LINE,
    "threads": or_null(COUNT),
    "platform": LINE,
    "python": LINE,
    "packages": schema.VERSIONS,
    "settings": schema.LINES,
}
_SESSION = {**MACHINE, "dataset_load_s": NUMBER, "start_s": NUMBER}

ENVIRONMENT_FILE = "environment.json"
ENVIRONMENT = {
    "started": LINE,
    **_SESSION,
    "dataset_fingerprint": schema.required(LINE),
    "dataset_note": schema.TEXT,
    "dataset_files": schema.record(
        place=schema.TEXT,
        count=COUNT,
        ignored=COUNT,
        unreadable=COUNT,
        repeated=COUNT,
        sha256=LINE,
    ),
    "class_names": NAMES,
    "train_images": COUNT,
    "validation_images": COUNT,
    "test_images": COUNT,
    "trainable_parameters": COUNT,
    "history_columns": NAMES,
    "stopped_early": or_null(schema.record(epochs=COUNT, reason=LINE)),
    "resumed": schema.list_of("sessions", at=LINE, **_SESSION),
}


class Table(NamedTuple):
    """A CSV file of the run folder: name and columns."""

    file: str
    columns: tuple[str, ...]


EPOCH_TIMES = Table(
    "epoch_times.csv",
    (
        "epoch",
        "train_s",
        "validation_s",
        "train_images_per_s",
        "validation_images_per_s",
        "data_wait_s",
        "peak_memory_mb",
    ),
)
ENERGY = Table("energy.csv", ("epoch", "energy_j"))
VALIDATION_CONFUSION = Table(
    "validation_confusion.csv", ("epoch", "label", "prediction", "count")
)


def environment(run: Run) -> dict[str, Any]:
    """The recorded machine, software and data, with the fields of `ENVIRONMENT`.

    Raises:
        RunError: environment.json is missing or damaged.
    """
    found = begun_environment(run)
    if found is None:
        raise RunError(
            f"{run.path} has no environment.json: it is not a complete run folder."
        )
    return found


def begun_environment(run: Run) -> dict[str, Any] | None:
    """As `environment`, but None for a run whose training has not begun.

    Raises:
        RunError: environment.json is damaged.
    """
    path = run.path / ENVIRONMENT_FILE
    return read_json(path, ENVIRONMENT) if path.exists() else None


def class_names(run: Run) -> list[str]:
    """Names by class index, as training recorded them.

    Raises:
        RunError: environment.json is missing, damaged, or lacks them.
    """
    names = environment(run).get("class_names")
    if not names:
        raise RunError(f"{run.path / ENVIRONMENT_FILE} has no class names.")
    return names


@dataclass(frozen=True)
class EpochTime:
    """The times of one epoch: a row of epoch_times.csv.

    Attributes:
        epoch: from 1.
        train_s, validation_s: seconds of wall time.
        train_images_per_s: training images per second.
        validation_images_per_s: monitored images per second.
        data_wait_s: part of `train_s` spent making or waiting for batches.
        peak_memory_mb: peak memory so far in the training (10^6 bytes), of the
            accelerator if one is used, else of the process; None if the platform does
            not report it.
    """

    epoch: int
    train_s: float
    validation_s: float
    train_images_per_s: float
    validation_images_per_s: float
    data_wait_s: float
    peak_memory_mb: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training and validation."""
        return self.train_s + self.validation_s


def epoch_times(run: Run) -> list[EpochTime]:
    """Rows of epoch_times.csv; empty before the first epoch ends.

    Raises:
        RunError: the file is damaged.
    """
    path = run.path / EPOCH_TIMES.file
    if not path.exists():
        return []
    try:
        times = []
        for row in read_csv(path):
            cells = {name: row.get(name) for name in EPOCH_TIMES.columns[1:]}
            values = {name: float(text) for name, text in cells.items() if text}
            if not all(
                math.isfinite(value) and value >= 0 for value in values.values()
            ):
                raise ValueError("no time")
            times.append(EpochTime(int(row["epoch"]), **values))
        return times
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} does not hold epoch times.") from error


def training_s(run: Run) -> float:
    """Seconds of training and validation in all finished epochs.

    Raises:
        RunError: epoch_times.csv is damaged.
    """
    return sum((epoch.seconds for epoch in epoch_times(run)), 0.0)


def epoch_energies(run: Run) -> dict[int, float]:
    """Joules by epoch; empty if the device did not measure energy.

    Raises:
        RunError: energy.csv is damaged.
    """
    path = run.path / ENERGY.file
    if not path.exists():
        return {}
    try:
        joules = {int(row["epoch"]): float(row["energy_j"]) for row in read_csv(path)}
        if not all(map(math.isfinite, joules.values())):
            raise ValueError("not finite")
        return joules
    except (KeyError, ValueError) as error:
        raise RunError(f"{path} does not hold the energy of epochs.") from error


def validation_confusion(run: Run) -> list[tuple[int, int, int, int]]:
    """Rows of validation_confusion.csv: epoch (from 1), label and predicted class
    (indices), and the number of monitored images with both; zeros are omitted.

    Raises:
        RunError: the file is missing or damaged.
    """
    path = run.path / VALIDATION_CONFUSION.file
    try:
        rows = []
        for row in read_csv(path):
            epoch, label, prediction, count = (
                int(row[name]) for name in VALIDATION_CONFUSION.columns
            )
            if min(label, prediction) < 0:
                raise ValueError("a class below 0")
            rows.append((epoch, label, prediction, count))
        return rows
    except (KeyError, ValueError) as error:
        raise RunError(f"{path} does not hold the confusion of an epoch.") from error


@dataclass(frozen=True)
class LearningCurve:
    """A run by epoch; every tuple has a value for each finished epoch.

    Attributes:
        epochs: numbers, from 1.
        loss, accuracy: on the monitored images after the epoch: mean cross-entropy
            (nats per image), and the share classified correctly.
        epoch_s: wall time of training and validation in seconds; None unless
            epoch_times.csv covers every epoch.
        images_per_s: training images per second; None likewise.
        energy_j: measured energy in joules; None unless energy.csv covers every epoch.
    """

    epochs: tuple[int, ...]
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    epoch_s: tuple[float, ...] | None
    images_per_s: tuple[float, ...] | None
    energy_j: tuple[float, ...] | None = None

    @property
    def ends_s(self) -> tuple[float, ...] | None:
        """Seconds from the start of training to the end of each epoch, without pauses
        before resumptions."""
        return tuple(accumulate(self.epoch_s)) if self.epoch_s else None

    @property
    def total_s(self) -> float | None:
        """Seconds of training and validation in all epochs."""
        return math.fsum(self.epoch_s) if self.epoch_s else None

    @property
    def seconds_per_epoch(self) -> float | None:
        """Median seconds of an epoch; the first may include compilation."""
        return median(self.epoch_s) if self.epoch_s else None

    @property
    def median_images_per_s(self) -> float | None:
        """Training images per second in the median epoch."""
        return median(self.images_per_s) if self.images_per_s else None

    @property
    def total_energy_j(self) -> float | None:
        """Joules of training and validation in all epochs."""
        return math.fsum(self.energy_j) if self.energy_j else None


def learning_curve(run: Run) -> LearningCurve:
    """Read a run's history.csv, epoch_times.csv and energy.csv.

    Raises:
        RunError: no epoch is finished, or a file is damaged.
    """
    history = run.history
    if not history:
        raise RunError(f"{run.path} has no finished epoch.")
    epochs = tuple(int(row["epoch"]) for row in history)
    loss = tuple(row["val_loss"] for row in history)
    accuracy = tuple(row["val_accuracy"] for row in history)
    if not all(map(math.isfinite, (*loss, *accuracy))):
        raise RunError(
            f"{run.path / 'history.csv'} does not hold a finite validation loss and "
            "accuracy of each epoch."
        )
    times = {time.epoch: time for time in epoch_times(run)}
    timed = [times[epoch] for epoch in epochs if epoch in times]
    whole = len(timed) == len(epochs)
    joules = epoch_energies(run)
    counted = [joules[epoch] for epoch in epochs if epoch in joules]
    return LearningCurve(
        epochs,
        loss,
        accuracy,
        tuple(t.seconds for t in timed) if whole else None,
        tuple(t.train_images_per_s for t in timed) if whole else None,
        tuple(counted) if len(counted) == len(epochs) else None,
    )
