"""What callbacks are told of a step, without the device being asked for it."""

from collections.abc import Iterator, Mapping
from typing import Any

from keras import ops


class StepLogs(Mapping[str, float]):
    """A step's metrics by name; each is read from the device when it is looked at.

    Keras reads all of them after every step, and so waits for the step to end before it
    prepares the next one.

    Args:
        values: scalars of the backend.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> float:
        return float(ops.convert_to_numpy(self._values[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
