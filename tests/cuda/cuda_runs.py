"""Short deterministic runs on the CUDA device."""

from pathlib import Path

import keras
import pytest

from kerasnets.recipes import Recipe
from kerasnets.runs import Run
from kerasnets.training.fit import fit
from kerasnets.training.interval import Interval


def recipe(network: str = "resnet18", **named) -> Recipe:
    """Two epochs of the digits, each of six batches of 16 images and one of 12."""
    options = {
        "limit": 120,
        "batch_size": 16,
        "epochs": 2,
        "augment": "crop-flip",
        "validation": 0.1,
        **named,
    }
    return Recipe.for_paper(network, "digits", **options)


STEPS = 7  # an epoch


def trained(path: Path, on: Recipe, **options) -> Run:
    named = {"device": "cuda:0", "deterministic": True, "verbosity": 0, **options}
    return fit(on, path, **named)


class _Interrupt(keras.callbacks.Callback):
    """Stands in for the end of the process after so many steps of it."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def interrupted(path: Path, on: Recipe, *, after: int, **options) -> None:
    """Train for `after` steps; the checkpoint is that of the step before the last."""
    with pytest.raises(KeyboardInterrupt):
        trained(
            path,
            on,
            checkpoint_every=Interval(steps=1),
            callbacks=[_Interrupt(after)],
            **options,
        )


class Read(keras.callbacks.Callback):
    """Reads the logs of every step, as callbacks of a user's may."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple] = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(("train", batch, dict(logs)))

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(("test", batch, dict(logs)))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(("epoch", epoch, dict(logs)))
