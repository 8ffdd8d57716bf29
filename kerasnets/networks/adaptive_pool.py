"""Adaptive average pooling that is identical under every Keras backend.

Keras's own layer (3.15) is correct under PyTorch, but under JAX it yields NaN or wrong
averages for most map sizes, including 7x7, and under TensorFlow it fails on maps of one
pixel. Sizes are known when a network is built, so ordinary layers can do the same.
"""

import keras
from keras import layers


def adaptive_average_pool(x, size: int, data_format: str, name: str):
    """[N, H, W, C] -> [N, size, size, C], by PyTorch's rule.

    Window i covers pixels floor(i * H / size) (inclusive) to ceil((i + 1) * H / size)
    (exclusive), and likewise for the width. Windows overlap if `size` does not divide
    H.
    """
    first = 1 if data_format == "channels_last" else 2
    if tuple(x.shape[first : first + 2]) == (1, 1):  # one pixel, repeated
        # The other backends keep this layer because upsampling sums gradients in
        # another order: runs that began with it resume to the same bits.
        on_tensorflow = keras.backend.backend() == "tensorflow"
        one = layers.UpSampling2D if on_tensorflow else layers.AdaptiveAveragePooling2D
        return one(size, data_format=data_format, name=name)(x)
    x = _pool_axis(x, 0, size, data_format, f"{name}_rows")
    return _pool_axis(x, 1, size, data_format, name)


def _pool_axis(x, axis: int, size: int, data_format: str, name: str):
    """Pool along one axis: 0 for rows, 1 for columns."""
    position = axis + (1 if data_format == "channels_last" else 2)
    length = x.shape[position]

    def average(x, window: int, name: str):
        pool = (window, 1) if axis == 0 else (1, window)
        return layers.AveragePooling2D(pool, data_format=data_format, name=name)(x)

    if length % size == 0:
        return average(x, length // size, name)
    parts = []
    for index in range(size):
        start, stop = index * length // size, -(-(index + 1) * length // size)
        crop = [(0, 0), (0, 0)]
        crop[axis] = (start, length - stop)
        part = layers.Cropping2D(
            tuple(crop), data_format=data_format, name=f"{name}{index + 1}_crop"
        )(x)
        parts.append(average(part, stop - start, f"{name}{index + 1}"))
    return layers.Concatenate(axis=position, name=name)(parts)
