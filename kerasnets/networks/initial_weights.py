"""Initial weights drawn by NumPy, so that every backend starts from the same bits.

A layer's initial weights depend on the seed and on its own name only, not on other
layers.
"""

import hashlib
import math

import keras
import numpy as np
from keras import initializers, ops

# With the same seed, `kerasnets.datasets` draws from other streams: 0 and 3 splits,
# 1 order, 2 and 4 to 8 augmentation. Its stream 3 differs too: a layer's name is part
# of this one.
_STREAM = 3


class Drawn(initializers.Initializer):
    """Values of another initializer's distribution, drawn by NumPy.

    Args:
        like: the initializer, one of those used by kerasnets's networks.
        seed: a whole number >= 0.
        name: the variable's name with its layer's, such as "fc1/kernel".
    """

    def __init__(self, like: initializers.Initializer, seed: int, name: str) -> None:
        self.like, self.seed, self.name = like, seed, name

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None):
        values = _draw(self.like, shape, _generator(self.seed, self.name))
        # A copy in the backend's memory: alignment may affect the last bits of results,
        # and that of NumPy's memory varies from run to run.
        return ops.copy(ops.convert_to_tensor(values, dtype))


def apply(layer: keras.Layer, x, seed: int):
    """`layer(x)`, with kernel and bias drawn by NumPy. The layer's config keeps its
    original initializers, so that the model loads without kerasnets."""
    own = layer.kernel_initializer, layer.bias_initializer
    layer.kernel_initializer, layer.bias_initializer = (
        _drawn(initializer, seed, f"{layer.name}/{variable}")
        for initializer, variable in zip(own, ("kernel", "bias"), strict=True)
    )
    try:
        return layer(x)
    finally:
        layer.kernel_initializer, layer.bias_initializer = own


def dropout_seed(seed: int, name: str) -> int:
    """The seed of the dropout layer `name`, in 0 ... 2^31 - 1."""
    return int(_generator(seed, f"{name}/seed").integers(2**31))


def _drawn(
    initializer: initializers.Initializer, seed: int, name: str
) -> initializers.Initializer:
    if isinstance(initializer, initializers.Zeros):
        return initializer
    return Drawn(initializer, seed, name)


def _generator(seed: int, name: str) -> np.random.Generator:
    digest = hashlib.sha256(name.encode()).digest()
    entropy = [seed, _STREAM, *np.frombuffer(digest, "<u4").tolist()]
    # For normal values a third faster than NumPy's default; VGG-19 has 140 million.
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy)))


def _draw(
    like: initializers.Initializer, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """float32 values of a distribution."""
    if isinstance(like, initializers.RandomNormal):
        return _normal(like.stddev, shape, rng)
    if isinstance(like, initializers.RandomUniform):
        return _uniform(like.maxval, shape, rng)
    if isinstance(like, initializers.VarianceScaling):
        variance = like.scale / _fan(like.mode, shape)
        if like.distribution == "uniform":
            return _uniform(math.sqrt(3 * variance), shape, rng)
        if like.distribution == "untruncated_normal":
            return _normal(math.sqrt(variance), shape, rng)
    raise TypeError(f"no rule to draw {like} by NumPy.")


def _fan(mode: str, shape: tuple[int, ...]) -> float:
    """Fan-in, fan-out or their mean, for a kernel [..., in, out]."""
    *window, inputs, outputs = shape
    fans = {
        "fan_in": inputs,
        "fan_out": outputs,
        "fan_avg": (inputs + outputs) / 2,
    }
    return fans[mode] * math.prod(window)


def _normal(std: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    values = rng.standard_normal(shape, dtype=np.float32)
    values *= np.float32(std)
    return values


def _uniform(
    limit: float, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    values = rng.random(shape, dtype=np.float32)
    values *= np.float32(2 * limit)
    values -= np.float32(limit)
    return values
