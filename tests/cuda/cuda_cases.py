"""One batch through a network, and one step, on one device or another."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import torch

from kerasnets.catalog.networks import NETWORKS
from kerasnets.compute.runtime import session
from kerasnets.engines import choice, install
from kerasnets.networks import build_model

CLASSES, SIZE, BATCH = 10, 32, 8
RATE = 0.01

# Of each family, every option that changes what the engine does on CUDA.
OPTIONS = [
    ("vgg11", {"head": "imagenet"}),
    ("vgg11", {"head": "compact"}),
    ("vgg11", {"head": "compact", "batch_norm": True}),
    ("resnet18", {}),
    ("resnet18", {"batch_norm": False}),
    ("resnet18", {"stem": "cifar"}),
    ("densenet121", {}),
    ("densenet121", {"batch_norm": False}),
    ("densenet121", {"stem": "cifar", "growth_rate": 12}),
]


def every_network() -> list[tuple[str, dict]]:
    """Each network as it is, and VGG with batch norm. VGG with its compact head: the
    other's 100 million weights only take time."""
    return [
        (name, {"batch_norm": norm, "head": "compact"} if "vgg" in name else {})
        for name in NETWORKS
        for norm in ((False, True) if "vgg" in name else (True,))
    ]


def case_id(value: object) -> str:
    if isinstance(value, dict):
        words = (f"{key}={one}" for key, one in value.items())
        return ",".join(words) or "original"
    return str(value)


@contextlib.contextmanager
def computing(device: str, precision: str, *, tf32: bool = False) -> Iterator[None]:
    """A session whose float32 products are exact unless `tf32`, and whose convolutions
    are not tried out first, which would take most of the time here."""
    with session(device, precision):
        if device != "cpu":
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            torch.backends.cudnn.allow_tf32 = tf32
            torch.backends.cudnn.benchmark = False
        yield


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Keras in float64, where the same computation agrees more closely than float32
    can tell."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


@dataclass
class Outcome:
    """What a network gave, float64.

    Attributes:
        logits: [B, classes], in inference.
        loss: of a training step.
        gradient: of that step, of all weights, [n].
        variables: the network's after the step, [m].
    """

    logits: np.ndarray
    loss: float
    gradient: np.ndarray
    variables: np.ndarray


def built(name: str, options: dict) -> keras.Model:
    """A network without dropout on the device of the session."""
    keras.utils.set_random_seed(1)
    return build_model(name, (SIZE, SIZE, 3), CLASSES, dropout=0.0, **options)


def made(name: str, options: dict) -> keras.Model:
    """The same compiled, and run by the engine."""
    model = built(name, options)
    model.compile(
        keras.optimizers.SGD(RATE, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.optimizer.build(model.trainable_variables)
    choice.use(model, "torch_graph")
    return model


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    images = rng.normal(size=(BATCH, SIZE, SIZE, 3)).astype(keras.config.floatx())
    return images, rng.integers(0, CLASSES, BATCH)


def computed(
    name: str,
    options: dict,
    device: str,
    precision: str,
    weights: list[np.ndarray] | None = None,
    *,
    tf32: bool = False,
) -> tuple[list[np.ndarray], Outcome]:
    """What a network gives on a device, and the weights that it began with: its own
    unless they are given."""
    wide = float64() if precision == "float64" else contextlib.nullcontext()
    with wide, computing(device, precision, tf32=tf32):
        model = made(name, options)
        if weights is not None:
            model.set_weights(weights)
        return model.get_weights(), _outcome(model)


def _outcome(model: keras.Model) -> Outcome:
    images, labels = batch()
    logits = model.predict_on_batch(images)
    loss = float(model.train_on_batch(images, labels))
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    # From zero momenta, the first step leaves minus the rate times the gradient there.
    return Outcome(
        np.asarray(logits, "float64"),
        loss,
        _flat(optimizer.momentums) / -RATE,
        _flat(model.variables),
    )


def _flat(variables: list[keras.Variable]) -> np.ndarray:
    arrays = [keras.ops.convert_to_numpy(v.value).ravel() for v in variables]
    return np.concatenate([array.astype("float64") for array in arrays])


def logits_on_both(name: str, options: dict) -> tuple[np.ndarray, np.ndarray]:
    """A network's logits in float32 on CUDA and on the CPU. It is built once, on CUDA,
    and moved, as building the deepest takes seconds."""
    images, _ = batch()
    with computing("cuda:0", "float32"):
        model = built(name, options)
        install.install(model)
        ours = model.predict_on_batch(images)
    with computing("cpu", "float32"):
        for variable in model.variables:
            variable.value.data = variable.value.data.cpu()
        install.install(model)
        return ours, model.predict_on_batch(images)


def magnifies(name: str, options: dict) -> bool:
    """Whether training steps of a network magnify round-off: batch norm does, where it
    sees eight images of few pixels."""
    return options.get("batch_norm", NETWORKS[name].batch_norm)


def is_chaotic(name: str, options: dict) -> bool:
    """Whether batch norm sees one pixel of each image, so that gradients in half
    precision have little in common with exact ones, or are too large for float16,
    whose optimizer then leaves the step out."""
    one_pixel = name != "vgg11" and options.get("stem") != "cifar"
    return magnifies(name, options) and one_pixel


def departure(ours: np.ndarray | float, theirs: np.ndarray | float) -> float:
    """Length of the difference, as a share of theirs."""
    length = np.linalg.norm(np.atleast_1d(theirs))
    return float(np.linalg.norm(np.atleast_1d(ours - theirs)) / max(length, 1e-12))


def cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Cosine of the angle between two vectors."""
    lengths = np.linalg.norm(ours) * np.linalg.norm(theirs)
    return float(ours @ theirs / max(lengths, 1e-30))
