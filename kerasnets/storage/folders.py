"""The user's cache and home folders, and checks of output folders."""

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from kerasnets.errors import KerasnetsError, RunError, option, shown


def user_cache() -> Path | None:
    """The user's cache folder for files that can be regenerated: KERASNETS_CACHE, else
    XDG_CACHE_HOME/kerasnets, else the system's default, ~/.cache/kerasnets on Linux. It
    need not exist.

    None if no variable is set and the user has no home folder, as in a container with
    an unknown user id.

    Raises:
        KerasnetsError: the variable refers to the home folder of an unknown user.
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
    """A folder inside the user's home folder; None if there is no home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / name if home.is_absolute() else None  # HOME may be empty


def not_a_file(path: Path) -> str:
    """What exists at `path` and must not be replaced by a file; "" if nothing does."""
    if path.is_dir():
        return "a folder"
    return "a pipe or a device" if path.exists() and not path.is_file() else ""


def as_path(value: str | PathLike[str], name: str) -> Path:
    """Convert an argument to a path.

    Args:
        value: the argument.
        name: the parameter's name, for the message.

    Raises:
        KerasnetsError: the argument is neither text nor a path.
    """
    if not isinstance(value, str | PathLike):
        raise KerasnetsError(
            f"{option(name)} must be text or a path, not {shown(repr(value))}."
        )
    return Path(value)


def expanded(path: str | PathLike[str], name: str = "path") -> Path:
    """A path with "~" and "~user" expanded to home folders.

    Raises:
        KerasnetsError: there is no such home folder, or as `as_path`.
    """
    try:
        return as_path(path, name).expanduser()
    except RuntimeError as error:
        raise KerasnetsError(
            f"{str(path)!r} refers to a home folder that does not exist; write the "
            "path without '~'."
        ) from error


def why_not_writable(path: Path) -> str | None:
    """Why the folder `path` cannot be created or written, or None."""
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
        # Permissions do not tell for /proc and the like, which refuse root too.
        handle, name = tempfile.mkstemp(dir=nearest, prefix=".tmp-")
        os.close(handle)
        os.unlink(name)  # noqa: PTH108
        return None
    except OSError as error:
        return f"{nearest} is not writable: {error.strerror}"


_LONGEST = 80  # maximum length of a name composed of labels


def folder_name(labels: Iterable[str], joint: str) -> str:
    """A folder name composed of labels, such as "resnet34-vs-vgg19", of limited
    length."""
    words = [label.replace("/", "-") for label in labels]
    name = joint.join(words)
    if len(name) <= _LONGEST:
        return name
    return f"{words[0][:_LONGEST]}-and-{len(words) - 1}-more"


def check_folder(folder: Path, files: Iterable[str], marker: str) -> None:
    """Check that a folder can be created, or that its content may be replaced.

    Args:
        files: names of the files to be written.
        marker: the file whose presence identifies a folder of this kind.

    Raises:
        RunError: the folder contains other files, or cannot be written.
    """
    obstacle = why_not_writable(folder)
    if not obstacle and folder.is_dir() and not (folder / marker).exists():
        present = {path.name for path in folder.iterdir()}
        others = {name for name in present if not name.startswith(".")} - set(files)
        if others:
            obstacle = f"{folder} contains other files (for example {min(others)})"
    if obstacle:
        raise RunError(f"{obstacle}; choose another {option('folder')}.")


def prepare_folder(folder: Path, files: Iterable[str], marker: str) -> None:
    """Create the folder after the checks of `check_folder`."""
    check_folder(folder, files, marker)
    folder.mkdir(parents=True, exist_ok=True)
