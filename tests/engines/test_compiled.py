"""A network that torch.compile compiles is one graph, with the engine's own results."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.engines import choice

torch = pytest.importorskip("torch")


def made(engine: str) -> keras.Model:
    """A network with every kind of layer that dense and residual networks have."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(2)(x)
    y = layers.ReLU()(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.Concatenate()([layers.Add()([x, y]), y])
    x = layers.Conv2D(8, 3, padding="same")(layers.AveragePooling2D(4)(x))
    x = layers.Dropout(0.3, seed=5)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(10)(x))
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.optimizer.build(model.trainable_variables)
    choice.use(model, engine)
    return model


def test_it_is_one_graph_and_trains_alike(monkeypatch):
    compile_ = torch.compile

    def without_a_compiler(run, **options):
        return compile_(run, backend="aot_eager", fullgraph=True, **options)

    monkeypatch.setattr(torch, "compile", without_a_compiler)
    found = []
    for engine in ("torch_graph", "torch_compile"):
        rng = np.random.default_rng(0)
        model = made(engine)
        losses = [
            float(model.train_on_batch(rng.random((count, 8, 8, 3)), np.arange(count)))
            for count in (4, 4, 3, 4)  # one of another size runs as it is
        ]
        found.append((losses, model.predict_on_batch(rng.random((4, 8, 8, 3)))))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)
