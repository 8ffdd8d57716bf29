"""The networks with fewer channels, units and dense layers: every kind of layer, made,
trained and saved in a fraction of the time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kerasnets.networks import densenet, resnet, vgg


@contextmanager
def shortened() -> Iterator[None]:
    """One block in each of a ResNet's stages and two in the first, two layers in each
    dense block, 64 units in VGG's classifier; convolutions have as many channels as
    ever."""
    with pytest.MonkeyPatch.context() as patch:
        for depth, (_, bottleneck) in resnet.STAGES.items():
            patch.setitem(resnet.STAGES, depth, ((2, 1, 1, 1), bottleneck))
        for depth in densenet.BLOCKS:
            patch.setitem(densenet.BLOCKS, depth, (2, 2, 2, 2))
        patch.setattr(vgg, "UNITS", 64)
        # Its import is PyTorch's, which other backends do not need.
        if twins := sys.modules.get("kerasnets.benchmark.contenders.plain_torch"):
            patch.setattr(twins, "UNITS", 64)
        yield


@contextmanager
def narrowed() -> Iterator[None]:
    """A few channels too. Not fewer than 16: with 4, PyTorch 2.13 on a CPU corrupted
    the heap in the gradients of a ResNet under Keras's own engine."""
    with shortened(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "FILTERS", (16, 16, 16, 32, 32))
        patch.setattr(resnet, "FILTERS", (16, 16, 32, 32))
        yield
