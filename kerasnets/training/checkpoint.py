"""Checkpoints: everything a run needs to go on, in one file that is whole or absent.

A checkpoint is an uncompressed .npz archive, readable under every backend, with
every variable of the model (weights, moving statistics, dropout's random state) and
of the optimizer, and a JSON entry with the epoch, the tables so far and a SHA-256
digest over all of it.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import runs
from kerasnets.errors import RunError
from kerasnets.training.epoch_table import EpochTable

# The newest, and the one before it in case the newest is damaged.
KEPT = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read from disk and checked against its digest.

    Attributes:
        epoch: epochs completed.
        tables: rows of each `EpochTable`, by file name.
        arrays: variable values, by position.
    """

    epoch: int
    tables: dict[str, list[list[Any]]]
    arrays: dict[str, np.ndarray]

    def restore(self, model: keras.Model, tables: Mapping[str, EpochTable]) -> None:
        """Put model, optimizer and tables back to where they were.

        Raises:
            RunError: the checkpoint is of another network or optimizer.
        """
        variables = _variables(model)
        shapes = {key: tuple(variable.shape) for key, variable in variables.items()}
        if shapes != {key: array.shape for key, array in self.arrays.items()}:
            raise RunError("the checkpoint does not fit the network of its recipe.")
        for key, variable in variables.items():
            variable.assign(self.arrays[key])
        for name, table in tables.items():
            table.rows = [list(row) for row in self.tables.get(name, [])]
            table.write()


def save(
    folder: Path, model: keras.Model, epoch: int, tables: Mapping[str, EpochTable]
) -> Path:
    """Write a checkpoint after `epoch` completed epochs, then drop the oldest ones."""
    folder.mkdir(exist_ok=True)
    arrays = {
        key: keras.ops.convert_to_numpy(variable.value)
        for key, variable in _variables(model).items()
    }
    state = {"epoch": epoch, "tables": {name: t.rows for name, t in tables.items()}}
    state["digest"] = _digest(state, arrays)
    path = folder / f"epoch-{epoch:05d}.npz"
    with runs.atomic_file(path, "wb") as file:
        np.savez(file, state=np.array(json.dumps(state)), **arrays)
    for old in _files(folder)[KEPT:]:
        runs.remove(old)
    return path


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is intact, or None where there is none at all.

    A damaged one is passed over with a warning.

    Raises:
        RunError: there are checkpoints, but every one is damaged.
    """
    files = _files(folder)
    for path in files:
        checkpoint = _read(path)
        if checkpoint:
            return checkpoint
        _log.warning("%s is damaged; going back to the checkpoint before it", path)
    if files:
        raise RunError(
            f"every checkpoint in {folder} is damaged; --overwrite starts afresh."
        )
    return None


def _read(path: Path) -> Checkpoint | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        state = json.loads(str(arrays.pop("state")))
        digest = state.pop("digest")
        if digest != _digest(state, arrays):
            return None
        return Checkpoint(int(state["epoch"]), dict(state["tables"]), arrays)
    except Exception:  # a damaged archive fails in the zip, NumPy or JSON reader
        return None


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.npz"), reverse=True)


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    keyed = {f"model_{i:04d}": v for i, v in enumerate(model.variables)}
    keyed.update(
        {f"optimizer_{i:04d}": v for i, v in enumerate(model.optimizer.variables)}
    )
    return keyed


def _digest(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
