"""Layers with learning rates of their own train as torch.optim's parameter groups."""

import keras
import numpy as np
import pytest

from kerasnets.engines import choice
from kerasnets.recipe import Recipe
from kerasnets.training.compile import compile_model

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="compares with torch.optim"
)

RATE, FACTOR, DECAY, STEPS = 0.01, 5.0, 0.1, 6


def network() -> keras.Model:
    """A kernel that meets a 2x2 map, a norm, and a dense layer."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((2, 2, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    x = keras.layers.Flatten()(keras.layers.ReLU()(x))
    return keras.Model(inputs, keras.layers.Dense(4, name="classifier")(x))


def trained(engine: str, **named) -> list[np.ndarray]:
    model = network()
    recipe = Recipe.for_paper("vgg11", "digits", learning_rate=RATE, **named)
    # As `kerasnets.networks.stages.rates` finds them for the networks of the table.
    factors = {id(one): FACTOR for one in model.get_layer("classifier").weights}
    with pytest.MonkeyPatch.context() as patched:
        target = "kerasnets.training.optimization.optimizer.rates"
        patched.setattr(target, lambda *arguments: factors)
        compile_model(model, recipe, num_classes=4, steps_per_epoch=STEPS)
    model.optimizer.build(model.trainable_variables)
    choice.use(model, engine)
    for x, y in batches():
        model.train_step((torch.from_numpy(x), torch.from_numpy(y)))
    return [keras.ops.convert_to_numpy(one) for one in model.trainable_variables]


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(8, 2, 2, 3)).astype("float32"), rng.integers(0, 4, 8))
        for _ in range(STEPS)
    ]


def by_torch(kind, **named) -> list[np.ndarray]:
    model = network()
    weights = [one.value for one in model.trainable_variables]
    groups = [
        {"params": weights[:-2], "lr": RATE},
        {"params": weights[-2:], "lr": RATE * FACTOR},
    ]
    optimizer = kind(groups, weight_decay=DECAY, **named)
    for x, y in batches():
        optimizer.zero_grad()
        logits = model(torch.from_numpy(x), training=True)
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)).backward()
        optimizer.step()
    return [keras.ops.convert_to_numpy(one) for one in model.trainable_variables]


@pytest.mark.parametrize("engine", ["torch_graph", "keras"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd(engine, nesterov):
    wanted = by_torch(torch.optim.SGD, momentum=0.9, nesterov=nesterov)
    found = trained(engine, weight_decay=DECAY, nesterov=nesterov)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_adamw():
    wanted = by_torch(torch.optim.AdamW, eps=1e-7)
    named = {"optimizer": "adamw", "decay": "decoupled", "weight_decay": DECAY}
    for ours, theirs in zip(trained("torch_graph", **named), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
