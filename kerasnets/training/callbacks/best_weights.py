"""The weights of the epoch with the highest validation accuracy."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnets.errors import RunError


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch so far; of equal epochs, the first.

    Checkpoints store them through `get_state`.

    Args:
        weights: returns the weights to keep after an epoch; by default the model's.
    """

    def __init__(self, weights: Callable[[], list[np.ndarray]] | None = None) -> None:
        super().__init__()
        self._weights_now = weights or self._of_model
        self._accuracy: float | None = None
        self._weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        accuracy = float((logs or {})["val_accuracy"])
        if self._accuracy is None or accuracy > self._accuracy:
            self._accuracy, self._weights = accuracy, self._weights_now()

    def put_into_model(self) -> None:
        """Assign the kept weights to the model.

        Raises:
            RunError: they came from a checkpoint of another network.
        """
        if [one.shape for one in self._of_model()] != [
            getattr(one, "shape", None) for one in self._weights
        ]:
            raise RunError("the checkpoint does not fit the network of its recipe.")
        floats = [
            one for one in self.model.weights if keras.backend.is_float_dtype(one.dtype)
        ]
        for variable, array in zip(floats, self._weights, strict=True):
            variable.assign(array)

    def get_state(self) -> dict[str, Any]:
        return {"accuracy": self._accuracy, "weights": self._weights}

    def set_state(self, state: dict[str, Any]) -> None:
        self._accuracy, self._weights = state["accuracy"], list(state["weights"])

    def _of_model(self) -> list[np.ndarray]:
        return [
            np.array(ops.convert_to_numpy(one))
            for one in self.model.weights
            if keras.backend.is_float_dtype(one.dtype)
        ]
