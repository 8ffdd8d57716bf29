"""What callbacks are told of a step, without the device being asked for it."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from keras import ops


# Callbacks may ask for a dict (json.dumps and Keras's TensorBoard do); all that it
# can do goes through the methods below.
class StepLogs(MutableMapping[str, float], dict[str, float]):  # type: ignore[misc]
    """A step's metrics by name; each is read from the device when it is looked at.

    Keras reads all of them after every step, and so waits for the step to end before it
    prepares the next one.

    Args:
        values: scalars of the backend.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        dict.__init__(self, values)
        self._unread = set(values)

    def __getitem__(self, name: str) -> float:
        value = dict.__getitem__(self, name)
        if name in self._unread:
            value = float(ops.convert_to_numpy(value))
            self[name] = value
        return value

    def __setitem__(self, name: str, value: float) -> None:
        self._unread.discard(name)
        dict.__setitem__(self, name, value)

    def __delitem__(self, name: str) -> None:
        self._unread.discard(name)
        dict.__delitem__(self, name)

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name)

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self)

    def __len__(self) -> int:
        return dict.__len__(self)

    def __repr__(self) -> str:
        return repr(dict(self))
