"""A user's own images, which recipes name by an absolute path."""

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

MANIFESTS = (".csv", ".tsv", ".jsonl", ".parquet")


def is_place(dataset: str) -> bool:
    """Whether a recipe's dataset is a path of image files, not a TFDS name."""
    return Path(dataset).is_absolute()


def as_place(dataset: str, data_dir: Path | str | None = None) -> str:
    """Convert a dataset argument to the form in recipes: an absolute path for a folder
    or a manifest of images; other names are unchanged.

    The name of a dataset takes precedence over a folder of the same name; "./mnist"
    refers to the folder.

    Args:
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.
    """
    path = expanded(dataset) if dataset.startswith("~") else Path(dataset)
    if not dataset.strip():
        return dataset
    looks = path.is_absolute() or dataset.startswith(".") or dataset.endswith(os.sep)
    if not looks and path.suffix.lower() not in MANIFESTS:
        known = dataset in DATASETS or not path.exists()
        if known or prepared_folder(dataset, data_folder_if_any(data_dir)):
            return dataset
    # Links are not resolved, as the user knows the path with them.
    return os.path.abspath(path)  # noqa: PTH100


def located(dataset: str, data_dir: Path | str | None) -> Path:
    """The current location of a recipe's images.

    Args:
        dataset: their path in the recipe.
        data_dir: if they have moved, the folder or manifest itself, or its parent
            folder. A folder of prepared TFDS datasets is neither.
    """
    place = Path(dataset)
    if data_dir is None:
        return place
    now = expanded(data_dir, "data_dir").absolute()
    if (now / place.name).exists():
        return now / place.name
    return place if prepared_names(now) else now


def place_name(dataset: str) -> str:
    """The name of a folder, or of a manifest without its extension."""
    path = Path(dataset)
    return (path.stem if path.suffix.lower() in MANIFESTS else path.name) or "images"


def folder_word(dataset: str) -> str:
    """A dataset's name in a form suitable for folder names."""
    name = place_name(dataset) if is_place(dataset) else dataset
    return re.sub(r"[^\w.-]+", "-", shown(name)).strip("-.") or "images"


def is_at_hand(dataset: str, data_dir: Path | str | None) -> bool:
    """Whether a dataset is available without a download: prepared in `data_dir`
    (TFDS_DATA_DIR unless given), part of a package, or an existing folder or
    manifest."""
    if is_place(dataset):
        return located(dataset, data_dir).exists()
    folder = data_folder_if_any(data_dir)
    return dataset == "digits" or prepared_folder(dataset, folder) is not None
