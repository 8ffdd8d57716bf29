"""Early ends of training, by a callback that sets `model.stop_training`."""

from dataclasses import dataclass

import keras


@dataclass
class EarlyStop:
    """The callback that has ended training; None while none has."""

    callback: keras.callbacks.Callback | None = None

    def __bool__(self) -> bool:
        return self.callback is not None


@dataclass(frozen=True)
class Stopped:
    """An early end, as stored in a checkpoint.

    Attributes:
        reason: which callback, why and where.
        epochs: the recipe's epochs at that time; if they are raised, training resumes.
    """

    reason: str
    epochs: int
