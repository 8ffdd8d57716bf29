"""The ways to run a network that a benchmark compares."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from kerasnets.engines import runtime
from kerasnets.errors import BackendError, unknown

# What kerasnets can be compared with.
OTHERS = ("torchvision", "keras")
IMAGE_SIZE = 32
CLASSES = 10
LEARNING_RATE, MOMENTUM = 0.001, 0.9

_FORMATS = ["torchvision contiguous", "torchvision channels-last"]


@dataclass(frozen=True)
class Contender:
    """One way to run a network on one batch.

    Attributes:
        name: as the report shows it.
        train: one training step: forward, loss, backward, SGD with momentum; returns
            the loss.
        predict: logits [N, classes] of the batch, in evaluation mode.
    """

    name: str
    train: Callable[[], float]
    predict: Callable[[], np.ndarray]


def check(names: tuple[str, ...]) -> None:
    """Raise BackendError unless every name is one of `OTHERS`."""
    for name in names:
        if name not in OTHERS:
            raise BackendError(unknown("contender", name, OTHERS))


def images(batch_size: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """The same random images [N, 32, 32, C] and labels for every contender."""
    rng = np.random.default_rng(0)
    shape = (batch_size, IMAGE_SIZE, IMAGE_SIZE, channels)
    return rng.random(shape, "float32"), rng.integers(0, CLASSES, batch_size)


def expand(names: tuple[str, ...]) -> list[str]:
    """Names with "torchvision" as its two memory formats, which both are tried."""
    return [
        full
        for name in names
        for full in (_FORMATS if name == "torchvision" else [name])
    ]


def make(
    name: str, network: str, batch_size: int, channels: int, device: str
) -> Contender:
    """The contender of a name of `expand`, on its own copy of the network.

    All have batch norm and the head and stem called "imagenet".
    """
    batch = images(batch_size, channels)
    if is_plain(name):
        return imports(name).make(name, network, *batch, device)
    return imports(name).make(name, network, *batch)


def imports(name: str) -> Any:
    """The module that makes a contender, with all that it imports, and nothing that
    only others need: a plain PyTorch process has no Keras."""
    if is_plain(name):
        if torchvision_works():
            import torchvision  # noqa: F401
        from kerasnets.benchmark import torch_contender

        return torch_contender
    from kerasnets.benchmark import keras_contender

    return keras_contender


def surroundings(name: str, device: str) -> AbstractContextManager:
    """What the contender of a name of `expand` is made and runs in: a session or, as
    that imports Keras, for plain PyTorch only what any tuned script sets on CUDA."""
    if not is_plain(name):
        return runtime.session(device)
    if device.startswith("cuda"):
        from kerasnets.engines.cuda_math import fast_math

        return fast_math()
    return contextlib.nullcontext()


def is_plain(name: str) -> bool:
    """Whether a name of `expand` is plain PyTorch, without Keras."""
    return name in _FORMATS


def plain_source() -> str:
    """What "torchvision" stands for here: itself, or its twin written by hand."""
    return "torchvision" if torchvision_works() else "its plain PyTorch twin"


def torchvision_works() -> bool:
    if find_spec("torchvision") is None:
        return False
    try:
        import torchvision  # noqa: F401
    except Exception:  # a build that does not fit torch's fails in many ways
        return False
    return True
