"""The files of an evaluation: one list, and which of them tell of a network that the
run no longer has.

They stand and fall together. metrics.json is the first to go and the last to come:
where it is, the others are of the same evaluation.
"""

import contextlib
from collections.abc import Container
from pathlib import Path

from kerasnets import runs
from kerasnets.errors import KerasnetsError
from kerasnets.runs import Run
from kerasnets.storage import schema
from kerasnets.storage.digests import Finding
from kerasnets.storage.files import read_json, remove

METRICS_FILE = "metrics.json"
FILES = (
    METRICS_FILE,
    "confusion_matrix.csv",
    "confusion_matrix.png",
    "per_class.csv",
    "predictions.csv",
    "examples.png",
    "first_batch_confusion_matrix.csv",
    "first_batch_confusion_matrix.png",
)

BEST_EPOCH_FOLDER = "best_validation"  # of the best epoch's network
_FOLDERS = ("", "validation", "train", BEST_EPOCH_FOLDER)  # "": the test split's


def remove_results(run: Run) -> None:
    """Remove every evaluation, of whichever split."""
    folders = [run.path / name for name in _FOLDERS if (run.path / name).is_dir()]
    for folder in folders:
        remove(folder / METRICS_FILE)
    for folder in folders:
        clear(folder)
        if folder != run.path:
            with contextlib.suppress(OSError):  # somebody else's file is in there
                folder.rmdir()


def clear(folder: Path, *, but: Container[str] = ()) -> None:
    """Remove the files of an evaluation from a folder, metrics.json first.

    Args:
        but: names of those to leave.
    """
    for name in FILES:
        if name not in but and (folder / name).exists():
            remove(folder / name)


def stale(path: Path) -> tuple[Finding, ...]:
    """Results in a run folder that are not of the network that is there.

    Results without metrics.json are what a killed evaluation or an earlier version of
    kerasnets left; of metrics.json without the number of epochs, which earlier versions
    wrote, nothing is known.
    """
    try:
        trained = len(runs.load(path).history)
    except KerasnetsError:
        return ()  # damaged, which is said of these files
    found = []
    for name in _FOLDERS:
        present = [file for file in FILES if (path / name / file).is_file()]
        why = _why_stale(path / name, trained) if present else ""
        if why:
            found += [Finding((Path(name) / file).as_posix(), why) for file in present]
    return tuple(found)


def _why_stale(folder: Path, trained: int) -> str:
    if not (folder / METRICS_FILE).exists():
        return f"stale: there is no {METRICS_FILE} of its evaluation"
    try:
        measured = read_json(folder / METRICS_FILE, schema.METRICS).get("epochs")
    except KerasnetsError:
        return ""  # damaged, which is said of it
    if measured in (None, trained):
        return ""
    return f"stale: measured after {measured} epochs, of which the run has {trained}"
