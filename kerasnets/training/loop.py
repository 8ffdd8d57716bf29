"""Keras's training loop, from any batch of any epoch on.

`keras.Model.fit` can begin at a later epoch but not inside one. Here the rest of an
interrupted epoch is a `fit` of its own, followed by one for the epochs after it; the
callbacks see one training, with the numbers of an uninterrupted one.
"""

from collections.abc import Iterable

import keras

from kerasnets.datasets.batches import Batches
from kerasnets.training.step_logs import StepLogs


def run_epochs(
    model: keras.Model,
    train: Batches,
    validation: Batches,
    *,
    epochs: int,
    callbacks: Iterable[keras.callbacks.Callback],
) -> None:
    """Train from `train.epoch` and its batch `train.first` to the end of epoch `epochs`
    (counted from 1)."""
    begin, steps = train.epoch, train.first + len(train)
    numbered = _Numbered(
        train,
        list(callbacks),
        add_history=True,  # Keras returns it, and so needs it
        model=model,
        epochs=epochs,
        steps=steps,
    )
    spans = [(begin, begin + 1), (begin + 1, epochs)] if train.first else []
    for initial, end in spans or [(begin, epochs)]:
        if initial >= end:
            return
        model.fit(
            train,
            validation_data=validation,
            initial_epoch=initial,
            epochs=end,
            shuffle=False,  # the batches are shuffled already, by seed and epoch
            verbose=0,
            callbacks=numbered,
        )
        if model.stop_training:
            return


class _Numbered(keras.callbacks.CallbackList):
    """Callbacks that are told the number of a batch in its whole epoch, and its metrics
    as `StepLogs`."""

    def __init__(self, train: Batches, *args, **params) -> None:
        super().__init__(*args, **params)
        self._train, self._first = train, train.first

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        # Where it is known: looking at one batch beforehand, as Keras does, ends an
        # epoch of which one batch is left.
        self._train.begin(epoch, self._first)
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        super().on_train_batch_begin(self._first + batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_end(self._first + batch, logs=StepLogs(logs or {}))

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs=StepLogs(logs or {}))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        self._first = 0
