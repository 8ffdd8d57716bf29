"""Where prepared datasets and decoded caches are on disk."""

import os
from pathlib import Path


def data_folder(data_dir: Path | None) -> Path:
    """`data_dir`, else TFDS_DATA_DIR, else TFDS's own default."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(chosen).expanduser()


def prepared_folder(name: str, data: Path) -> Path | None:
    """The newest version of a prepared dataset ("name" or "name/config"), or None."""
    versions = []
    for info in data.glob(f"{name}/*/dataset_info.json"):
        numbers = info.parent.name.split(".")
        if len(numbers) == 3 and all(number.isdecimal() for number in numbers):
            versions.append((tuple(map(int, numbers)), info.parent))
    return max(versions)[1] if versions else None


def cache_folders(data: Path) -> list[Path]:
    """Where decoded caches may be: beside the prepared data unless its folder is
    marked read-only, then in the user's cache folder (KERASNETS_CACHE, else
    XDG_CACHE_HOME/kerasnets, else ~/.cache/kerasnets)."""
    user = os.environ.get("KERASNETS_CACHE")
    if not user:
        user = os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/kerasnets"
    folders = [Path(user).expanduser()]
    # By its mode, as an administrator may write anywhere but should not.
    if data.is_dir() and data.stat().st_mode & 0o222:
        folders.insert(0, data / ".kerasnets")
    return folders
