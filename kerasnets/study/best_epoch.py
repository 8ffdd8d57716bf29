"""The network of the epoch that is best on the held-out images, kept to be tested too.

It lies beside the checkpoints, and goes with them once the row is finished.
"""

from pathlib import Path

import keras

from kerasnets import runs
from kerasnets.run_results import BEST_EPOCH_FOLDER
from kerasnets.runs import Run
from kerasnets.study.outcome import best_epoch


class BestEpoch(Run):
    """A run with the network of its best epoch in the place of its last."""

    @property
    def model_file(self) -> Path:
        return self.checkpoint_folder / f"best-{best_epoch(self.history):05d}.keras"

    def results_folder(self, split: str) -> Path:
        return self.path / BEST_EPOCH_FOLDER


class KeepBestEpoch(keras.callbacks.Callback):
    """Writes the network after each epoch that is better than all before it.

    It comes after the callbacks that keep the records, so that an interruption leaves
    the checkpoint of the epoch without it rather than the other way round.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.best = BestEpoch(run.path, run.recipe)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if best_epoch(self.best.history) != epoch + 1:
            return
        file = self.best.model_file
        with runs.atomic_path(file) as temporary:
            keras.Model(self.model.inputs, self.model.outputs).save(temporary)
        for other in file.parent.glob("best-*.keras"):
            if other != file:
                runs.remove(other)
