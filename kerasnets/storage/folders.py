"""The user's own folders, where there are any."""

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from kerasnets.errors import KerasnetsError, RunError, option, shown


def user_cache() -> Path | None:
    """The user's cache folder, for what can be made again: KERASNETS_CACHE, else
    XDG_CACHE_HOME/kerasnets, else the system's own place for such folders, which is
    ~/.cache/kerasnets on Linux. It need not exist.

    None where none is named and the user has no home folder, as in a container that
    runs under a number alone.

    Raises:
        KerasnetsError: the variable names the home folder of an unknown user.
    """
    named = os.environ.get("KERASNETS_CACHE")
    if named:
        return expanded(named)
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return expanded(base) / "kerasnets"
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("kerasnets", appauthor=False)
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None


def in_home(name: str) -> Path | None:
    """A folder of the user's home folder; None where there is no home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / name if home.is_absolute() else None  # HOME may be empty


def as_path(value: str | PathLike[str], name: str) -> Path:
    """A path that a caller has given.

    Args:
        name: of the parameter that it was given as.

    Raises:
        KerasnetsError: it is neither text nor a path.
    """
    if not isinstance(value, str | PathLike):
        raise KerasnetsError(
            f"{option(name)} must be text or a path, not {shown(repr(value))}."
        )
    return Path(value)


def expanded(path: str | PathLike[str], name: str = "path") -> Path:
    """A path with "~" and "~name" replaced by the home folders.

    Raises:
        KerasnetsError: there is no such home folder, or it is no path (`as_path`).
    """
    try:
        return as_path(path, name).expanduser()
    except RuntimeError as error:
        raise KerasnetsError(
            f"{str(path)!r} names the home folder of a user who has none here; write "
            "the path without '~'."
        ) from error


def why_not_writable(path: Path) -> str | None:
    """What keeps the folder `path` from being made or written, or None."""
    import tempfile  # 15 ms, which `kerasnets --help` need not wait for

    nearest = path
    try:
        nearest = next(
            folder for folder in (path, *path.absolute().parents) if folder.exists()
        )
        if not nearest.is_dir():
            return f"{nearest} is a file, not a folder"
        if not os.access(nearest, os.W_OK | os.X_OK):
            return f"{nearest} is not writable"
        # /proc and the like refuse an administrator too, without saying so before.
        handle, name = tempfile.mkstemp(dir=nearest, prefix=".tmp-")
        os.close(handle)
        os.unlink(name)  # noqa: PTH108
        return None
    except OSError as error:
        return f"{nearest} is not writable: {error.strerror}"


_LONGEST = 80  # letters of a name made up from labels


def folder_name(labels: Iterable[str], joint: str) -> str:
    """Labels as one name for a folder: "resnet34-vs-vgg19", never too long."""
    words = [label.replace("/", "-") for label in labels]
    name = joint.join(words)
    if len(name) <= _LONGEST:
        return name
    return f"{words[0][:_LONGEST]}-and-{len(words) - 1}-more"


def check_folder(folder: Path, files: Iterable[str], marker: str) -> None:
    """Check that the folder can be made, or that what is in it may be replaced.

    Args:
        files: names that will be written there.
        marker: the one of them that shows that the folder is one of this kind.

    Raises:
        RunError: it holds other things, or cannot be written.
    """
    obstacle = why_not_writable(folder)
    if not obstacle and folder.is_dir() and not (folder / marker).exists():
        present = {path.name for path in folder.iterdir()}
        others = {name for name in present if not name.startswith(".")} - set(files)
        if others:
            obstacle = f"{folder} holds other files ({min(others)}, for one)"
    if obstacle:
        raise RunError(f"{obstacle}; choose another {option('folder')}.")


def prepare_folder(folder: Path, files: Iterable[str], marker: str) -> None:
    """Make the folder after the checks of `check_folder`."""
    check_folder(folder, files, marker)
    folder.mkdir(parents=True, exist_ok=True)
