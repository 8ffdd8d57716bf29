"""Building blocks shared by all networks.

Strided convolutions and pools are padded explicitly: "same" padding with strides pads
different sides under PyTorch than under JAX or TensorFlow.
"""

import math
import random
from dataclasses import dataclass

import keras
from keras import layers

from kerasnets.networks import initial_weights

# torchvision's values; its momentum of 0.1 is the weight of the new value.
_EPSILON = 1e-5
_DECAY = 0.9


@dataclass(frozen=True)
class Blocks:
    """Layer factories that share a network's options.

    Attributes:
        batch_norm: whether convolutions are followed (or preceded) by batch norm.
        glorot: Glorot initialization instead of the network's own: True for uniform,
            "normal" for normal kernels of the same variance.
        data_format: "channels_last" or "channels_first".
        conv_init: fan of the network's own He-normal convolution kernels, "fan_in" or
            "fan_out" (He et al. 2015).
        conv_bias: whether convolutions have a bias despite batch norm.
        seed: seed from which NumPy draws weights and dropout seeds; None for the
            backend's and Python's generators.
    """

    batch_norm: bool
    glorot: bool | str
    data_format: str
    conv_init: str = "fan_out"
    conv_bias: bool = False
    seed: int | None = None

    @property
    def channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def conv(self, x, filters: int, size: int, name: str, *, stride: int = 1):
        """Convolution with kernel size `size`, padded by size // 2 on every side."""
        padding = "same" if stride == 1 else "valid"
        if stride > 1 and size > 1:
            x = self._pad(x, size // 2, name)
        layer = layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding=padding,
            data_format=self.data_format,
            use_bias=self.conv_bias or not self.batch_norm,
            kernel_initializer=self._conv_kernel(),
            name=name,
        )
        return self._weighted(layer, x)

    def dense(self, x, units: int, name: str, kernel):
        """Dense layer with the kernel initializer `kernel` and zero biases."""
        layer = layers.Dense(units, kernel_initializer=kernel, name=name)
        return self._weighted(layer, x)

    def norm(self, x, name: str):
        """Batch norm, or `x` itself if the network has none."""
        if not self.batch_norm:
            return x
        return layers.BatchNormalization(
            axis=self.channel_axis, momentum=_DECAY, epsilon=_EPSILON, name=name
        )(x)

    def relu(self, x, name: str):
        return layers.ReLU(name=name)(x)

    def conv_norm_relu(self, x, filters: int, size: int, name: str, *, stride: int = 1):
        x = self.conv(x, filters, size, name, stride=stride)
        return self.relu(self.norm(x, f"{name}_norm"), f"{name}_relu")

    def norm_relu_conv(self, x, filters: int, size: int, name: str):
        x = self.relu(self.norm(x, f"{name}_norm"), f"{name}_relu")
        return self.conv(x, filters, size, name)

    def max_pool(self, x, size: int, name: str, *, stride: int = 2, padding: int = 0):
        """Max-pool. With padding, which adds zeros, `x` must be >= 0 (after a ReLU)."""
        if padding:
            x = self._pad(x, padding, name)
        return layers.MaxPooling2D(
            size, stride, data_format=self.data_format, name=name
        )(x)

    def average_pool(self, x, name: str):
        return layers.AveragePooling2D(2, data_format=self.data_format, name=name)(x)

    def global_pool(self, x, name: str = "global_pool"):
        return layers.GlobalAveragePooling2D(data_format=self.data_format, name=name)(x)

    def add(self, x, y, name: str):
        return layers.Add(name=name)([x, y])

    def concatenate(self, x, y, name: str):
        return layers.Concatenate(axis=self.channel_axis, name=name)([x, y])

    def dropout(self, x, rate: float, name: str = "dropout"):
        """Dropout, or `x` itself at rate 0."""
        if rate == 0:
            return x
        # An explicit seed keeps the random state in the model, and so in checkpoints;
        # otherwise PyTorch's global generator would be used.
        if self.seed is None:
            seed = random.randrange(2**31)
        else:
            seed = initial_weights.dropout_seed(self.seed, name)
        return layers.Dropout(rate, seed=seed, name=name)(x)

    def logits(self, x, classes: int, kernel, bias="zeros"):
        """The last layer; float32 under mixed precision too."""
        layer = layers.Dense(
            classes,
            kernel_initializer=glorot_kernel(self.glorot) or kernel,
            bias_initializer="zeros" if self.glorot else bias,
            dtype="float32",
            name="classifier",
        )
        return self._weighted(layer, x)

    def _weighted(self, layer: keras.Layer, x):
        """`layer(x)`, with the layer's initial weights."""
        if self.seed is None:
            return layer(x)
        return initial_weights.apply(layer, x, self.seed)

    def _pad(self, x, pixels: int, name: str):
        return layers.ZeroPadding2D(
            pixels, data_format=self.data_format, name=f"{name}_pad"
        )(x)

    def _conv_kernel(self) -> keras.initializers.Initializer:
        return glorot_kernel(self.glorot) or keras.initializers.VarianceScaling(
            2.0, mode=self.conv_init, distribution="untruncated_normal"
        )


def glorot_kernel(glorot: bool | str) -> keras.initializers.Initializer | None:
    """A Glorot initializer, or None for the network's own. It is new for each layer, as
    a shared one would give all layers the same values."""
    if glorot == "normal":
        return keras.initializers.VarianceScaling(
            1.0, mode="fan_avg", distribution="untruncated_normal"
        )
    return keras.initializers.GlorotUniform() if glorot else None


def torch_linear_init(fan_in: int) -> keras.initializers.Initializer:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for kernel and bias."""
    limit = 1 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)
