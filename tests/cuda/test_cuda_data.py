"""Batches on the device are the host's, to the bit, while the device is busy too."""

from functools import partial

import cuda_runs
import numpy as np
import pytest
import torch

from kerasnets import datasets
from kerasnets.compute.runtime import session
from kerasnets.datasets.pipeline.batches import evaluation_batches, training_batches
from kerasnets.datasets.pipeline.host_pixels import HostPixels, place
from kerasnets.datasets.pipeline.torch_pixels import TorchPixels
from kerasnets.training import fit as training
from kerasnets.training.drill import fingerprint

FREE = {"resident": None, "pinned": 0}


def placed(free_bytes: int | None):
    """What `fit` uses on the device, told how much of its memory is free."""
    return partial(TorchPixels, device="cuda:0", free_bytes=free_bytes)


def test_fit_makes_batches_on_the_device():
    with session("cuda") as found:
        chosen = place(found, HostPixels)
    assert chosen.func is TorchPixels
    assert chosen.keywords == {"device": "cuda:0"}


@pytest.mark.parametrize("free_bytes", FREE.values(), ids=FREE)
@pytest.mark.parametrize("normalize", ["unit", "standardize"])
def test_they_are_the_hosts(free_bytes, normalize):
    recipe = cuda_runs.recipe(limit=None, normalize=normalize)
    dataset = datasets.load("digits", image_size=32, channels=3)
    parts = datasets.partition(dataset, recipe)
    makers = (
        partial(training_batches, recipe, dataset, parts.train),
        partial(evaluation_batches, recipe, dataset, parts.validation, batch_size=24),
    )
    busy = torch.rand(4096, 4096, device="cuda:0")
    with session("cuda:0"):
        for make in makers:
            ours, theirs = make(place=placed(free_bytes)), make()
            found = []
            for index in range(len(ours)):
                # The copies of a batch wait behind this, while the host goes on.
                busy = torch.mm(busy, busy).clamp_(0, 1)
                found.append(ours[index])
            assert len(found) == len(theirs)
            for index, (images, labels) in enumerate(found):
                assert images.device.type == labels.device.type == "cuda"
                expected_images, expected_labels = theirs[index]
                np.testing.assert_array_equal(images.cpu().numpy(), expected_images)
                np.testing.assert_array_equal(labels.cpu().numpy(), expected_labels)


@pytest.mark.parametrize("engine", ["torch_graph", "torch_cuda_graph"])
def test_a_run_is_the_same_wherever_its_images_are(tmp_path, monkeypatch, engine):
    found = []
    for name, free_bytes in FREE.items():
        monkeypatch.setattr(
            training, "place", lambda session, otherwise, f=free_bytes: placed(f)
        )
        run = cuda_runs.trained(tmp_path / name, cuda_runs.recipe(), engine=engine)
        found.append(fingerprint(run))
    assert found[0] == found[1]
