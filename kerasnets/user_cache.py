"""The user's own folders, where there are any."""

import os
from pathlib import Path

from kerasnets.errors import KerasnetsError


def user_cache() -> Path | None:
    """The user's cache folder, for what can be made again: KERASNETS_CACHE, else
    XDG_CACHE_HOME/kerasnets, else ~/.cache/kerasnets. It need not exist.

    None where none is named and the user has no home folder, as in a container that
    runs under a number alone.

    Raises:
        KerasnetsError: the variable names the home folder of an unknown user.
    """
    named = os.environ.get("KERASNETS_CACHE")
    if named:
        return expanded(named)
    base = os.environ.get("XDG_CACHE_HOME")
    folder = expanded(base) if base else in_home(".cache")
    return folder and folder / "kerasnets"


def in_home(name: str) -> Path | None:
    """A folder of the user's home folder; None where there is no home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / name if home.is_absolute() else None  # HOME may be empty


def expanded(path: str | Path) -> Path:
    """A path with "~" and "~name" replaced by the home folders.

    Raises:
        KerasnetsError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise KerasnetsError(
            f"{str(path)!r} names the home folder of a user who has none here; write "
            "the path without '~'."
        ) from error
