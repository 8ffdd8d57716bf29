"""The ways to run a network that a benchmark compares."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from kerasnets.engines import choice, runtime
from kerasnets.errors import BackendError, unknown
from kerasnets.networks import build_model
from kerasnets.networks.specs import NETWORKS
from kerasnets.recipes import Recipe
from kerasnets.training.objective import compile_model

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
    if name in _FORMATS:
        return _plain_torch(name, network, *batch, device)
    return _keras(name, network, *batch)


def plain_source() -> str:
    """What "torchvision" stands for here: itself, or its twin written by hand."""
    return "torchvision" if _torchvision_works() else "its plain PyTorch twin"


def _torchvision_works() -> bool:
    if find_spec("torchvision") is None:
        return False
    try:
        import torchvision  # noqa: F401
    except Exception:  # a build that does not fit torch's fails in many ways
        return False
    return True


def _keras(name: str, network: str, x: np.ndarray, y: np.ndarray) -> Contender:
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


def _plain_torch(
    name: str, network: str, x: np.ndarray, y: np.ndarray, device: str
) -> Contender:
    import torch

    if _torchvision_works() and x.shape[-1] == 3:
        import torchvision

        suffix = "_bn" if NETWORKS[network].family == "vgg" else ""
        module = getattr(torchvision.models, network + suffix)(num_classes=CLASSES)
    else:
        from kerasnets.benchmark.plain_torch import plain_network

        module = plain_network(
            network, batch_norm=True, channels=x.shape[-1], num_classes=CLASSES
        )
    channels_last = name.endswith("channels-last")
    layout = torch.channels_last if channels_last else torch.contiguous_format
    module = module.to(device, memory_format=layout)
    optimizer = torch.optim.SGD(
        module.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM
    )
    images = torch.from_numpy(x).permute(0, 3, 1, 2)
    images = images.to(device).contiguous(memory_format=layout)
    labels = torch.from_numpy(y).to(device)

    def train() -> float:
        module.train()
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def predict() -> np.ndarray:
        module.eval()
        with torch.inference_mode():
            return module(images).cpu().numpy()

    return Contender(name, train, predict)
