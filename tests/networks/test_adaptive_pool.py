import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnets.networks.adaptive_pool import adaptive_average_pool


def by_definition(images, size):
    """Means of the windows [floor(i H / size), ceil((i + 1) H / size))."""
    rows, columns = (
        [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
        for n in images.shape[1:3]
    )
    return np.stack(
        [
            np.stack([images[:, a:b, c:d].mean((1, 2)) for c, d in columns], 1)
            for a, b in rows
        ],
        1,
    )


def pool(images, size, data_format):
    order = (0, 1, 2, 3) if data_format == "channels_last" else (0, 3, 1, 2)
    images = images.transpose(order)
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, adaptive_average_pool(inputs, size, data_format, "p"))
    pooled = keras.ops.convert_to_numpy(model(images))
    return pooled.transpose(np.argsort(order))


@settings(max_examples=20)
@given(
    height=st.integers(1, 23),
    width=st.integers(1, 23),
    size=st.integers(1, 7),
    data_format=st.sampled_from(["channels_last", "channels_first"]),
)
def test_windows_are_pytorchs(height, width, size, data_format):
    images = np.random.default_rng(0).random((2, height, width, 3), "float32")
    got = pool(images, size, data_format)
    np.testing.assert_allclose(got, by_definition(images, size), atol=1e-6)


@pytest.mark.parametrize("pixels", [(1, 1), (2, 2), (7, 7), (10, 10), (14, 3)])
def test_seven_windows_of_vggs_maps(pixels):
    images = np.random.default_rng(0).random((1, *pixels, 2), "float32")
    got = pool(images, 7, "channels_last")
    np.testing.assert_allclose(got, by_definition(images, 7), atol=1e-6)


def test_keras_own_adaptive_pool_is_used_where_it_is_right(monkeypatch):
    """It fails under TensorFlow on one pixel, and under JAX on other maps."""
    inputs = keras.Input((1, 1, 2))
    for backend, kind in (("torch", "Adaptive"), ("tensorflow", "UpSampling")):
        monkeypatch.setattr(keras.backend, "backend", lambda backend=backend: backend)
        layer = adaptive_average_pool(inputs, 7, "channels_last", "p")
        assert kind in type(layer._keras_history.operation).__name__
    monkeypatch.undo()
    for pixels in ((2, 2), (7, 7), (10, 10)):
        inputs = keras.Input((*pixels, 2))
        model = keras.Model(
            inputs, adaptive_average_pool(inputs, 7, "channels_last", "p")
        )
        kinds = {type(layer).__name__ for layer in model.layers}
        assert not any("Adaptive" in kind for kind in kinds), kinds
