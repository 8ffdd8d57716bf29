"""Adaptive average pooling that is the same under every Keras backend.

Keras's own layer (3.15) is right under PyTorch, but under JAX it gives NaN or wrong
averages at most map sizes, 7x7 among them, and under TensorFlow it fails on maps of one
pixel. The sizes are known when a network is built, so ordinary layers do the same.
"""

import keras
from keras import layers


def adaptive_average_pool(x, size: int, data_format: str, name: str):
    """[N, H, W, C] -> [N, size, size, C], by PyTorch's rule.

    Window i covers the pixels from floor(i * H / size) to ceil((i + 1) * H / size),
    the last excluded, and likewise for the width. Windows overlap or repeat pixels
    where `size` does not divide H.
    """
    first = 1 if data_format == "channels_last" else 2
    if tuple(x.shape[first : first + 2]) == (1, 1):  # one pixel, repeated
        # Other backends keep the layer of earlier versions, whose gradient adds up in
        # another order: runs that began with it continue to the bit.
        on_tensorflow = keras.backend.backend() == "tensorflow"
        one = layers.UpSampling2D if on_tensorflow else layers.AdaptiveAveragePooling2D
        return one(size, data_format=data_format, name=name)(x)
    x = _pool_axis(x, 0, size, data_format, f"{name}_rows")
    return _pool_axis(x, 1, size, data_format, name)


def _pool_axis(x, axis: int, size: int, data_format: str, name: str):
    """The same along one axis: 0 pools rows, 1 columns."""
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
