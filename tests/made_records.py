"""The records that a training leaves, without the training: no Keras needed."""

import zipfile

from kerasnets import runs
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.records import EPOCH_TIMES

ENVIRONMENT = {
    "started": "2026-01-01T00:00:00+00:00",
    "backend": "torch",
    "dataset_fingerprint": "0123",
    "class_names": ["0", "1"],
    "train_images": 60,
}
METRICS = {
    "network": "vgg11",
    "dataset": "digits",
    "split": "test",
    "images": 360,
    "loss": 0.5,
    "accuracy": 0.875,
    "top5_accuracy": None,
    "collapsed": {"class": "1", "share": 0.995},
    "first_batch": {"images": 32, "accuracy": 0.75},
}


def make_records(folder, *, done: int = 2, epochs: int = 2, trained=True) -> Run:
    """A run of `epochs` epochs, of which `done` are done."""
    recipe = Recipe.for_paper("vgg11", "digits", epochs=epochs)
    run = runs.create(folder, recipe)
    runs.write_json(run.path / "environment.json", ENVIRONMENT)
    run.checkpoint_folder.mkdir()
    runs.write_text(run.checkpoint_folder / f"epoch-{done:05d}.npz", "variables")
    history, times = [], []
    for epoch in range(1, done + 1):
        history.append([epoch, 1 / epoch, 0.5, 1.5 / epoch, 0.9 - epoch / 100])
        times.append([epoch, 10.25, 1.5, 5.85, 40.0, 0.25, ""])
    runs.write_csv(run.path / "history.csv", runs.HISTORY_COLUMNS, history)
    runs.write_csv(run.path / EPOCH_TIMES.file, EPOCH_TIMES.columns, times)
    if trained:
        with (
            runs.atomic_path(run.model_file) as path,
            zipfile.ZipFile(path, "w") as file,
        ):
            file.writestr("config.json", "{}")
    return run


def add_metrics(run: Run) -> None:
    runs.write_json(run.path / "metrics.json", METRICS)
