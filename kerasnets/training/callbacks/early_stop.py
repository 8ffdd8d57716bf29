"""Training that a callback ends before the recipe does, by `model.stop_training`."""

from dataclasses import dataclass

import keras


@dataclass
class EarlyStop:
    """Which callback has ended training, None while none has."""

    callback: keras.callbacks.Callback | None = None

    def __bool__(self) -> bool:
        return self.callback is not None


@dataclass(frozen=True)
class Stopped:
    """An early end, as a checkpoint has it.

    Attributes:
        reason: which callback, why and where.
        epochs: of the recipe; where it has more by now, training goes on.
    """

    reason: str
    epochs: int
