"""Every figure of a training."""

from pathlib import Path

from kerasnets import runs
from kerasnets.figures.confusion import draw_validation_confusion
from kerasnets.figures.curves import draw_curves
from kerasnets.runs import Run
from kerasnets.runs.records import class_names


def draw_training(run: Run | Path | str) -> list[Path]:
    """Draw curves.png and validation_confusion.png from a run's records.

    Returns:
        The files written.

    Raises:
        RunError: the folder is damaged or not writable.
    """
    run = runs.opened(run)
    names = class_names(run)
    return [draw_curves(run), draw_validation_confusion(run, names)]
