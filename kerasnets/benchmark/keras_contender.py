"""Keras's networks in a benchmark, on kerasnets' engine and on Keras's own."""

import numpy as np

from kerasnets.benchmark.contenders import (
    CLASSES,
    LEARNING_RATE,
    MOMENTUM,
    Contender,
)
from kerasnets.engines import choice, runtime
from kerasnets.networks import build_model
from kerasnets.recipes import Recipe
from kerasnets.training.objective import compile_model


def make(name: str, network: str, x: np.ndarray, y: np.ndarray) -> Contender:
    """The contender "kerasnets" or "keras" on one batch, images [N, H, W, C] and
    labels [N]."""
    recipe = Recipe.for_paper(
        network, "cifar10", learning_rate=LEARNING_RATE, momentum=MOMENTUM
    )
    model = build_model(network, x.shape[1:], CLASSES, batch_norm=True)
    compile_model(model, recipe, num_classes=CLASSES, steps_per_epoch=1000)
    model.optimizer.build(model.trainable_variables)
    choice.use(model, choice.check("auto" if name == "kerasnets" else "keras"))

    step = runtime.training_step(model, x, y)

    def train() -> float:
        return float(step())

    def predict() -> np.ndarray:
        return model.predict_on_batch(x)

    return Contender(name, train, predict)
