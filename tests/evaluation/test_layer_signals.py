"""What is said of a layer is what passes through it."""

import json
import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
import warm_python

from kerasnets.evaluation.layer_signals import layer_signals
from kerasnets.networks.blocks import Blocks

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 8, 8, 3)).astype("float32")
LABELS = RNG.integers(5, size=6)


def small_network(*, batch_norm: bool, dropout: float = 0.0):
    """A convolution and a dense layer, with ReLUs, before the logits."""
    keras.utils.set_random_seed(0)
    blocks = Blocks(batch_norm, glorot=True, data_format="channels_last")
    inputs = keras.Input((8, 8, 3))
    x = blocks.conv_norm_relu(inputs, 4, 3, "conv1")
    x = blocks.global_pool(blocks.max_pool(x, 2, "pool"))
    x = blocks.relu(keras.layers.Dense(7, name="fc")(x), "fc_relu")
    x = blocks.dropout(x, dropout)
    model = keras.Model(inputs, blocks.logits(x, 5, "glorot_uniform"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    return model


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values, np.float64)))))


def loss_of(logits) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(len(LABELS)), LABELS].mean())


def test_forward_signals_are_the_layers_own():
    model = small_network(batch_norm=False)
    conv, fc, classifier = layer_signals(model, IMAGES, LABELS)
    assert [s.layer for s in (conv, fc, classifier)] == ["conv1", "fc", "classifier"]
    assert [s.depth for s in (conv, fc, classifier)] == [1, 2, 3]
    logits = np.asarray(model.predict(IMAGES, verbose=0), np.float64)
    assert classifier.signal_rms == pytest.approx(rms(logits), rel=1e-5)
    spread = rms(logits - logits.mean(axis=0))
    assert classifier.deviation_rms == pytest.approx(spread, rel=1e-5)
    assert classifier.telling_share == pytest.approx(spread / rms(logits), rel=1e-5)
    until_relu = keras.Model(model.input, model.get_layer("conv1_relu").output)
    assert conv.signal_rms == pytest.approx(
        rms(until_relu.predict(IMAGES, verbose=0)), rel=1e-5
    )
    assert conv.kernel_rms == pytest.approx(
        rms(model.get_layer("conv1").kernel), rel=1e-5
    )
    assert classifier.dead_relus is None


def test_gradients_at_the_logits_are_the_formula():
    model = small_network(batch_norm=True)
    *_, classifier = layer_signals(model, IMAGES, LABELS)
    # Batch statistics, as in training.
    logits = np.asarray(
        keras.ops.convert_to_numpy(model(IMAGES, training=True)), np.float64
    )
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = (p - np.eye(5)[LABELS]) / len(LABELS)
    assert classifier.gradient_rms == pytest.approx(rms(expected), rel=1e-4)


def test_gradients_at_a_kernel_are_slopes_of_the_loss():
    model = small_network(batch_norm=False)
    conv, *_ = layer_signals(model, IMAGES, LABELS)
    kernel = model.get_layer("conv1").kernel
    at = keras.ops.convert_to_numpy(kernel).copy()
    slopes = np.zeros(at.size)
    for index in range(at.size):
        losses = []
        for move in (1e-2, -1e-2):
            moved = at.copy()
            moved.flat[index] += move
            kernel.assign(moved)
            losses.append(loss_of(keras.ops.convert_to_numpy(model(IMAGES))))
        slopes[index] = (losses[0] - losses[1]) / 2e-2
    assert conv.kernel_gradient_rms == pytest.approx(rms(slopes), rel=2e-2)


def test_measuring_changes_nothing_and_ignores_dropout():
    model = small_network(batch_norm=True, dropout=0.9)
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]
    first = layer_signals(model, IMAGES, LABELS)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert layer_signals(model, IMAGES, LABELS) == first
    assert model.compiled and len(model.layers) == len(set(model.layers))


def test_dead_relus_and_images_that_look_alike():
    model = small_network(batch_norm=False)
    fc = model.get_layer("fc")
    fc.bias.assign([-100.0] * 3 + [100.0] * 4)
    same = np.repeat(IMAGES[:1], 6, axis=0)
    _, dense, classifier = layer_signals(model, same, LABELS)
    assert dense.dead_relus == pytest.approx(3 / 7)
    assert classifier.deviation_rms == pytest.approx(0, abs=1e-4)
    assert classifier.telling_share == pytest.approx(0, abs=1e-5)


UNDER_JAX = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
import keras, test_layer_signals as here
model = here.small_network(batch_norm=True)
weights = json.loads(sys.stdin.read())
model.set_weights([keras.ops.array(w) for w in weights])
found = here.layer_signals(model, here.IMAGES, here.LABELS)
print(json.dumps([dataclasses.asdict(signal) for signal in found]))
"""


def test_jax_measures_the_same():
    pytest.importorskip("jax")
    model = small_network(batch_norm=True)
    weights = [keras.ops.convert_to_numpy(w).tolist() for w in model.weights]
    folder = str(Path(__file__).parent)
    result = subprocess.run(
        [warm_python.executable("jax"), "-c", UNDER_JAX, folder],
        input=json.dumps(weights),
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    for theirs, ours in zip(
        json.loads(result.stdout.splitlines()[-1]),
        layer_signals(model, IMAGES, LABELS),
        strict=True,
    ):
        assert theirs.pop("layer") == ours.layer
        for name, value in theirs.items():
            # The last layer's dead ReLUs are None.
            expected = value if value is None else pytest.approx(value, rel=1e-4)
            assert getattr(ours, name) == expected, name
