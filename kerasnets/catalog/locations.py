"""Locations of prepared datasets and decoded caches on disk."""

import json
import os
import re
from pathlib import Path
from typing import Any

from kerasnets.errors import DatasetError, option
from kerasnets.storage.folders import expanded, in_home, user_cache

_INFO = "dataset_info.json"
_NAME = re.compile(
    r"(\w[\w.-]{0,99}(?:/\w[\w.-]{0,99})?)(?::(\d+\.\d+\.\d+))?", re.ASCII
)
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


def data_folder(data_dir: Path | str | None) -> Path:
    """`data_dir`, else TFDS_DATA_DIR, else TFDS's own default.

    Raises:
        DatasetError: none is given, and the user has no home folder for the default.
        KerasnetsError: the given folder is in the home folder of an unknown user.
    """
    folder = data_folder_if_any(data_dir)
    if folder is None:
        raise DatasetError(
            "there is no home folder to keep datasets in; name a folder with "
            f"TFDS_DATA_DIR or {option('data_dir')}."
        )
    return folder


def data_folder_if_any(data_dir: Path | str | None) -> Path | None:
    """As `data_folder`, but None if the user has no home folder for the default.

    Raises:
        KerasnetsError: as `data_folder`.
    """
    named = data_dir or os.environ.get("TFDS_DATA_DIR")
    if named:
        return expanded(named, "data_dir")
    return in_home("tensorflow_datasets")


def prepared_folder(name: str, data: Path | None) -> Path | None:
    """The folder of the newest version of a prepared dataset ("name" or "name/config"),
    or of the version given after a colon; None if it is not prepared."""
    found = _NAME.fullmatch(name)
    if data is None or found is None:
        return None
    plain, version = found.groups()
    versions = [
        (tuple(map(int, info.parent.name.split("."))), info.parent)
        for info in data.glob(f"{plain}/{version or '*'}/{_INFO}")
        if _VERSION.fullmatch(info.parent.name)
    ]
    return max(versions)[1] if versions else None


def prepared_names(data: Path | None) -> list[str]:
    """All datasets ("name" or "name/config") prepared in a data folder."""
    if data is None:
        return []
    infos = [*data.glob(f"*/*/{_INFO}"), *data.glob(f"*/*/*/{_INFO}")]
    names = {info.parent.parent.relative_to(data).as_posix() for info in infos}
    return sorted(name for name in names if prepared_folder(name, data))


def declared_channels(name: str, data_dir: Path | str | None = None) -> int | None:
    """Channels of a prepared dataset's images, 1 (grey) or 3; None if it is not
    prepared, or its features.json does not tell. Only small files are read.

    Args:
        data_dir: see `data_folder`.
    """
    folder = prepared_folder(name, data_folder_if_any(data_dir))
    try:
        return _declared_channels(folder) if folder else None
    except (AttributeError, LookupError, OSError, TypeError, ValueError):
        return None  # the error is reported when the dataset is loaded


def _declared_channels(folder: Path) -> int | None:
    features = _json(folder / "features.json").get("featuresDict", {})
    last = {
        key: feature["image"]["shape"]["dimensions"][-1]
        for key, feature in features.get("features", {}).items()
        if "image" in feature
    }
    keys = _json(folder / _INFO).get("supervisedKeys", {}).get("tuple", {})
    named = [item.get("featureKey") for item in keys.get("items", [])]
    found = {last[named[0]]} if named and named[0] in last else set(last.values())
    if len(found) != 1:
        return None
    return 1 if found <= {"1", "2"} else 3


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def cache_name(name: str, folder: Path) -> str:
    """Prefix of the names of a prepared version's decoded caches."""
    return f"{name.partition(':')[0].replace('/', '-')}-{folder.name}-"


def cache_folders(data: Path) -> list[Path]:
    """Folders for decoded caches, in order: next to the prepared data unless its folder
    is marked read-only, then the user's cache folder."""
    own = user_cache()
    folders = [own] if own else []
    # Checks the mode, as root could write anywhere but should not.
    if data.is_dir() and data.stat().st_mode & 0o222:
        folders.insert(0, data / ".kerasnets")
    return folders
