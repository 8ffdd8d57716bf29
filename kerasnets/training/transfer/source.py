"""The weights that a run begins with, and the normalization that comes with them."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import runs
from kerasnets.datasets import Dataset, preprocessing
from kerasnets.errors import WeightsError, option, shown
from kerasnets.networks import published
from kerasnets.networks.pretrained import torchvision_weights
from kerasnets.networks.transfer import Transferred, transfer
from kerasnets.networks.weights_file import read_weights
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import OF_WEIGHTS
from kerasnets.recipe.weights import IMAGENET
from kerasnets.runs import Run
from kerasnets.runs.trained import check_trained, load_model
from kerasnets.storage.digests import digest

FILE = "weights.json"


@dataclass
class Source:
    """Weights from elsewhere.

    Attributes:
        file: that has them; None where a run goes on, whose checkpoint has its own.
        sha256: of the file.
        arrays: by torchvision's names.
        mean, std: what the network was given: pixels in [0, 1] units, less the mean,
            divided by the deviation, per channel. None where that is not known.
        class_names: None where they are not known.
        became: of the weights, once a network has been given them.
    """

    file: Path | None = None
    sha256: str = ""
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    class_names: tuple[str, ...] | None = None
    became: Transferred | None = None

    def applied_to(self, dataset: Dataset, recipe: Recipe) -> Dataset:
        """The dataset with the normalization of the weights, where the recipe has it.

        Raises:
            WeightsError: it is not known.
        """
        if recipe.normalize != OF_WEIGHTS:
            return dataset
        if self.mean is None or self.std is None:
            raise WeightsError(
                f"{shown(recipe.weights)} does not say how its images were normalized: "
                f"choose {option('normalize')} unit or standardize."
            )
        mean, std = (
            _of_channels(one, len(dataset.mean)) for one in (self.mean, self.std)
        )
        return dataclasses.replace(dataset, mean=mean, std=std)

    def into(self, class_names: tuple[str, ...]) -> Callable[[keras.Model], None]:
        """What gives a new network the weights, and raises WeightsError where they do
        not fit.

        Args:
            class_names: of the network's logits.
        """

        def fill(model: keras.Model) -> None:
            head = self.class_names in (None, class_names)
            try:
                self.became = transfer(model, self.arrays, head=head)
            except WeightsError as error:
                raise WeightsError(f"{shown(self.file)}: {error}") from error
            self.arrays = {}  # the network has them

        return fill if self.arrays else lambda model: None

    def lines(self) -> list[str]:
        """What has become of the weights, for a person."""
        assert self.became is not None
        return [shown(self.file), *self.became.lines()]

    def write(self, run: Run) -> None:
        """Record the same in a run."""
        if self.became is not None:
            record: dict[str, Any] = {"file": str(self.file), "sha256": self.sha256}
            record |= dataclasses.asdict(self.became)
            runs.write_json(run.path / FILE, record)


def check_there(recipe: Recipe) -> None:
    """Raise WeightsError where a recipe's weights are neither a run nor a file."""
    source = recipe.weights
    if source not in (None, IMAGENET) and not Path(source).exists():
        raise WeightsError(f"there are no weights {shown(source)}: no run, no file.")


def opened(recipe: Recipe, say: Callable[[str], None] = lambda line: None) -> Source:
    """The weights of a recipe that has some.

    Args:
        say: takes a line before a download.

    Raises:
        WeightsError: they are missing, damaged, or others than the recipe's SHA-256
            says.
        RunError: they are those of a run whose training has not finished.
    """
    assert recipe.weights is not None
    path = Path(recipe.weights)
    check_there(recipe)
    if recipe.weights == IMAGENET:
        path = published.fetch(recipe.network, recipe.batch_norm, say)
    elif path.is_dir():
        return _of_run(path, recipe)
    arrays, sha256 = read_weights(path), _checked(path, recipe)
    return Source(path, sha256, arrays, published.MEAN, published.STD)


def of_begun(run: Run) -> Source:
    """What is left to know of the weights of a run that goes on from a checkpoint."""
    recorded = preprocessing.read(run)
    if recorded is None:
        return Source()
    return Source(mean=recorded.mean, std=recorded.std)


def _of_run(path: Path, recipe: Recipe) -> Source:
    run = runs.load(path)
    check_trained(run)
    sha256 = _checked(run.model_file, recipe)
    model = load_model(run)
    if model.name != recipe.network:
        raise WeightsError(
            f"the weights of {shown(path)} are for {shown(model.name)}, not for "
            f"{recipe.network}."
        )
    found = Source(run.model_file, sha256, torchvision_weights(model))
    recorded = preprocessing.read(run)
    if recorded is not None:
        found.mean, found.std = recorded.mean, recorded.std
        found.class_names = recorded.class_names
    return found


def _checked(file: Path, recipe: Recipe) -> str:
    """A file's SHA-256.

    Raises:
        WeightsError: it is not the recipe's.
    """
    sha256 = digest(file)
    if not sha256.startswith(recipe.weights_sha256 or ""):
        raise WeightsError(
            f"{shown(file)} has the SHA-256 {sha256}, not {recipe.weights_sha256}: "
            "these are other weights."
        )
    return sha256


def _of_channels(values: tuple[float, ...], channels: int) -> np.ndarray:
    """One value for each channel: grey images have the mean of the colors'."""
    if len(values) == channels:
        return np.array(values)
    return np.full(channels, np.mean(values))
