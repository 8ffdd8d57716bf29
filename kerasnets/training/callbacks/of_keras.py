"""Callbacks that a user passes to `fit`: which work as in plain Keras, and why the
others are refused."""

import importlib.util
import inspect
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import keras

from kerasnets.errors import RecipeError, unknown
from kerasnets.recipe import Recipe
from kerasnets.storage.folders import why_not_writable

Callbacks: TypeAlias = (
    Iterable[keras.callbacks.Callback] | keras.callbacks.Callback | None
)

_OWN = keras.callbacks

# kerasnets does these itself.
_REFUSED = {
    _OWN.BackupAndRestore: "a run keeps its own checkpoints; resume=True continues "
    "from the last one",
    _OWN.OrbaxCheckpoint: "a run keeps its own checkpoints, and ModelCheckpoint "
    "saves networks beside them",
    _OWN.SwapEMAWeights: "a recipe's ema keeps the average, and validates and saves it",
}
_SET_THE_RATE = (_OWN.LearningRateScheduler, _OWN.ReduceLROnPlateau)
_MONITOR = (_OWN.EarlyStopping, _OWN.ReduceLROnPlateau, _OWN.ModelCheckpoint)
_HOOKS_OF_STEPS = (
    *("on_train_batch_begin", "on_train_batch_end"),
    *("on_batch_begin", "on_batch_end"),
)


def as_list(callbacks: Callbacks) -> list[keras.callbacks.Callback]:
    """A flat list from one callback, a `CallbackList` or (nested) iterables of them.

    Raises:
        RecipeError: one is something else.
    """
    if callbacks is None:
        return []
    if isinstance(callbacks, _OWN.CallbackList):
        return list(callbacks.callbacks)
    if isinstance(callbacks, _OWN.Callback):
        return [callbacks]
    if inspect.isclass(callbacks) and issubclass(callbacks, _OWN.Callback):
        raise RecipeError(
            f"callbacks has the class {callbacks.__name__}, not an object of it: "
            f"{callbacks.__name__}(...)."
        )
    if isinstance(callbacks, str | dict) or not isinstance(callbacks, Iterable):
        raise RecipeError(
            "callbacks must be keras.callbacks.Callback objects, not "
            f"{type(callbacks).__name__}."
        )
    return [one for entry in callbacks for one in as_list(entry)]


def check(
    callbacks: Sequence[keras.callbacks.Callback], recipe: Recipe, run: Path
) -> None:
    """Check that callbacks can do their job in a run.

    Args:
        run: the run folder, which need not exist yet.

    Raises:
        RecipeError: one cannot; the message says why.
    """
    for callback in callbacks:
        name = type(callback).__name__
        for refused, why in _REFUSED.items():
            if isinstance(callback, refused):
                raise RecipeError(f"{name} cannot be used: {why}.")
        restores = getattr(callback, "restore_best_weights", False)
        if isinstance(callback, _OWN.EarlyStopping) and restores and recipe.ema:
            raise RecipeError(
                f"{name} restores weights that a run with ema does not save; "
                "keep='best' saves the average of the best epoch."
            )
        if isinstance(callback, _SET_THE_RATE):
            _check_rate_is_free(name, recipe)
        if isinstance(callback, _OWN.TensorBoard):
            for package in ("tensorflow", "tensorboard"):
                if not _is_installed(package):
                    raise RecipeError(
                        f"{name} cannot be used: it writes with TensorFlow and "
                        f"TensorBoard, and {package} is not installed."
                    )
        if isinstance(callback, _OWN.CSVLogger) and "://" in callback.filename:
            raise RecipeError(
                f"{name} cannot be used: {callback.filename} is not a file."
            )
        if isinstance(callback, _OWN.RemoteMonitor) and not _is_installed("requests"):
            raise RecipeError(
                f"{name} cannot be used: it sends with the package requests, which is "
                "not installed."
            )
        _check_writable(callback, run)
    if all(map(_is_keras, callbacks)):
        # A user's own callback could add anything to the logs.
        for callback in callbacks:
            _check_logged(callback, _logged(callbacks, recipe))


def may_set_rate_between_steps(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Whether one of them may set the learning rate between steps: it has a hook for
    steps, and is not one of Keras's, which are known to leave the rate alone."""
    return any(
        not getattr(getattr(one, hook), "_is_default", False)
        for one in callbacks
        if not _is_keras(one) or isinstance(one, _OWN.LambdaCallback)
        for hook in _HOOKS_OF_STEPS
    )


def _is_keras(callback: keras.callbacks.Callback) -> bool:
    return type(callback).__module__.startswith("keras.")


def _check_rate_is_free(name: str, recipe: Recipe) -> None:
    if recipe.schedule != "constant" or recipe.warmup:
        raise RecipeError(
            f"{name} sets the learning rate, as the recipe's schedule "
            f"{recipe.schedule!r} with warmup {recipe.warmup:g} does; it needs "
            "schedule='constant' and warmup=0."
        )


def _logged(
    callbacks: Sequence[keras.callbacks.Callback], recipe: Recipe
) -> tuple[str, ...]:
    """Names in the logs at the end of an epoch."""
    names = ["loss", "accuracy", *(["objective"] if recipe.has_objective else [])]
    names += [f"val_{name}" for name in names]
    if any(isinstance(one, _SET_THE_RATE) for one in callbacks):
        names.append("learning_rate")
    return tuple(names)


def _check_writable(callback: Any, run: Path) -> None:
    """Refuse a callback whose files cannot be written: Keras would fail in the middle
    of training."""
    file, folder = None, None
    if isinstance(callback, _OWN.CSVLogger):
        file = Path(callback.filename)
        folder = file.parent
    elif isinstance(callback, _OWN.ModelCheckpoint):
        # Up to the first placeholder, which training fills in.
        plain = callback.filepath.partition("{")[0]
        file = Path(callback.filepath) if plain == callback.filepath else None
        folder = Path(os.path.dirname(plain))  # noqa: PTH120, of "a/{epoch}" it is "a"
    elif isinstance(callback, _OWN.TensorBoard):
        folder = Path(callback.log_dir)
    if folder is None:
        return
    obstacle = why_not_writable(folder)
    if obstacle is None and file and file.is_dir():
        obstacle = f"{file} is a folder"
    if obstacle is None and file and file.exists() and not os.access(file, os.W_OK):
        obstacle = f"{file} is not writable"
    if (
        obstacle is None
        and isinstance(callback, _OWN.CSVLogger)
        and not folder.is_dir()
        and folder.absolute() != run.absolute()
    ):
        obstacle = f"there is no folder {folder}"
    if obstacle:
        name = type(callback).__name__
        raise RecipeError(f"{name} cannot write its files: {obstacle}.")


def _check_logged(callback: Any, logged: tuple[str, ...]) -> None:
    name = type(callback).__name__
    at_steps = getattr(callback, "save_freq", "epoch") != "epoch"
    if at_steps:  # before validation
        logged = tuple(one for one in logged if not one.startswith("val_"))
    watches = not isinstance(callback, _OWN.ModelCheckpoint) or callback.save_best_only
    if isinstance(callback, _MONITOR) and watches:
        if callback.monitor not in logged:
            raise RecipeError(unknown(f"{name} monitor", callback.monitor, logged))
        # With mode "auto", Keras knows the direction of losses and accuracies only.
        better = {"objective": "mode='min'", "rate": "mode='min' or mode='max'"}
        for ending, mode in better.items():
            if callback.mode == "auto" and callback.monitor.endswith(ending):
                raise RecipeError(
                    f"{name} needs {mode} to monitor {callback.monitor!r}."
                )
    if isinstance(callback, _OWN.ModelCheckpoint):
        known = {"epoch": 1, **dict.fromkeys(logged, 0.0)}
        if at_steps:
            known["batch"] = 1
        try:
            callback.filepath.format(**known)
        except (KeyError, IndexError, ValueError) as error:
            raise RecipeError(
                f"{name} cannot make a file name of {callback.filepath!r}: it may have "
                f"{', '.join(f'{{{one}}}' for one in known)}."
            ) from error


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
