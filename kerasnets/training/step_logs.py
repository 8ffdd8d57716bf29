"""What callbacks are told of a step, without the device being asked for it."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from keras import ops


class StepLogs(dict[str, float]):
    """A step's metrics by name; each is read from the device when it is looked at.

    Keras reads all of them after every step, and so waits for the step to end before it
    prepares the next one. What callbacks do with a dictionary, json.dumps included,
    they can do with this.

    Args:
        values: scalars of the backend.
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

    # A dictionary copies its values without asking for them one by one, unless it has
    # an iteration of its own.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def __repr__(self) -> str:
        return repr(dict(self))

    # These would not ask for them either; a mapping's do.
    get = Mapping.get  # type: ignore[assignment]
    items = Mapping.items  # type: ignore[assignment]
    values = Mapping.values  # type: ignore[assignment]
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    setdefault = MutableMapping.setdefault
    update = MutableMapping.update
    __eq__ = Mapping.__eq__
