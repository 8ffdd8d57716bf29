"""Where prepared datasets and decoded caches are on disk."""

import os
import re
from pathlib import Path

from kerasnets.user_cache import user_cache

_INFO = "dataset_info.json"
_NAME = re.compile(r"\w[\w.-]{0,99}(/\w[\w.-]{0,99})?", re.ASCII)
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


def data_folder(data_dir: Path | None) -> Path:
    """`data_dir`, else TFDS_DATA_DIR, else TFDS's own default."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(chosen).expanduser()


def prepared_folder(name: str, data: Path) -> Path | None:
    """The newest version of a prepared dataset ("name" or "name/config"), or None."""
    if not _NAME.fullmatch(name):
        return None
    versions = [
        (tuple(map(int, info.parent.name.split("."))), info.parent)
        for info in data.glob(f"{name}/*/{_INFO}")
        if _VERSION.fullmatch(info.parent.name)
    ]
    return max(versions)[1] if versions else None


def prepared_names(data: Path) -> list[str]:
    """Every dataset ("name" or "name/config") that is prepared in a data folder."""
    infos = [*data.glob(f"*/*/{_INFO}"), *data.glob(f"*/*/*/{_INFO}")]
    names = {info.parent.parent.relative_to(data).as_posix() for info in infos}
    return sorted(name for name in names if prepared_folder(name, data))


def cache_name(name: str, folder: Path) -> str:
    """How the names of the decoded caches of a prepared version begin."""
    return f"{name.replace('/', '-')}-{folder.name}-"


def cache_folders(data: Path) -> list[Path]:
    """Where decoded caches may be: beside the prepared data unless its folder is
    marked read-only, then in the user's cache folder."""
    folders = [user_cache()]
    # By its mode, as an administrator may write anywhere but should not.
    if data.is_dir() and data.stat().st_mode & 0o222:
        folders.insert(0, data / ".kerasnets")
    return folders
