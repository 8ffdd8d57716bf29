"""Keep imports of other libraries from failing and from taking long."""

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

# Libraries that Keras imports if they are installed, for features that no command uses:
# scikit-learn wrappers, image galleries, callbacks for Orbax and for web servers, a
# file editor and data adapters.
UNUSED_BY_COMMANDS = (
    *("IPython", "cv2", "huggingface_hub", "jax", "matplotlib", "pandas", "pydot"),
    *("requests", "sklearn"),
)


class _Guard(MetaPathFinder):
    """Runs the first import of a library in a context.

    Args:
        name: of the library.
        around: makes the context from the module.
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
    """Let matplotlib be imported regardless of the value of MPLBACKEND.

    A notebook sets MPLBACKEND to its own backend, which may not be installed here, and
    matplotlib fails to import with an unknown name. A failed import cannot be repeated,
    so the guard must precede the first import by any package, such as Keras.
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
    """Let Keras be imported in the block without `UNUSED_BY_COMMANDS` and PyTorch's
    compiler, which make the import ten times as long.

    Only for our own processes: the features of Keras that need them stay off.
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
    if backend == "tensorflow":
        import_module(backend)  # it needs requests
    hidden = [
        name
        for name in UNUSED_BY_COMMANDS
        if name != backend and name not in sys.modules
    ]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # hidden
    try:
        with _compiler_later() if backend == "torch" else contextlib.nullcontext():
            yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


_COMPILER = "torch._dynamo"


@contextlib.contextmanager
def _compiler_later() -> Iterator[None]:
    """Import PyTorch's compiler only when it is needed. Keras imports it to exclude two
    functions from compilation; PyTorch has a decorator that does so lazily."""
    import torch  # noqa: F401

    try:
        from torch._compile import _disable_dynamo
    except ImportError:  # a private name
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
    """Any other attribute of the compiler, from the compiler itself."""
    if name.startswith("__"):  # queried by the import system
        raise AttributeError(name)
    sys.modules.pop(_COMPILER, None)
    return getattr(import_module(_COMPILER), name)
