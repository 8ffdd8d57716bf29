"""Pretrained weights that a run begins with, and their normalization."""

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
    """Pretrained weights.

    Attributes:
        file: the weights file; None for a resumed run, whose checkpoint has weights.
        sha256: digest of the file.
        arrays: by torchvision's names.
        mean, std: normalization of the network's inputs per channel, for pixels in
            [0, 1]; None if unknown.
        class_names: None if unknown.
        became: result of the transfer, once a network has received the weights.
    """

    file: Path | None = None
    sha256: str = ""
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    class_names: tuple[str, ...] | None = None
    became: Transferred | None = None

    def applied_to(self, dataset: Dataset, recipe: Recipe) -> Dataset:
        """The dataset, with the normalization of the weights if the recipe asks for it.

        Raises:
            WeightsError: the normalization is unknown.
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
        """A function that assigns the weights to a new network, and raises WeightsError
        if they do not fit.

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
        """How the weights were transferred, as readable text."""
        assert self.became is not None
        return [shown(self.file), *self.became.lines()]

    def write(self, run: Run) -> None:
        """Record the transfer in the run folder."""
        if self.became is not None:
            record: dict[str, Any] = {"file": str(self.file), "sha256": self.sha256}
            record |= dataclasses.asdict(self.became)
            runs.write_json(run.path / FILE, record)


def check_there(recipe: Recipe) -> None:
    """Raise WeightsError if a recipe's weights are neither a run nor a file."""
    source = recipe.weights
    if source not in (None, IMAGENET) and not Path(source).exists():
        raise WeightsError(f"no weights {shown(source)}: neither a run nor a file.")


def opened(recipe: Recipe, say: Callable[[str], None] = lambda line: None) -> Source:
    """Open the weights of a recipe whose `weights` is set.

    Args:
        say: receives a line before a download.

    Raises:
        WeightsError: the weights are missing, damaged, or do not match the recipe's
            SHA-256.
        RunError: they belong to a run whose training has not finished.
    """
    assert recipe.weights is not None
    path, sha256 = Path(recipe.weights), ""
    check_there(recipe)
    if recipe.weights == IMAGENET:
        path, sha256 = published.fetch(recipe.network, recipe.batch_norm, say)
    elif path.is_dir():
        return _of_run(path, recipe)
    arrays = read_weights(path)
    sha256 = sha256 or digest(path)
    _check_sha256(path, sha256, recipe)
    return Source(path, sha256, arrays, published.MEAN, published.STD)


def of_begun(run: Run) -> Source:
    """The normalization recorded in a run that resumes from a checkpoint."""
    recorded = preprocessing.read(run)
    if recorded is None:
        return Source()
    return Source(mean=recorded.mean, std=recorded.std)


def _of_run(path: Path, recipe: Recipe) -> Source:
    run = runs.load(path)
    check_trained(run)
    sha256 = digest(run.model_file)
    _check_sha256(run.model_file, sha256, recipe)
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


def _check_sha256(file: Path, sha256: str, recipe: Recipe) -> None:
    """Raise WeightsError unless a file's SHA-256 is the recipe's."""
    if not sha256.startswith(recipe.weights_sha256 or ""):
        raise WeightsError(
            f"{shown(file)} has the SHA-256 {sha256}, not {recipe.weights_sha256}: "
            "these are other weights."
        )


def _of_channels(values: tuple[float, ...], channels: int) -> np.ndarray:
    """One value per channel; for grey images, the mean over the colors."""
    if len(values) == channels:
        return np.array(values)
    return np.full(channels, np.mean(values))
