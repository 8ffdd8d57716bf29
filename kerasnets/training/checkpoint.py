"""Checkpoints: all the state a run needs to resume, in one file written atomically.

A checkpoint is an uncompressed .npz archive, readable under every backend, with
every variable of the model (weights, moving statistics, dropout's random state) and
of the optimizer, the callbacks' states, and a JSON entry with the epoch and batch, the
tables so far and a SHA-256 digest over all of it. A checkpoint inside an epoch also
holds the state of the metrics and each table's partial record of that epoch.
"""

import contextlib
import copy
import dataclasses
import errno
import hashlib
import itertools
import json
import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import runs
from kerasnets.catalog.kept_checkpoints import ALL, LAST, NONE
from kerasnets.errors import RunError, TrainingDiverged, option, raise_unless_data
from kerasnets.runs import Run
from kerasnets.storage import digests, schema
from kerasnets.storage.files import check_digest
from kerasnets.training.callbacks.callback_state import CallbackState, packed, unpacked
from kerasnets.training.callbacks.early_stop import Stopped
from kerasnets.training.callbacks.epoch_table import EpochTable
from kerasnets.training.callbacks.watchers import advice

# During training: the newest, and the one before it in case the newest is damaged.
KEPT = 2

_INSIDE = "-batch-"  # marks the names of checkpoints written inside an epoch
_MODEL, _METRIC, _CALLBACK = "model_", "metric_", "callback_"
# Present where callbacks may set the rate; the oldest checkpoints lack it.
_RATE = "optimizer_learning_rate"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BeforeCut:
    """What a callback may change after the last step of an epoch that was ended early,
    as it was before.

    Attributes:
        callbacks: the callbacks' states.
        rate: the optimizer's learning rate; None if no callback may set it.
    """

    callbacks: list[CallbackState]
    rate: float | None

    @classmethod
    def of(cls, model: keras.Model, callbacks: list[CallbackState]) -> "BeforeCut":
        variable = _variables(model).get(_RATE)
        rate = None
        if variable is not None:
            rate = float(keras.ops.convert_to_numpy(variable.value))
        return cls(copy.deepcopy(callbacks), rate)  # the states may be live objects


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read from disk and verified against its digest.

    Attributes:
        epoch: completed epochs.
        batch: completed batches of the following epoch.
        tables: rows of each `EpochTable`, by file name.
        parts: each table's partial record of the current epoch, by file name.
        arrays: values of the variables of model and optimizer, by position.
        metrics: values of the metrics' variables, by position; empty at batch 0.
        callbacks: the callbacks' states.
        stopped: set if a callback ended training here. The tables then include a row
            for the epoch that it ended, even if `batch` is not 0.
        before_cut: set if that epoch was not complete; None in checkpoints of earlier
            versions.
    """

    epoch: int
    batch: int
    tables: dict[str, list[list[Any]]]
    parts: dict[str, dict[str, float]]
    arrays: dict[str, np.ndarray]
    metrics: dict[str, np.ndarray]
    callbacks: list[CallbackState] = field(default_factory=list)
    stopped: Stopped | None = None
    before_cut: BeforeCut | None = None

    @property
    def position(self) -> str:
        """Position in the training, as readable text."""
        return position(self.epoch, self.batch)

    @property
    def variables_digest(self) -> str:
        """SHA-256 over the exact bits of every variable of model and optimizer."""
        return _digest({}, self.arrays)

    def restore(self, model: keras.Model, tables: Mapping[str, EpochTable]) -> None:
        """Restore model, optimizer and tables.

        Raises:
            RunError: the checkpoint is of another network or optimizer.
        """
        self.restore_variables(model)
        for name, table in tables.items():
            table.restore(self.tables.get(name, []))

    def restore_variables(self, model: keras.Model) -> None:
        """Restore model and optimizer.

        Raises:
            RunError: the checkpoint is of another network or optimizer.
        """
        variables = _variables(model)
        if _RATE not in self.arrays:
            variables.pop(_RATE, None)
        _assign(variables, self.arrays)

    def whole_epochs(self) -> "Checkpoint":
        """A copy without the table rows of an epoch that was ended early, and without
        what its end changed."""
        tables = {
            name: [row for row in rows if row and row[0] in range(self.epoch + 1)]
            for name, rows in self.tables.items()
        }
        whole = dataclasses.replace(self, tables=tables, stopped=None, before_cut=None)
        before = self.before_cut
        if before is None:
            return whole
        arrays = dict(self.arrays)
        if before.rate is not None and _RATE in arrays:
            arrays[_RATE] = np.array(before.rate, arrays[_RATE].dtype)
        return dataclasses.replace(whole, arrays=arrays, callbacks=before.callbacks)

    def restore_metrics(self, model: keras.Model) -> None:
        """Restore the metrics' state inside the epoch. Call it after Keras has built
        and reset them, which it does at the beginning of an epoch.

        Raises:
            RunError: the checkpoint is of other metrics.
        """
        _assign(_metric_variables(model), self.metrics)


def save(
    folder: Path,
    model: keras.Model,
    epoch: int,
    tables: Mapping[str, EpochTable],
    *,
    batch: int = 0,
    parts: Mapping[str, Mapping[str, float]] | None = None,
    metrics: Mapping[str, np.ndarray] | None = None,
    callbacks: Sequence[CallbackState] = (),
    stopped: Stopped | None = None,
    before_cut: BeforeCut | None = None,
    keep: str = LAST,
) -> Path:
    """Write a checkpoint after `epoch` completed epochs and `batch` batches of the one
    after them, then drop the oldest checkpoints.

    Args:
        parts: each table's partial record of the current epoch, by file name.
        metrics: state returned by `metrics_of` inside the epoch; by default the
            current state.
        callbacks: the callbacks' states.
        stopped: set if a callback has ended training.
        before_cut: see `Checkpoint`.
        keep: one of `kerasnets.catalog.kept_checkpoints.KEEP`; `ALL` keeps every
            checkpoint written at the end of an epoch.

    Raises:
        TrainingDiverged: a weight is NaN or infinite; nothing is written.
    """
    variables = _variables(model)
    arrays = _arrays(variables)
    if batch:
        arrays |= metrics_of(model) if metrics is None else metrics
    for key, array in arrays.items():
        # The last step's loss was finite, but its update may have broken the weights.
        if key.startswith(_MODEL) and not np.isfinite(array).all():
            raise TrainingDiverged(
                f"{variables[key].path} is no longer finite by "
                f"{position(epoch, batch)}; {advice()}"
            )
    state = {
        "epoch": epoch,
        "batch": batch,
        "tables": {name: t.rows for name, t in tables.items()},
        "parts": {name: dict(part) for name, part in (parts or {}).items()},
    }

    numbers = itertools.count()

    def stored(array: np.ndarray) -> str:
        key = f"{_CALLBACK}{next(numbers):04d}"
        arrays[key] = array
        return key

    def packed_all(states: Sequence[CallbackState]) -> list[dict[str, Any]]:
        return [
            {"callback": one.callback, "values": packed(one.values, stored)}
            for one in states
        ]

    if callbacks:
        state["callbacks"] = packed_all(callbacks)
    if stopped:
        state["stopped"] = dataclasses.asdict(stopped)
    if before_cut:
        state["before_cut"] = {
            "callbacks": packed_all(before_cut.callbacks),
            "rate": before_cut.rate,
        }
    state["digest"] = _digest(state, arrays)
    inside = f"{_INSIDE}{batch:07d}" if batch else ""
    path = folder / f"epoch-{epoch:05d}{inside}.npz"
    if not folder.exists():
        folder.mkdir()
        digests.sync_folder(folder.parent)
    with runs.atomic_file(path, "wb") as file:
        # As bytes: NumPy text takes four bytes a character, and the tables grow.
        np.savez(file, state=np.array(json.dumps(state).encode()), **arrays)
    files = _files(folder)
    place = files.index(path)
    # Seemingly newer files are damaged: the run was resumed from an older checkpoint.
    older = files[place + KEPT :]
    if keep == ALL:
        older = [other for other in older if _INSIDE in other.name]
    for other in files[:place] + older:
        runs.remove(other)
    return path


def finish(folder: Path, keep: str) -> None:
    """Remove the checkpoints of a finished run that `keep`, one of
    `kerasnets.catalog.kept_checkpoints.KEEP`, does not retain."""
    files = _files(folder)
    last = next(filter(_is_as_written, files), None) if keep != NONE else None
    if keep == NONE or last:
        for file in files:
            if file != last and (keep != ALL or _INSIDE in file.name):
                runs.remove(file)
    if keep == NONE:
        with contextlib.suppress(OSError):  # not empty, or already gone
            folder.rmdir()


def _is_as_written(path: Path) -> bool:
    try:
        check_digest(path)
    except RunError:
        return False
    return True


def position(epoch: int, batch: int) -> str:
    """`epoch` completed epochs and `batch` steps of the next, as readable text."""
    return f"step {batch} of epoch {epoch + 1}" if batch else f"epoch {epoch}"


def newest(folder: Path) -> Checkpoint | None:
    """The newest intact checkpoint, or None if there is no checkpoint at all.

    A damaged checkpoint is skipped with a warning.

    Raises:
        RunError: every checkpoint is damaged, or the system refuses to read one.
    """
    files = _files(folder)
    for path in files:
        checkpoint = _read(path)
        if checkpoint:
            return checkpoint
        _log.warning("%s is damaged; using the checkpoint before it", path)
    if files:
        raise RunError(
            f"every checkpoint in {folder} is damaged; {option('overwrite', True)} "
            "starts over."
        )
    return None


def has_weights(run: Run) -> bool:
    """Whether a run has trained weights, intact or not."""
    return run.model_file.exists() or bool(_files(run.checkpoint_folder))


def _read(path: Path) -> Checkpoint | None:
    try:
        with zipfile.ZipFile(path) as file:
            # Refuse compressed or overlapping entries, which could exhaust the memory.
            if sum(entry.file_size for entry in file.infolist()) > path.stat().st_size:
                return None
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        state = json.loads(arrays.pop("state").item())
        schema.check(state, _STATE)
        digest = state.pop("digest")
        if digest != _digest(state, arrays):
            return None
        metrics = {key: arrays.pop(key) for key in list(arrays) if _is_metric(key)}
        known = {key: arrays.pop(key) for key in list(arrays) if _is_callback(key)}

        def unpacked_all(states: list[dict[str, Any]]) -> list[CallbackState]:
            return [
                CallbackState(one["callback"], unpacked(one["values"], known))
                for one in states
            ]

        before = state.get("before_cut")
        return Checkpoint(
            epoch=state["epoch"],
            # The oldest checkpoints were only written at the end of an epoch.
            batch=state.get("batch", 0),
            tables=state["tables"],
            parts=state.get("parts", {}),
            arrays=arrays,
            metrics=metrics,
            callbacks=unpacked_all(state.get("callbacks", [])),
            stopped=Stopped(**state["stopped"]) if "stopped" in state else None,
            before_cut=before
            and BeforeCut(unpacked_all(before["callbacks"]), before["rate"]),
        )
    except Exception as error:  # damage shows in the zip, NumPy or JSON reader
        raise_unless_data(error)
        if isinstance(error, OSError) and error.errno in _REFUSALS:
            raise RunError(f"{path} cannot be read: {error.strerror}.") from error
        return None


# Errors of the system, not of the file's content: treating the file as damaged would
# resume from an older checkpoint and delete this one.
_REFUSALS = (
    *(errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
)


def _is_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(rows, list)
        and all(
            isinstance(row, list)
            and all(isinstance(one, int | float | str) for one in row)
            for row in rows
        )
        for rows in value.values()
    )


def _is_parts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(part, dict) and all(map(schema.NUMBER.check, part.values()))
        for part in value.values()
    )


def _are_callbacks(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and one.keys() == {"callback", "values"}
        and schema.LINE.check(one["callback"])
        and isinstance(one["values"], dict)
        for one in value
    )


_STATE = {
    "epoch": schema.required(schema.COUNT),
    "batch": schema.COUNT,
    "tables": schema.required(schema.Field("rows by file name", _is_tables)),
    "parts": schema.Field("seconds by file name", _is_parts),
    "callbacks": schema.Field("states of callbacks", _are_callbacks),
    "stopped": schema.record(reason=schema.LINE, epochs=schema.COUNT),
    "before_cut": schema.record(
        callbacks=schema.Field("states of callbacks", _are_callbacks),
        rate=schema.or_null(schema.NUMBER),
    ),
    "digest": schema.required(schema.LINE),
}


def _files(folder: Path) -> list[Path]:
    # By stem: "epoch-00003" sorts before "epoch-00003-batch-0000120".
    return sorted(folder.glob("epoch-*.npz"), key=lambda file: file.stem, reverse=True)


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    keyed = {f"{_MODEL}{i:04d}": v for i, v in enumerate(model.variables)}
    rate = model.optimizer.learning_rate
    others = [v for v in model.optimizer.variables if v is not rate]
    keyed.update({f"optimizer_{i:04d}": v for i, v in enumerate(others)})
    if len(others) < len(model.optimizer.variables):
        keyed[_RATE] = rate
    return keyed


def _arrays(variables: Mapping[str, keras.Variable]) -> dict[str, Any]:
    return {
        key: keras.ops.convert_to_numpy(variable.value)
        for key, variable in variables.items()
    }


def metrics_of(model: keras.Model) -> dict[str, np.ndarray]:
    """The metrics' state inside an epoch; validation resets it."""
    found = _arrays(_metric_variables(model))
    return {key: np.array(array) for key, array in found.items()}


def _metric_variables(model: keras.Model) -> dict[str, keras.Variable]:
    return {f"{_METRIC}{i:04d}": v for i, v in enumerate(model.metrics_variables)}


def _is_metric(key: str) -> bool:
    return key.startswith(_METRIC)


def _is_callback(key: str) -> bool:
    return key.startswith(_CALLBACK)


def _assign(
    variables: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray]
) -> None:
    shapes = {key: tuple(variable.shape) for key, variable in variables.items()}
    numbers = all(array.dtype.kind in "biuf" for array in arrays.values())
    if not numbers or shapes != {key: array.shape for key, array in arrays.items()}:
        raise RunError("the checkpoint does not fit the network of its recipe.")
    for key, variable in variables.items():
        variable.assign(arrays[key])


def _digest(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
