"""Every figure of an evaluation."""

from pathlib import Path

from kerasnets import runs
from kerasnets.figures.confusion import draw_confusion
from kerasnets.figures.curves import draw_curves
from kerasnets.figures.examples import draw_examples
from kerasnets.figures.style import run_title
from kerasnets.runs import Run
from kerasnets.runs.results import read_confusion


def draw_evaluation(
    run: Run | Path | str, split: str = "test", data_dir: Path | str | None = None
) -> list[Path]:
    """Draw the results of `evaluate` on a split, and the training curves.

    Writes confusion_matrix.png, examples.png and, if the first batch was evaluated,
    first_batch_confusion_matrix.png next to their CSV files, and curves.png into the
    run folder.

    Returns:
        The files written.

    Raises:
        RunError: the split is not evaluated, or the folder is damaged or not writable.
        DatasetError: the dataset is missing or damaged.
    """
    run = runs.opened(run)
    folder = run.results_folder(split)
    written = []
    for source, images in (
        (folder / "confusion_matrix.csv", f"{split} split"),
        (folder / "first_batch_confusion_matrix.csv", f"first batch of {split} split"),
    ):
        if source.exists() or source.name == "confusion_matrix.csv":
            counts, class_names = read_confusion(source)
            title = f"{run_title(run.recipe)}: {images}"
            path = source.with_suffix(".png")
            written.append(draw_confusion(counts, class_names, title, path))
    written.append(draw_examples(run, split, data_dir))
    written.append(draw_curves(run))
    return written
