"""Imports of other libraries, kept from failing and from taking long.

Guards stand in `sys.meta_path` before the import that they change, by whomever.
"""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Libraries that Keras imports for parts of it that no command uses: its wrappers for
# scikit-learn, its galleries, its callbacks for Orbax and for a web server, its editor
# of files and its adapters of data. It does without those that are not installed.
UNUSED_BY_COMMANDS = (
    *("IPython", "cv2", "huggingface_hub", "jax", "matplotlib", "pandas", "pydot"),
    *("requests", "sklearn"),
)


class _Guard(MetaPathFinder):
    """Executes the first import of a library within a context.

    Args:
        name: of the library.
        around: makes the context, given the module that is to be executed.
    """

    def __init__(
        self, name: str, around: Callable[[ModuleType], AbstractContextManager]
    ) -> None:
        self._name, self._around = name, around

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_within(module: ModuleType) -> None:
                with self._around(module):
                    execute(module)

            spec.loader.exec_module = execute_within  # type: ignore[method-assign]
        return spec


def matplotlib_starts() -> None:
    """Let matplotlib be imported whatever MPLBACKEND names.

    A notebook passes on its own way to show figures, which may not be installed here,
    and matplotlib refuses a name that it does not know. It cannot be imported again
    where that has failed, so the guard stands before the first import: Keras is one.
    """
    sys.meta_path.insert(0, _Guard("matplotlib", _without_backend))


@contextlib.contextmanager
def _without_backend(matplotlib: ModuleType) -> Iterator[None]:
    """Hide MPLBACKEND, and apply it afterwards if that backend is available."""
    named = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    with contextlib.suppress(ValueError):
        if named:
            matplotlib.rcParams["backend"] = named


@contextlib.contextmanager
def light_keras() -> Iterator[None]:
    """Import Keras, if it is imported in the block, without `UNUSED_BY_COMMANDS` and
    without PyTorch's compiler: with them, the import takes ten times as long.

    For a process of our own: parts of its Keras stay without their libraries.
    """
    guard = _Guard("keras", lambda _: _light())
    if "keras" not in sys.modules:
        sys.meta_path.insert(0, guard)
    try:
        yield
    finally:
        if guard in sys.meta_path:
            sys.meta_path.remove(guard)


@contextlib.contextmanager
def _light() -> Iterator[None]:
    backend = os.environ.get("KERAS_BACKEND")
    hidden = [
        name
        for name in UNUSED_BY_COMMANDS
        if name != backend and name not in sys.modules
    ]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's way to hide it
    try:
        with _compiler_later() if backend == "torch" else contextlib.nullcontext():
            yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


_COMPILER = "torch._dynamo"


@contextlib.contextmanager
def _compiler_later() -> Iterator[None]:
    """Import PyTorch's compiler when it is first needed. Keras imports it to exclude
    two functions from compilation, for which PyTorch itself has a way that waits."""
    import torch  # noqa: F401

    try:
        from torch._compile import _disable_dynamo
    except ImportError:  # it is no public name
        yield
        return
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = ModuleType(_COMPILER)
    stand_in.disable = _disable_dynamo  # type: ignore[attr-defined]
    stand_in.__getattr__ = _of_compiler  # type: ignore[method-assign]
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]


def _of_compiler(name: str) -> Any:
    """Whatever else Keras takes of the compiler."""
    if name.startswith("__"):  # asked for by the import system
        raise AttributeError(name)
    sys.modules.pop(_COMPILER, None)
    return getattr(import_module(_COMPILER), name)
