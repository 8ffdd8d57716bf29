"""Keras's training loop, starting at any batch of any epoch.

`keras.Model.fit` can begin at a later epoch but not inside one. Here, the rest of an
interrupted epoch is one call of `fit`, the remaining epochs another, and the epochs
after unfreezing a third. Callbacks see a single training, numbered as if it had never
been interrupted.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import pairwise
from typing import Any

import keras
from keras import ops

from kerasnets.datasets.pipeline.batches import Batches
from kerasnets.training.callbacks.early_stop import EarlyStop
from kerasnets.training.transfer.unfreezing import unfreeze


def run_epochs(
    model: keras.Model,
    train: Batches,
    validation: Batches,
    *,
    epochs: int,
    callbacks: Iterable[keras.callbacks.Callback],
    early: EarlyStop | None = None,
    unfreeze_after: int = 0,
    verbose: int = 0,
) -> None:
    """Train from batch `train.first` of epoch `train.epoch` to the end of epoch
    `epochs` (counted from 1), or until a callback ends it, which `early` records.

    Args:
        unfreeze_after: epochs after which frozen layers begin to learn; 0 for never.
        verbose: 0 or 1, the value in the callbacks' `params`.
    """
    early = EarlyStop() if early is None else early
    begin, steps = train.epoch, train.first + len(train)
    numbered = _Numbered(
        train,
        early,
        list(callbacks),
        add_history=True,  # `fit` returns it
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
    )
    cuts = [unfreeze_after] if begin < unfreeze_after < epochs else []
    if train.first:
        cuts = [begin + 1, *cuts]
    for initial, end in pairwise(sorted({begin, *cuts, epochs})):
        if not early:
            if unfreeze_after and initial >= unfreeze_after:
                unfreeze(model)
            model.fit(
                train,
                validation_data=validation,
                initial_epoch=initial,
                epochs=end,
                shuffle=False,  # the batches are already shuffled, by seed and epoch
                verbose=0,
                callbacks=numbered,
            )
    numbered.end()


class _Numbered(keras.callbacks.CallbackList):
    """A callback list that presents several calls of `fit` as one training: one begin
    and one end, batches numbered within the whole epoch, and step metrics as
    `StepLogs`."""

    def __init__(self, train: Batches, early: EarlyStop, *args, **params) -> None:
        super().__init__(*args, **params)
        self._train, self._first = train, train.first
        self._early = early
        self._begun = False
        self._logs: dict[str, float] = {}

    def _tell(self, event: str, *args: Any, **named: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*args, **named)
            if self._model.stop_training and not self._early:
                self._early.callback = callback

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not self._begun:
            self._begun = True
            self._tell("on_train_begin", {})

    def on_train_end(self, logs: dict | None = None) -> None:
        """Does nothing: another call of `fit` may follow; see `end`."""

    def end(self) -> None:
        self.on_train_begin()  # there may have been nothing left to train
        self._tell("on_train_end", self._logs)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        # Set explicitly: Keras draws one batch beforehand, which would end an epoch
        # that has a single batch left.
        self._train.begin(epoch, self._first)
        self._tell("on_epoch_begin", epoch, {})

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._logs = _read(_named(logs or {}))
        self._tell("on_epoch_end", epoch, self._logs)
        self._first = 0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._tell("on_train_batch_begin", self._first + batch, logs={})

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        found = StepLogs(_named(logs or {}))
        self._tell("on_train_batch_end", self._first + batch, logs=found)

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._tell("on_test_begin", {})

    def on_test_end(self, logs: dict | None = None) -> None:
        self._tell("on_test_end", _read(_named(logs or {})))

    def on_test_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._tell("on_test_batch_begin", batch, logs={})

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._tell("on_test_batch_end", batch, logs=StepLogs(_named(logs or {})))


def _named(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Logs in which "loss" is always the cross-entropy; if training minimizes something
    else, that is "objective"."""
    names = {"loss": "objective", "cross_entropy": "loss"}
    names |= {f"val_{name}": f"val_{other}" for name, other in names.items()}
    if not any(name.endswith("cross_entropy") for name in logs):
        return dict(logs)
    return {names.get(name, name): value for name, value in logs.items()}


def _read(logs: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(ops.convert_to_numpy(value)) for name, value in logs.items()}


class StepLogs(dict[str, float]):
    """A step's metrics by name; each is read from the device when it is accessed.

    Keras reads all of them after every step, and so waits for the step to end before
    preparing the next one. Callbacks can use this like any dictionary, with json.dumps
    too.

    Args:
        values: scalar tensors of the backend.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._unread = set(values)

    def __getitem__(self, name: str) -> float:
        value = super().__getitem__(name)
        if name in self._unread:
            value = float(ops.convert_to_numpy(value))
            self[name] = value
        return value

    def __setitem__(self, name: str, value: float) -> None:
        self._unread.discard(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        self._unread.discard(name)
        super().__delitem__(name)

    # dict(logs) bypasses __getitem__ unless the class defines its own __iter__.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def __repr__(self) -> str:
        return repr(dict(self))

    # The dictionary's methods bypass __getitem__; those of Mapping use it.
    get = Mapping.get  # type: ignore[assignment]
    items = Mapping.items  # type: ignore[assignment]
    values = Mapping.values  # type: ignore[assignment]
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    setdefault = MutableMapping.setdefault
    update = MutableMapping.update
    __eq__ = Mapping.__eq__
