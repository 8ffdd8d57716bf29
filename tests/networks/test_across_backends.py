"""A model saved under one backend is the same model under another."""

import os
import subprocess

import keras
import numpy as np
import pytest
import warm_python

from kerasnets.networks.adaptive_pool import adaptive_average_pool
from kerasnets.networks.blocks import Blocks

# A process that knows Keras alone: the saved model needs nothing of kerasnets.
UNDER_JAX = """
import sys, keras, numpy as np
folder = sys.argv[1]
model = keras.saving.load_model(f"{folder}/model.keras", safe_mode=True)
images = np.load(f"{folder}/images.npy")
np.save(f"{folder}/outputs.npy", model.predict(images, verbose=0))
"""


def model_of_every_piece():
    """Strided and padded windows, and the 7x7 maps that Keras's own pool fails on."""
    blocks = Blocks(batch_norm=True, glorot=False, data_format="channels_last")
    inputs = keras.Input((28, 39, 3))
    x = blocks.conv_norm_relu(inputs, 8, 7, "conv1", stride=2)
    x = blocks.max_pool(x, 3, "pool1", padding=1)
    x = blocks.norm_relu_conv(x, 4, 3, "conv2")
    x = adaptive_average_pool(x, 7, "channels_last", "head_pool")
    x = blocks.dropout(keras.layers.Flatten()(x), 0.2)
    return keras.Model(inputs, blocks.logits(x, 5, "glorot_uniform"))


def test_jax_gives_the_logits_of_this_backend(tmp_path):
    pytest.importorskip("jax")
    model = model_of_every_piece()
    assert model.get_layer("head_pool_rows").input.shape[1:3] == (7, 10)
    images = np.random.default_rng(0).normal(size=(2, 28, 39, 3)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    model.save(tmp_path / "model.keras")
    subprocess.run(
        [warm_python.executable("jax"), "-c", UNDER_JAX, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    logits = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), logits, atol=1e-5)
