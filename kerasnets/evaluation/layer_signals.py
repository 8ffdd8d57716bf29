"""The magnitudes of a network's activations and gradients, layer by layer.

The method works under every backend: a variable of zeros is added to each measured
output, so that its gradient is the gradient at that output; then an optimizer that
stores gradients instead of applying them takes one step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True)
class LayerSignal:
    """Forward activations and backward gradients of one layer with a kernel, over one
    batch of images.

    The output is taken after a batch norm and ReLU that follow this layer only. RMS is
    the root mean square over images, positions and channels.

    Attributes:
        depth: the layer's position among those with a kernel, from 1 at the input.
        layer: the layer's name.
        signal_rms: RMS of the output.
        deviation_rms: RMS of the output's deviation from its mean over the images: the
            part of the signal that distinguishes images.
        gradient_rms: RMS of the loss's gradient at the output.
        kernel_rms: RMS of the kernel.
        kernel_gradient_rms: RMS of the loss's gradient at the kernel.
        dead_relus: share of the output's channels, in [0, 1], that are not positive for
            any image at any position, so that the weights before them receive no
            gradient; None if the output is not a ReLU's.
    """

    depth: int
    layer: str
    signal_rms: float
    deviation_rms: float
    gradient_rms: float
    kernel_rms: float
    kernel_gradient_rms: float
    dead_relus: float | None

    @property
    def telling_share(self) -> float:
        """deviation_rms / signal_rms, in [0, 1]; 0 if all images give the same output
        or there is no signal."""
        return self.deviation_rms / self.signal_rms if self.signal_rms else 0.0


def layer_signals(
    model: keras.Model, images: np.ndarray, labels: np.ndarray
) -> tuple[LayerSignal, ...]:
    """Measure every layer that has a kernel, in graph order.

    The network runs in training mode (batch statistics) but without dropout, and with
    Keras's own layers. The model is not changed.

    Args:
        model: functional, built under float32, compiled with the loss whose mean over
            the batch is differentiated.
        images: [N, H, W, C] or [N, C, H, W], according to the model; N at least 2.
        labels: [N], class indices.
    """
    ends = _outputs(model)
    probes: dict[str, _Probe] = {}

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.layers.Dropout):
            return args[0]
        output = layer(*args, **kwargs)
        if layer not in ends.values():
            return output
        probes[layer.name] = _Probe(name=f"{layer.name}_probe")
        return probes[layer.name](output)

    probed = keras.models.clone_model(
        keras.Model(model.inputs[0], model.outputs[0]),
        input_tensors=keras.Input(batch_shape=images.shape),
        clone_function=lambda layer: layer,  # the same layers, with the same weights
        call_function=call,
    )
    outputs = {name: probe.output for name, probe in probes.items()}
    with _kept([v for v in model.variables if not v.trainable]):
        values = keras.Model(probed.inputs[0], outputs)(images, training=True)
        gradients = _gradients(probed, model.loss, images, labels)
    rows = []
    for depth, (layer, end) in enumerate(ends.items(), start=1):
        value = keras.ops.convert_to_numpy(values[end.name])
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        row = LayerSignal(
            depth,
            layer.name,
            _rms(value),
            _rms(value - value.mean(axis=0, dtype=np.float64)),
            _rms(gradients[probes[end.name].zeros.path]),
            _rms(kernel),
            _rms(gradients[layer.kernel.path]),
            _dead(value, end),
        )
        rows.append(row)
    return tuple(rows)


class _Probe(keras.Layer):
    """Adds a variable of zeros with the shape of the batch."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.zeros = self.add_weight(
            shape=input_shape, initializer="zeros", name="zeros"
        )

    def call(self, x: Any) -> Any:
        return x + self.zeros


class _KeepGradients(keras.optimizers.Optimizer):
    """Stores the gradient of each variable in `kept` instead of applying it."""

    def __init__(self) -> None:
        super().__init__(learning_rate=1.0)

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        self.kept = self.add_optimizer_variables(variables, "gradient")

    def update_step(self, gradient: Any, variable: keras.Variable, rate: Any) -> None:
        self.assign(self.kept[self._get_variable_index(variable)], gradient)


def _gradients(
    model: keras.Model, loss: Any, images: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """The loss's gradient at every trainable variable, by path."""
    optimizer = _KeepGradients()
    # Compilation does not pay off for a single step.
    model.compile(optimizer=optimizer, loss=loss, run_eagerly=True)
    model.train_on_batch(images, labels)
    return {
        variable.path: keras.ops.convert_to_numpy(gradient)
        for variable, gradient in zip(
            model.trainable_variables, optimizer.kept, strict=True
        )
    }


@contextmanager
def _kept(variables: list[keras.Variable]) -> Iterator[None]:
    """Restore the variables at the end (moving statistics of batch norm)."""
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _outputs(model: keras.Model) -> dict[keras.Layer, keras.Layer]:
    """Each layer with a kernel, mapped to the layer of its output: the last of the
    batch norm and ReLU that follow it only, else itself."""
    readers: dict[int, list[keras.Layer]] = {}
    for layer in model.layers:
        for tensor in keras.tree.flatten(layer.input):
            readers.setdefault(id(tensor), []).append(layer)
    ends = {}
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        end = layer
        while True:
            following = readers.get(id(end.output), [])
            if len(following) != 1 or not isinstance(following[0], _PART_OF_OUTPUT):
                break
            end = following[0]
        ends[layer] = end
    return ends


_PART_OF_OUTPUT = (keras.layers.BatchNormalization, keras.layers.ReLU)


def _rms(values: np.ndarray) -> float:
    # In float64, as squares of small gradients underflow in float32.
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def _dead(values: np.ndarray, end: keras.Layer) -> float | None:
    if not isinstance(end, keras.layers.ReLU):
        return None
    first = keras.config.image_data_format() == "channels_first" and values.ndim == 4
    channel = 1 if first else values.ndim - 1
    others = tuple(axis for axis in range(values.ndim) if axis != channel)
    return float((values.max(axis=others) <= 0).mean())
