"""What training left in a run folder for those who come after it."""

from typing import TYPE_CHECKING, Any

from kerasnets.errors import RunError
from kerasnets.runs import Run, read_json

if TYPE_CHECKING:
    import keras


def check_trained(run: Run) -> None:
    """Raise RunError unless training has written its model."""
    if not run.model_file.is_file():
        raise RunError(
            f"{run.path} has no model.keras: its training has not finished; continue "
            f"it with 'kerasnets fit ... --out {run.path} --resume'."
        )


def load_model(run: Run) -> "keras.Model":
    """The trained network: a functional Keras model giving logits, not compiled.

    Raises:
        RunError: training has not finished, or model.keras is damaged.
    """
    check_trained(run)
    import keras

    try:
        return keras.saving.load_model(run.model_file, compile=False, safe_mode=True)
    except Exception as error:
        # A damaged archive fails in the zip, JSON, HDF5 or Keras reader, each with
        # errors of its own.
        raise RunError(
            f"{run.model_file} cannot be read as a Keras model: it is damaged, or was "
            "not written by kerasnets."
        ) from error


def environment(run: Run) -> dict[str, Any]:
    """What training recorded of its machine and its data.

    Raises:
        RunError: environment.json is missing or damaged.
    """
    try:
        return read_json(run.path / "environment.json")
    except FileNotFoundError as error:
        raise RunError(
            f"{run.path} has no environment.json: it is not a whole run folder."
        ) from error
