"""Batches made on a device are those made on the host, to the bit.

The code that runs on a CUDA device is run on the CPU here, page-locked memory aside; on
CUDA itself too where there is one.
"""

from functools import partial

import keras
import numpy as np
import pytest
import torch

from kerasnets.compute.runtime import Session
from kerasnets.datasets import Dataset, Split, Subset
from kerasnets.datasets.dataset import statistics
from kerasnets.datasets.pipeline.batches import evaluation_batches, training_batches
from kerasnets.datasets.pipeline.host_pixels import HostPixels, place
from kerasnets.datasets.pipeline.torch_pixels import TorchPixels
from kerasnets.recipe import Recipe

DEVICES = ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]
IMAGES, IMAGE_BYTES = 50, 9 * 7 * 3


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 9, 7, 3), dtype=np.uint8)
    split = Split(images, rng.integers(0, 10, 60))
    mean, std = statistics(images)
    return Dataset("made", split, split, tuple("abcdefghij"), mean, std, "", "")


@pytest.fixture(params=["channels_last", "channels_first"])
def data_format(request):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(request.param)
    yield
    keras.config.set_image_data_format(before)


def on(device: str, *, resident: bool):
    return partial(TorchPixels, device=device, free_bytes=10**6 if resident else 0)


def assert_same(ours, theirs) -> None:
    assert len(ours) == len(theirs)
    for index in range(len(ours)):
        for one, other in zip(ours[index], theirs[index], strict=True):
            np.testing.assert_array_equal(one.cpu().numpy(), other)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
@pytest.mark.parametrize("normalize", ["unit", "standardize"])
def test_training_batches(dataset, data_format, device, resident, augment, normalize):
    recipe = Recipe.for_paper(
        "resnet18", "made", batch_size=12, augment=augment, normalize=normalize
    )
    subset = Subset(dataset.train, np.arange(5, 55))
    make = partial(training_batches, recipe, dataset, subset)
    ours, theirs = make(place=on(device, resident=resident)), make()
    for _ in range(2):
        assert_same(ours, theirs)
        ours.on_epoch_end()
        theirs.on_epoch_end()
    assert ours.epoch == theirs.epoch == 2


@pytest.mark.parametrize("resident", [True, False])
def test_evaluation_batches(dataset, resident):
    recipe = Recipe.for_paper("resnet18", "made")
    subset = Subset(dataset.train, np.arange(3, 53))
    make = partial(evaluation_batches, recipe, dataset, subset, batch_size=20)
    assert_same(make(place=on("cpu", resident=resident)), make())


def test_images_stay_on_the_device_where_they_take_a_quarter_of_what_is_free(dataset):
    subset = np.arange(IMAGES)
    arrays = (dataset.train.images, dataset.train.labels, subset, [1] * 3, [0] * 3)

    def made(free: int) -> TorchPixels:
        return TorchPixels(*arrays, device="cpu", free_bytes=free)

    needed = 4 * IMAGES * IMAGE_BYTES
    assert made(needed).resident and not made(needed).ahead
    assert not made(needed - 1).resident and made(needed - 1).ahead


@pytest.mark.parametrize(
    ("backend", "device", "there"),
    [
        ("torch", "cuda:1", True),
        ("torch", "cpu", False),
        ("torch", "mps", False),
        ("jax", "cuda:0", False),
    ],
)
def test_pixels_are_made_on_cuda_devices_of_pytorch_alone(backend, device, there):
    chosen = place(Session(backend, device, "", None), HostPixels)
    assert (chosen is not HostPixels) == there
    if there:
        assert (chosen.func, chosen.keywords) == (TorchPixels, {"device": device})
