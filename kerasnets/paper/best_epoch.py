"""Keep the network of the best epoch on the validation images, to test it too.

It is stored next to the checkpoints, and removed with them once the row is finished.
"""

from pathlib import Path

import keras

from kerasnets import runs
from kerasnets.paper.outcomes import best_epoch
from kerasnets.runs import Run
from kerasnets.runs.results import BEST_EPOCH_FOLDER


class BestEpoch(Run):
    """A run with the network of its best epoch instead of its last."""

    @property
    def model_file(self) -> Path:
        return self.file_of(best_epoch(self.history))

    @property
    def kept_epoch(self) -> int | None:
        return best_epoch(self.history)

    def file_of(self, epoch: int) -> Path:
        return self.checkpoint_folder / f"best-{epoch:05d}.keras"

    def results_folder(self, split: str) -> Path:
        return self.path / BEST_EPOCH_FOLDER


class KeepBestEpoch(keras.callbacks.Callback):
    """Saves the network after each epoch that is better than all previous ones.

    The epoch's checkpoint and records are written afterwards. If training is
    interrupted in between, the epoch is repeated with identical bits.
    """

    def __init__(self, best: BestEpoch) -> None:
        super().__init__()
        self.best = best

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        history = self.best.history[: epoch + 1]
        if len(history) == epoch:
            history.append({"epoch": epoch + 1, **(logs or {})})
        if best_epoch(history) != epoch + 1:
            return
        file = self.best.file_of(epoch + 1)
        file.parent.mkdir(exist_ok=True)
        with runs.atomic_path(file) as temporary:
            keras.Model(self.model.inputs, self.model.outputs).save(temporary)
        for other in file.parent.glob("best-*.keras"):
            if other != file:
                runs.remove(other)
