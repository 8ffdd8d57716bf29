"""The device is asked for a step's loss when somebody looks, not at every step."""

import keras
import numpy as np
import pytest

from kerasnets import datasets
from kerasnets.engines import choice
from kerasnets.recipe import Recipe
from kerasnets.training.compile import compile_model
from kerasnets.training.fit import fit
from kerasnets.training.loop import StepLogs


def test_they_are_a_mapping_of_numbers():
    logs = StepLogs({"loss": keras.ops.ones(()), "accuracy": np.float32(0.5)})
    assert dict(logs) == {**logs} == {"loss": 1.0, "accuracy": 0.5}
    assert type(logs["loss"]) is float and len(logs) == 2
    assert logs.get("nothing") is None
    assert not StepLogs({})


class Steps(keras.callbacks.Callback):
    """How often the device had been asked for values after each step of an epoch."""

    def __init__(self, asked: list) -> None:
        super().__init__()
        self.asked = asked

    def on_epoch_begin(self, epoch, logs=None):
        self.after = []

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(len(self.asked))


def test_a_run_reads_a_few_of_its_steps(tmp_path, monkeypatch, narrow_networks):
    asked = []
    read = keras.src.backend.convert_to_numpy

    def counted(value):
        asked.append(value)
        return read(value)

    monkeypatch.setattr(keras.src.backend, "convert_to_numpy", counted)
    recipe = Recipe.for_paper(
        "resnet18", "digits", image_size=32, limit=200, batch_size=3, epochs=2
    )
    steps = Steps(asked)
    fit(recipe, tmp_path / "run", device="cpu", verbosity=0, callbacks=[steps])
    assert len(steps.after) == 60
    # StopOnNaN looks at steps 16, 32, 48 and 60 of the second epoch.
    assert steps.after[-1] - steps.after[0] == 4


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="it has an engine")
def test_a_step_of_the_pytorch_engine_reads_nothing_back():
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Reads(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            reads = function is torch.ops.aten._local_scalar_dense.default
            # PyTorch checks class numbers that it encodes, on a CPU alone.
            if reads and args[0].dtype is not torch.int64:
                self.seen += 1
            return function(*args, **(kwargs or {}))

    recipe = Recipe.for_paper("resnet18", "digits", schedule="cosine", epochs=2)
    dataset = datasets.load("digits")
    images = keras.ops.convert_to_tensor(
        dataset.train.images[:8].astype("float32") / 255
    )
    labels = keras.ops.convert_to_tensor(dataset.train.labels[:8])
    inputs = keras.Input(images.shape[1:])
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    compile_model(model, recipe, num_classes=10, steps_per_epoch=5)
    model.optimizer.build(model.trainable_variables)
    choice.use(model, "torch_graph")
    model.train_on_batch(images, labels)
    with Reads() as reads:
        model.train_function([(images, labels)])
        assert not reads.seen
        assert float(images[0, 0, 0, 0]) >= 0
        assert reads.seen == 1
