"""The exponential moving average of a network's weights.

The average is validated and saved; training continues from the weights themselves.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnets.training.optimization.optimizer import steps_done


class Averages(keras.callbacks.Callback):
    """Averages of all weights of a model, including the statistics of its norms. They
    replace the weights during validation.

    They are variables of the optimizer, and so part of checkpoints. After update n they
    move by 1 - min(decay, (1 + n) / (10 + n)) of the distance to the weights, as in
    TensorFlow's ExponentialMovingAverage, so that the initial weights do not dominate
    a short run.

    Args:
        model: compiled, its optimizer built and its engine installed.
        decay: in (0, 1).
        accumulate: batches per update.
    """

    def __init__(self, model: keras.Model, decay: float, accumulate: int = 1) -> None:
        super().__init__()
        self.decay = decay
        self.accumulate = accumulate
        self._optimizer = model.optimizer
        self._weights = [
            one for one in model.weights if keras.backend.is_float_dtype(one.dtype)
        ]
        inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        self._averages = [
            inner.add_variable_from_reference(one, name="average")
            for one in self._weights
        ]
        # A copy: a JAX step does not accept two variables that share a buffer.
        _assign(self._averages, self._of_weights())
        self._held: list[np.ndarray] | None = None
        self._move = self._keras_move
        self._constants: contextlib.AbstractContextManager = contextlib.nullcontext()
        if keras.backend.backend() == "torch":
            from kerasnets.engines.torch_graph.captured_step import Constants
            from kerasnets.engines.torch_graph.update.averages import TorchAverages

            # Copying a number to the device in each step would wait for it.
            self._constants = Constants()
            self._move = TorchAverages(self._averages, self._weights).move
        wrap = _on_jax if keras.backend.backend() == "jax" else _in_place
        model.train_step = wrap(model, model.train_step, self.update)

    def update(self) -> None:
        """Update the averages; called after each step."""
        with self._constants:
            self._move(self._share())

    def _share(self) -> Any:
        """The part of the distance to the weights by which the averages move."""
        steps = steps_done(self._optimizer)
        updates = ops.cast(ops.floor_divide(steps, self.accumulate), "float32")
        share = 1.0 - ops.minimum(self.decay, (1.0 + updates) / (10.0 + updates))
        if self.accumulate > 1:
            updated = ops.equal(ops.mod(steps, self.accumulate), 0)
            share = share * ops.cast(updated, "float32")
        return share

    def _keras_move(self, share: Any) -> None:
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign(average + share * (weight - average))

    def arrays(self) -> list[np.ndarray]:
        """The averages, in the order of the float weights."""
        return [np.array(ops.convert_to_numpy(one)) for one in self._averages]

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._held = self._of_weights()
        self.put_into_model()

    def on_test_end(self, logs: dict | None = None) -> None:
        if self._held is not None:
            _assign(self._weights, self._held)
        self._held = None

    def put_into_model(self) -> None:
        """Assign the averages to the model's weights."""
        _assign(self._weights, self.arrays())

    def _of_weights(self) -> list[np.ndarray]:
        return [np.array(ops.convert_to_numpy(one)) for one in self._weights]


def _assign(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _in_place(
    model: keras.Model, step: Callable[..., Any], update: Callable[[], None]
) -> Callable[..., Any]:
    def averaged(data: Any) -> Any:
        logs = step(data)
        update()
        return logs

    return averaged


def _on_jax(
    model: keras.Model, step: Callable[..., Any], update: Callable[[], None]
) -> Callable[..., Any]:
    """As `_in_place`, for JAX's stateless steps."""

    def averaged(state: Any, data: Any) -> Any:
        logs, (trainable, others, optimizer, metrics) = step(state, data)
        values = [
            *zip(model.trainable_variables, trainable, strict=True),
            *zip(model.non_trainable_variables, others, strict=True),
            *zip(model.optimizer.variables, optimizer, strict=True),
        ]
        with keras.StatelessScope(state_mapping=values) as scope:
            update()
        optimizer = [scope.get_current_value(one) for one in model.optimizer.variables]
        return logs, (trainable, others, optimizer, metrics)

    return averaged
