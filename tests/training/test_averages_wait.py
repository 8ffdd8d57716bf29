"""Averaging copies no number to the device in a step, for which it would wait."""

import keras
import pytest

from kerasnets.recipe import Recipe
from kerasnets.training.compile import compile_model
from kerasnets.training.optimization.averaging import Averages

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the engine is the PyTorch backend's"
)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_later_updates_copy_nothing(accumulate):
    from torch.overrides import TorchFunctionMode

    copied = []

    class Calls(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func.__name__ in ("as_tensor", "tensor", "asarray", "from_numpy"):
                copied.append(args[0])
            return func(*args, **(kwargs or {}))

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    recipe = Recipe.for_paper("vgg11", "digits", ema=0.5, accumulate=accumulate)
    compile_model(model, recipe, num_classes=3, steps_per_epoch=4)
    model.optimizer.build(model.trainable_variables)
    averages = Averages(model, recipe.ema, accumulate)
    averages.update()
    model.optimizer._iterations.assign_add(1)
    with Calls():
        averages.update()
    assert copied == []
