"""Datasets that are a user's own images: recipes name them by an absolute path."""

import os
import re
from pathlib import Path

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.locations import (
    data_folder_if_any,
    prepared_folder,
    prepared_names,
)
from kerasnets.errors import shown
from kerasnets.storage.folders import expanded

RUNS = Path("artifacts/runs")  # where runs are that are named without a path
MANIFESTS = (".csv", ".tsv", ".jsonl", ".parquet")


def is_place(dataset: str) -> bool:
    """Whether a recipe's dataset is where image files are, and not a name of TFDS."""
    return Path(dataset).is_absolute()


def as_place(dataset: str, data_dir: Path | str | None = None) -> str:
    """The dataset as recipes have it: an absolute path for a folder or a manifest of
    images; any other name as it is.

    A word that is a dataset's name means that dataset, though a folder here may be
    called so too; "./mnist" means the folder.

    Args:
        data_dir: where prepared datasets are; TFDS_DATA_DIR unless given.
    """
    path = expanded(dataset) if dataset.startswith("~") else Path(dataset)
    if not dataset.strip():
        return dataset
    looks = path.is_absolute() or dataset.startswith(".") or dataset.endswith(os.sep)
    if not looks and path.suffix.lower() not in MANIFESTS:
        known = dataset in DATASETS or not path.exists()
        if known or prepared_folder(dataset, data_folder_if_any(data_dir)):
            return dataset
    # Links stay: they are how the user knows the place.
    return os.path.abspath(path)  # noqa: PTH100


def located(dataset: str, data_dir: Path | str | None) -> Path:
    """Where the images of a recipe are now.

    Args:
        dataset: their path in the recipe.
        data_dir: the folder or manifest itself, or the folder that holds it, where it
            is no longer there. A folder of prepared TFDS datasets is neither.
    """
    place = Path(dataset)
    if data_dir is None:
        return place
    now = expanded(data_dir, "data_dir").absolute()
    if (now / place.name).exists():
        return now / place.name
    return place if prepared_names(now) else now


def place_name(dataset: str) -> str:
    """What a place is called: a folder's name, or a manifest's without its ending."""
    path = Path(dataset)
    return (path.stem if path.suffix.lower() in MANIFESTS else path.name) or "images"


def folder_word(dataset: str) -> str:
    """A dataset's name as a part of a folder's."""
    name = place_name(dataset) if is_place(dataset) else dataset
    return re.sub(r"[^\w.-]+", "-", shown(name)).strip("-.") or "images"


def is_at_hand(dataset: str, data_dir: Path | str | None) -> bool:
    """Whether a dataset is prepared in `data_dir` (TFDS_DATA_DIR unless given), is in a
    package as the digits are, or is a folder or manifest of images that is there."""
    if is_place(dataset):
        return located(dataset, data_dir).exists()
    folder = data_folder_if_any(data_dir)
    return dataset == "digits" or prepared_folder(dataset, folder) is not None
