"""The states of callbacks, stored in checkpoints.

For Keras's own callbacks, the attributes are listed here. A user's callback may define
`get_state()`, which returns None, numbers, text, NumPy arrays, or lists and
dictionaries (with text keys) of these, and `set_state(state)`, which receives the same
when the run is resumed, after `on_train_begin`.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets.errors import RecipeError, RunError, shown
from kerasnets.storage import schema

_OWN = keras.callbacks
_BEST = schema.or_null(schema.NUMBER)


def _are_arrays(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, np.ndarray) for one in value)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(schema.COUNT.check, value))


def _are_columns(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(column, list) and all(map(schema.NUMBER.check, column))
        for column in value.values()
    )


# Attributes by class. A learning rate that a callback sets is the optimizer's state.
_ATTRIBUTES: dict[type, dict[str, schema.Field]] = {
    _OWN.EarlyStopping: {
        "wait": schema.COUNT,
        "stopped_epoch": schema.COUNT,
        "best": _BEST,
        "best_epoch": schema.COUNT,
        "best_weights": schema.or_null(schema.Field("arrays", _are_arrays)),
    },
    _OWN.ReduceLROnPlateau: {
        "wait": schema.COUNT,
        "cooldown_counter": schema.COUNT,
        "best": _BEST,
    },
    _OWN.ModelCheckpoint: {
        "best": _BEST,
        "_batches_seen_since_last_saving": schema.COUNT,
        "_last_batch_seen": schema.or_null(schema.COUNT),
    },
    _OWN.History: {
        "epoch": schema.Field("epochs", _are_counts),
        "history": schema.Field("columns", _are_columns),
    },
    _OWN.TensorBoard: {
        "_global_train_batch": schema.COUNT,
        "_global_test_batch": schema.COUNT,
    },
    _OWN.CSVLogger: {},
    _OWN.LearningRateScheduler: {},
}


@dataclass(frozen=True, eq=False)
class CallbackState:
    """The state of one callback.

    Attributes:
        callback: its class and monitored quantity, see `name_of`.
        values: by name; NumPy arrays may be nested anywhere.
    """

    callback: str
    values: dict[str, Any]


def name_of(callback: keras.callbacks.Callback) -> str:
    """The class and the monitored quantity, such as "EarlyStopping(val_loss)"."""
    monitor = getattr(callback, "monitor", None)
    name = type(callback).__name__
    return shown(f"{name}({monitor})" if isinstance(monitor, str) else name)


def states_of(callbacks: Sequence[keras.callbacks.Callback]) -> list[CallbackState]:
    """The states of those callbacks that have one, in order.

    Raises:
        RecipeError: a user's callback has a state that a checkpoint cannot store.
    """
    return [
        CallbackState(name_of(one), _values(one))
        for one in callbacks
        if _has_state(one)
    ]


def put_back(
    callbacks: Sequence[keras.callbacks.Callback], states: Sequence[CallbackState]
) -> None:
    """Restore the states of callbacks.

    Raises:
        RunError: a state does not fit its callback.
    """
    for callback, state in _pairs(callbacks, states):
        _put_back(callback, state.values)


def differences(
    callbacks: Sequence[keras.callbacks.Callback],
    states: Sequence[CallbackState],
    where: str,
) -> list[str]:
    """Lines about a run that is resumed with other callbacks.

    Args:
        where: position in the training at which it is resumed.
    """
    pairs = _pairs(callbacks, states)
    missing = [one.callback for one in states if not any(one is s for _, s in pairs)]
    new = [
        name_of(one)
        for one in callbacks
        if _has_state(one) and not any(one is c for c, _ in pairs)
    ]
    lines = []
    if missing:
        lines.append(
            f"resuming without {', '.join(missing)}, with which it was trained so far: "
            "the result may differ from that of an uninterrupted run."
        )
    if new:
        lines.append(
            f"{', '.join(new)} was added after {where} and starts without a state of "
            "the training so far."
        )
    return lines


def why_stopped(callback: keras.callbacks.Callback) -> str:
    """Why a callback has set model.stop_training."""
    name = name_of(callback)
    if isinstance(callback, _OWN.EarlyStopping) and callback.best is not None:
        best = f"{float(callback.best):.4g} after epoch {callback.best_epoch + 1}"
        return f"{name}: the best was {best}"
    return name


def packed(value: Any, keep: Callable[[np.ndarray], str]) -> Any:
    """A state's values as JSON types; `keep` stores an array and returns its name.

    Raises:
        TypeError: the state contains a value of another type.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {_ARRAY: keep(value)}
    if isinstance(value, list | tuple):
        return [packed(one, keep) for one in value]
    if isinstance(value, Mapping) and all(
        isinstance(key, str) and key != _ARRAY for key in value
    ):
        return {key: packed(one, keep) for key, one in value.items()}
    raise TypeError(type(value).__name__)


def unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The inverse of `packed`.

    Raises:
        KeyError: an array is missing.
    """
    if isinstance(value, list):
        return [unpacked(one, arrays) for one in value]
    if isinstance(value, dict):
        if _ARRAY in value:
            return arrays[value[_ARRAY]]
        return {key: unpacked(one, arrays) for key, one in value.items()}
    return value


_ARRAY = "__array__"
_AS_IT_IS = "utf-8", "surrogateescape"


def _attributes(callback: keras.callbacks.Callback) -> dict[str, schema.Field] | None:
    for kind, fields in _ATTRIBUTES.items():
        if isinstance(callback, kind):
            return fields
    return None


def _has_own(callback: keras.callbacks.Callback) -> bool:
    return hasattr(callback, "get_state") and hasattr(callback, "set_state")


def _has_state(callback: keras.callbacks.Callback) -> bool:
    return _attributes(callback) is not None or _has_own(callback)


def _values(callback: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: getattr(callback, name) for name in _attributes(callback) or ()
    }
    if isinstance(callback, _OWN.ModelCheckpoint):
        values["monitors"] = callback.monitor_op is not None
    if isinstance(callback, _OWN.CSVLogger):
        text = Path(callback.filename).read_bytes().decode(*_AS_IT_IS)
        values.update(text=text, keys=callback.keys)
    if _has_own(callback):
        own = callback.get_state()
        try:
            packed(own, lambda array: "")
        except TypeError as error:
            raise RecipeError(
                f"get_state of the callback {name_of(callback)} has a {error}; a "
                "checkpoint keeps None, numbers, text, NumPy arrays, and lists and "
                "dictionaries of these."
            ) from error
        values["own"] = own
    return values


def _put_back(callback: Any, values: dict[str, Any]) -> None:
    refusal = RunError(f"the checkpoint does not fit the callback {name_of(callback)}.")
    for name, field in (_attributes(callback) or {}).items():
        if name not in values or not field.check(values[name]):
            raise refusal
        value = values[name]
        setattr(callback, name, list(value) if isinstance(value, list) else value)
    weights = values.get("best_weights")
    if weights and isinstance(callback, _OWN.EarlyStopping):
        shapes = [tuple(weight.shape) for weight in callback.model.weights]
        if shapes != [weight.shape for weight in weights]:
            raise refusal
    asked = isinstance(callback, _OWN.ModelCheckpoint) and values.get("monitors")
    if asked and callback.monitor_op is None:
        # Inside an epoch; Keras would set it up at the epoch's end. It cannot before
        # the metrics are built, but then no step follows either.
        with contextlib.suppress(ValueError):
            callback._set_monitor_op()
    if isinstance(callback, _OWN.CSVLogger):
        text, keys = values.get("text"), values.get("keys")
        known = isinstance(keys, list) and all(isinstance(one, str) for one in keys)
        if not isinstance(text, str) or not (keys is None or known):
            raise refusal
        _write_again(callback, text, keys)
    if _has_own(callback) and "own" in values:
        callback.set_state(values["own"])


def _write_again(callback: Any, text: str, keys: list[str] | None) -> None:
    """Reset a CSVLogger's file to its lines at the checkpoint."""
    callback.csv_file.close()
    file = Path(callback.filename)
    file.write_bytes(text.encode(*_AS_IT_IS))
    callback.csv_file = file.open("a")
    callback.writer, callback.keys = None, keys
    callback.append_header = not text


def _pairs(
    callbacks: Sequence[keras.callbacks.Callback], states: Sequence[CallbackState]
) -> list[tuple[keras.callbacks.Callback, CallbackState]]:
    """Callbacks paired with states of the same name, in order."""
    left = list(states)
    pairs = []
    for callback in callbacks:
        for state in left if _has_state(callback) else ():
            if state.callback == name_of(callback):
                pairs.append((callback, state))
                left.remove(state)
                break
    return pairs
