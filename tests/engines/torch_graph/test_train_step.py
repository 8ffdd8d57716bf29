"""The engine's training step is Keras's."""

import keras
import numpy as np
import pytest
from keras import layers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the engine is the PyTorch backend's"
)

pytest.importorskip("torch")

from kerasnets.engines import install  # noqa: E402


def model(lowered: bool, cls: type[keras.Model] = keras.Model) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, kernel_regularizer="l2", name="conv")(inputs)
    x = layers.Dropout(0.4, seed=3)(layers.Flatten()(layers.ReLU()(x)))
    made = cls(inputs, layers.Dense(4, name="classifier")(x))
    made.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    made.optimizer.build(made.trainable_variables)
    if lowered:
        install.install(made)
    return made


def batch():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 4, 4, 2)).astype("float32")
    return x, rng.integers(0, 4, 6), rng.random(6)


def test_regularizers_weights_of_samples_and_metrics_count():
    logs = []
    for lowered in (True, False):
        made = model(lowered)
        for _ in range(3):
            found = made.train_on_batch(*batch(), return_dict=True)
        logs.append(found)
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)
    assert len(logs[0]) == 3


def test_weights_are_frozen_and_freed_between_steps():
    made = model(True)
    conv = made.get_layer("conv")

    def moved() -> bool:
        before = np.array(conv.kernel)
        made.train_on_batch(*batch())
        return not np.array_equal(conv.kernel, before)

    assert moved()
    conv.trainable = False
    assert not moved()
    conv.trainable = True
    assert moved()


def test_a_training_step_of_the_users_own_stays():
    class Mine(keras.Model):
        def train_step(self, data):
            return {**super().train_step(data), "mine": 1.0}

    found = model(True, Mine).train_on_batch(*batch(), return_dict=True)
    assert found["mine"] == 1.0
