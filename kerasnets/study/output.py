"""Folders that a comparison or a difference is written to."""

from collections.abc import Iterable
from pathlib import Path

from kerasnets.errors import RunError, option
from kerasnets.runs import why_not_writable

_LONGEST = 80  # letters of a name made up from labels


def folder_name(labels: Iterable[str], joint: str) -> str:
    """Labels as one name for a folder: "resnet34-vs-vgg19", never too long."""
    words = [label.replace("/", "-") for label in labels]
    name = joint.join(words)
    if len(name) <= _LONGEST:
        return name
    return f"{words[0][:_LONGEST]}-and-{len(words) - 1}-more"


def prepare_folder(folder: Path, files: Iterable[str], marker: str) -> None:
    """Make the folder, or check that what is in it may be replaced.

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
    folder.mkdir(parents=True, exist_ok=True)
