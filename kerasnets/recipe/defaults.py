"""Defaults of fields that are not named, by protocol and preset."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasnets.catalog.datasets import DATASETS, GREY
from kerasnets.catalog.image_files import list_images
from kerasnets.catalog.image_headers import image_size
from kerasnets.catalog.locations import declared_channels
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.places import is_place, located
from kerasnets.recipe import presets
from kerasnets.recipe.fields import DECOUPLED, SETTINGS
from kerasnets.recipe.setting import Case


def protocol_of(dataset: str, data_dir: Path | str | None = None) -> str | None:
    """The protocol that a dataset follows, one of `PROTOCOLS`: by its name or, if that
    is unknown, by its files; None if it is not on disk either.

    Args:
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.
    """
    by_name = protocol_by_name(dataset)
    if by_name:
        return by_name
    channels = declared_channels(dataset, data_dir)
    return None if channels is None else "mnist" if channels == 1 else "cifar10"


def protocol_by_name(dataset: str) -> str | None:
    facts = DATASETS.get(dataset)
    if facts:
        return "mnist" if facts.channels == 1 else "cifar10"
    if is_place(dataset):
        return "own"
    return "mnist" if re.split("[/:]", dataset)[0] in GREY else None


def usual_values(
    network: str, dataset: str, protocol: str | None, named: Mapping[str, Any]
) -> dict[str, Any]:
    """Defaults of the fields, as far as they do not depend on image files.

    Args:
        named: fields on which defaults of others may depend.
    """
    spec = NETWORKS[network]
    case = Case(spec, protocol or "cifar10", DATASETS.get(dataset))
    found = {name: one.paper(case) for name, one in SETTINGS.items() if one.paper}
    preset = named.get("preset", presets.PAPER)
    SETTINGS["preset"].check(preset)
    size = named.get("image_size", found["image_size"])
    SETTINGS["image_size"].check(size)
    found |= presets.changes(preset, spec.family, size)
    found["preset"] = preset
    if named.get("optimizer") == "adamw":
        found["decay"] = DECOUPLED
    return found


def of_own_images(
    dataset: str, data_dir: Path | str | None, protocol: str | None, named: Mapping
) -> dict[str, Any]:
    """Defaults that depend on the files of own images."""
    files = list_images(located(dataset, data_dir))
    found: dict[str, Any] = {}
    if files.has("validation"):
        found["validation"] = "split"
    if protocol == "own" and "image_size" not in named:
        found["image_size"] = image_size(files.paths)
    return found
