"""Checkpoints at the default interval do not slow training down noticeably."""

import statistics
import time

import keras
import numpy as np
import pytest

from kerasnets import build_model
from kerasnets.compute import runtime
from kerasnets.engines import choice
from kerasnets.recipe import Recipe
from kerasnets.storage import digests
from kerasnets.training import checkpoint, checkpointing
from kerasnets.training.compile import compile_model

MOST = 0.02  # of an epoch
STEPS = 422  # of MNIST, a tenth of it held out


def training_step(model, images, labels):
    """A function that does what `fit` does for one batch; on PyTorch, `train_on_batch`
    would additionally set up a PyTorch model at every call."""
    if keras.backend.backend() != "torch":
        return lambda: model.train_on_batch(images, labels)
    batch = [keras.ops.convert_to_tensor(one) for one in (images, labels)]
    model.train_on_batch(images, labels)
    return lambda: model.train_function([batch])


@pytest.mark.slow
def test_checkpoints_take_less_than_2_percent_of_an_epoch(tmp_path):
    recipe = Recipe.for_paper("resnet34", "mnist")
    digests.begin(tmp_path)
    rng = np.random.default_rng(0)
    images = rng.random((recipe.batch_size, 32, 32, 1), dtype="float32")
    labels = rng.integers(0, 10, recipe.batch_size)
    with runtime.session("cpu"):
        model = build_model("resnet34", input_shape=images.shape[1:], num_classes=10)
        compile_model(model, recipe, num_classes=10, steps_per_epoch=STEPS)
        model.optimizer.build(model.trainable_variables)
        choice.use(model, choice.check("auto"))
        step = training_step(model, images, labels)
        step_s, checkpoint_s = [], []
        for epoch in range(1, 6):
            step()  # with the processor's caches as training has them
            began = time.perf_counter()
            step()
            stepped = time.perf_counter()
            path = checkpoint.save(tmp_path / "checkpoint", model, epoch, {})
            step_s.append(stepped - began)
            checkpoint_s.append(time.perf_counter() - stepped)
    each, epoch_s = statistics.median(checkpoint_s), STEPS * statistics.median(step_s)
    assert checkpointing.DEFAULT.seconds is not None
    count = 1 + epoch_s // checkpointing.DEFAULT.seconds
    share = count * each / epoch_s
    print(
        f"{count:.0f} checkpoints of {path.stat().st_size / 1e6:.0f} MB and {each:.2f} "
        f"s in an epoch of {epoch_s:.0f} s: {share:.2%}"
    )
    assert share < MOST
