"""Parity of the backends: the same network under each, from the same seed.

Each backend runs in its own process. All train on the same generated images, in float32
on the CPU, and are compared with the first.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.catalog.networks import NETWORKS
from kerasnets.compute.execution import Execution
from kerasnets.compute.runtime import BACKENDS
from kerasnets.compute.worker import Worker
from kerasnets.errors import BackendError, KerasnetsError, adding, unknown
from kerasnets.recipe import Recipe

if TYPE_CHECKING:
    import keras

    from kerasnets.datasets import Dataset

PAPER_NETWORKS = ("vgg19", "resnet34", "densenet121")
STEPS = 10

# Scale of the last norm of each residual branch before training, see `_calm`.
_CALM = 0.1

# Tolerances.
LOGITS, LOSS, EVALUATION = 1e-4, 1e-4, 1e-6

_EXECUTION = Execution(device="cpu")

_CLASSES = 10
_BATCH = 16
# Four and a half batches, so that an epoch's last batch is smaller.
_TRAIN_IMAGES, _TEST_IMAGES = 72, 32


@dataclass(frozen=True)
class Found:
    """Results of one network under one backend.

    Attributes:
        weights: SHA-256 of every variable before training.
        logits: float32 [images, classes], of the test images before training.
        losses: mean cross-entropy of each step's batch, in nats, before its update.
        loss, accuracy: on the test images, with the weights trained by the first
            backend.
    """

    weights: str
    logits: np.ndarray
    losses: tuple[float, ...]
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Row:
    """One network under one backend, compared with the first backend.

    Attributes:
        network, backend: names.
        weights: whether the initial weights have the same bits.
        logits: largest difference relative to the largest logit, or to 1 if that is
            smaller.
        loss: largest relative difference over `STEPS` training steps.
        evaluation: largest difference of test loss (relative) and accuracy, for the
            same trained weights.
    """

    network: str
    backend: str
    weights: bool
    logits: float
    loss: float
    evaluation: float

    @property
    def agrees(self) -> bool:
        return (
            self.weights
            and self.logits <= LOGITS
            and self.loss <= LOSS
            and self.evaluation <= EVALUATION
        )


@dataclass(frozen=True)
class Parity:
    """Result of the comparison.

    Attributes:
        reference: the backend that the others are compared with.
        versions: version of each backend that was run.
        not_installed: backends that are not installed.
        rows: one per network and backend other than the reference.
    """

    reference: str
    versions: dict[str, str]
    not_installed: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def agrees(self) -> bool:
        return all(row.agrees for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values, with the tolerances."""
        return {
            "reference": self.reference,
            "versions": self.versions,
            "not_installed": list(self.not_installed),
            "steps": STEPS,
            "largest": {"logits": LOGITS, "loss": LOSS, "evaluation": EVALUATION},
            "rows": [{**asdict(row), "agrees": row.agrees} for row in self.rows],
            "agrees": self.agrees,
        }


def parity(
    networks: Sequence[str] = PAPER_NETWORKS,
    *,
    say: Callable[[str], None] = lambda line: None,
    tell: Callable[[Row], None] = lambda row: None,
) -> Parity:
    """Run networks under every installed backend, one after another.

    Args:
        networks: names from `kerasnets.catalog.networks.NETWORKS`.
        say: receives a line when a backend begins with a network.
        tell: receives each row as soon as it is known.

    Raises:
        BackendError: a network is unknown, fewer than two backends are installed, or
            one of them does not work.
        ProcessEnded: a backend's process was killed, for example because memory ran
            out.
    """
    for network in networks:
        if network not in NETWORKS:
            raise BackendError(unknown("network", network, NETWORKS))
    recipes = [recipe_of(name) for name in dict.fromkeys(networks)]
    return compare(recipes, say=say, tell=tell)


def compare(
    recipes: Sequence[Recipe],
    *,
    say: Callable[[str], None] = lambda line: None,
    tell: Callable[[Row], None] = lambda row: None,
) -> Parity:
    """As `parity`, for recipes of different networks, see `recipe_of`.

    Raises: as `parity`.
    """
    present = [name for name in BACKENDS if find_spec(name)]
    absent = tuple(name for name in BACKENDS if name not in present)
    if len(present) < 2:
        raise BackendError(
            f"parity compares backends; {' and '.join(absent)} are not installed: "
            f"{adding('kerasnets[jax]', 'one')}"
        )
    with contextlib.ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="kerasnets-parity-")
        trained = Path(stack.enter_context(folder))
        workers = {name: stack.enter_context(_worker(name)) for name in present}
        versions = {name: _version_of(name, workers[name]) for name in present}
        for worker in workers.values():
            worker.begin(_compute, tuple(recipes), trained)
        rows = []
        for network in (recipe.network for recipe in recipes):
            first = None
            for name, worker in workers.items():
                say(f"{name}: {network}")
                found = worker.next()
                if first is None:
                    first = found
                    continue
                rows.append(_row(network, name, first, found))
                tell(rows[-1])
    return Parity(present[0], versions, absent, tuple(rows))


def recipe_of(network: str) -> Recipe:
    """The recipe trained: the original network, without dropout, as each backend draws
    masks with its own generator.

    Batch norm over 1x1 maps, to which ResNet and DenseNet reduce a 32x32 image,
    amplifies rounding errors in each step; images of 64x64 end as 2x2 maps. Large steps
    amplify them too: the learning rate is a hundredth of the paper's.
    """
    return Recipe.for_paper(
        network,
        "noise",
        dropout=0.0,
        image_size=32 if NETWORKS[network].family == "vgg" else 64,
        channels=3,
        epochs=2,
        batch_size=_BATCH,
        learning_rate=1e-5,
        validation="test",
    )


def _row(network: str, backend: str, first: Found, other: Found) -> Row:
    scale = max(1.0, float(np.abs(first.logits).max()))
    steps = zip(first.losses, other.losses, strict=True)
    return Row(
        network,
        backend,
        weights=first.weights == other.weights,
        logits=float(np.abs(first.logits - other.logits).max()) / scale,
        loss=max(_relative(one, two) for one, two in steps),
        evaluation=max(
            _relative(first.loss, other.loss), abs(first.accuracy - other.accuracy)
        ),
    )


def _relative(one: float, other: float) -> float:
    difference = abs(one - other) / abs(one)
    return difference if np.isfinite(difference) else float("inf")


@contextlib.contextmanager
def _worker(backend: str) -> Iterator[Worker]:
    """A worker process in which Keras uses `backend`."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = backend
    try:
        worker = Worker(backend)
    finally:
        if before is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = before
    with worker:
        yield worker


def _version_of(backend: str, worker: Worker) -> str:
    try:
        return worker.call(_version)
    except KerasnetsError:
        raise
    except Exception as error:  # incompatible installations fail in many ways
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise BackendError(
            f"{backend} is installed, but does not work: {why}"
        ) from error


def _version() -> str:
    with _EXECUTION.begin() as (session, _):
        return str(session.environment()["packages"][session.backend])


def _compute(recipes: Sequence[Recipe], folder: Path) -> Iterator[Found]:
    """Run in a backend's process: yield the results of each recipe."""
    for recipe in recipes:
        yield _found(recipe, folder / f"{recipe.network}.npz")


def _found(recipe: Recipe, trained: Path) -> Found:
    """Train `recipe` for `STEPS` steps.

    Args:
        trained: file of the first backend's trained weights.
    """
    from kerasnets import datasets
    from kerasnets.datasets.pipeline.batches import evaluation_batches, training_batches
    from kerasnets.evaluation.metrics import measure, predict_logits
    from kerasnets.training import fixed_batch_size
    from kerasnets.training.compile import ready_to_train

    with _EXECUTION.begin(recipe.precision) as (session, engine):
        dataset = _noise(recipe)
        parts = datasets.partition(dataset, recipe)
        whole = fixed_batch_size.are_needed(session)
        train = training_batches(recipe, dataset, parts.train, fill=whole)
        test = evaluation_batches(recipe, dataset, parts.test)
        model = ready_to_train(
            recipe,
            dataset.train.images.shape[1:],
            _CLASSES,
            len(train),
            session=session,
            engine=engine,
        )
        weights = _digest(model)
        logits = predict_logits(model, test)
        _calm(model)
        losses = []
        for step in range(STEPS):
            train.epoch, number = divmod(step, len(train))
            model.reset_metrics()
            losses.append(float(model.train_on_batch(*train[number])[0]))
        _same_weights(model, trained)
        metrics = measure(predict_logits(model, test), parts.test.labels)
    return Found(weights, logits, tuple(losses), metrics.loss, metrics.accuracy)


def _calm(model: "keras.Model") -> None:
    """Scale each residual branch by `_CALM`.

    Otherwise, in a newly initialized ResNet-152, a relative change of the weights by
    1e-7 changes the first loss by 1e-4 and the second by 1e-2: no two backends could
    agree.
    """
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Add):
            norm = layer.input[0]._keras_history.operation
            norm.gamma.assign(norm.gamma * _CALM)


def _noise(recipe: Recipe) -> "Dataset":
    """Images of random noise. Over the uniform areas of photographs, batch norm would
    divide by nearly zero and amplify rounding errors."""
    from kerasnets.datasets.dataset import Dataset, Split, fingerprint, statistics

    rng = np.random.default_rng(0)
    names = tuple(f"class {number}" for number in range(_CLASSES))

    def split(count: int) -> Split:
        shape = (count, recipe.image_size, recipe.image_size, 3)
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        return Split(images, np.arange(count) % _CLASSES)

    train, test = split(_TRAIN_IMAGES), split(_TEST_IMAGES)
    mean, std = statistics(train.images)
    return Dataset(
        recipe.dataset,
        train,
        test,
        names,
        mean,
        std,
        fingerprint(names, train, test),
        "",
    )


def _digest(model: "keras.Model") -> str:
    digest = hashlib.sha256()
    for array in _arrays(model):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _same_weights(model: "keras.Model", trained: Path) -> None:
    """Save the first backend's weights, or load them into another's model."""
    if not trained.exists():
        np.savez(trained, *_arrays(model))
        return
    with np.load(trained) as archive:
        for variable, name in zip(model.variables, archive.files, strict=True):
            variable.assign(archive[name])


def _arrays(model: "keras.Model") -> list[np.ndarray]:
    from keras import ops

    return [ops.convert_to_numpy(variable.value) for variable in model.variables]
