"""A network that torch.compile compiles is one graph, with the engine's own results."""

import warnings

import keras
import numpy as np
import pytest
from backend_here import only_under
from keras import layers

from kerasnets.engines import choice

torch = pytest.importorskip("torch")
from kerasnets.engines.torch_graph.convolution.small_maps import SmallMapConv  # noqa: E402


def made(engine: str, frozen: int = 0) -> keras.Model:
    """A network with every kind of layer that dense and residual networks have, the
    first layers frozen."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(2)(x)
    y = layers.ReLU()(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.Concatenate()([layers.Add()([x, y]), y])
    x = layers.Conv2D(8, 3, padding="same")(layers.AveragePooling2D(4)(x))
    drop = layers.Dropout(0.3, seed=5)  # used twice
    x = drop(layers.Dense(6)(drop(layers.GlobalAveragePooling2D()(x))))
    model = keras.Model(inputs, layers.Dense(10)(x))
    for layer in model.layers[:frozen]:
        layer.trainable = False
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.optimizer.build(model.trainable_variables)
    choice.use(model, engine)
    return model


@only_under("torch")
@pytest.mark.parametrize("frozen", [0, 6])
def test_it_is_one_graph_and_trains_alike(monkeypatch, frozen):
    compile_ = torch.compile

    def without_a_compiler(run, **options):
        return compile_(run, backend="aot_eager", fullgraph=True, **options)

    monkeypatch.setattr(torch, "compile", without_a_compiler)
    found = []
    for engine in ("keras", "torch_graph", "torch_compile"):
        rng = np.random.default_rng(0)
        model = made(engine, frozen)
        losses, logits = [], []
        for count in (4, 4, 3, 4):  # one of another size runs as it is
            images = rng.random((count, 8, 8, 3))
            losses.append(float(model.train_on_batch(images, np.arange(count))))
            # With the weights of this step, whatever was folded before.
            logits.append(model.predict_on_batch(rng.random((4, 8, 8, 3))))
        found.append((losses, np.array(logits)))
    for losses, logits in found[1:]:
        np.testing.assert_allclose(losses, found[0][0], rtol=1e-5)
        np.testing.assert_allclose(logits, found[0][1], rtol=1e-4, atol=1e-5)


def test_compilation_warns_of_nothing():
    def without_a_compiler(x, kernel):
        return SmallMapConv.apply(x, kernel, 1, None)

    x, kernel = torch.rand(2, 2, 2, 3), torch.rand(3, 3, 3, 4, requires_grad=True)
    expected = without_a_compiler(x, kernel)
    compiled = torch.compile(without_a_compiler, backend="aot_eager", fullgraph=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = compiled(x, kernel)
        found.sum().backward()
    assert [str(one.message) for one in told] == []
    np.testing.assert_allclose(found.detach(), expected.detach(), rtol=1e-6)
