"""Import matplotlib regardless of the value of MPLBACKEND.

A notebook sets MPLBACKEND to its own backend, which may not be installed here, and
matplotlib fails to import with an unknown name. A failed import cannot be repeated, so
the guard must precede the first import by any package, such as Keras.
"""

import contextlib
import importlib.util
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Guard(MetaPathFinder):
    """Hides MPLBACKEND while matplotlib is imported, and applies it afterwards if that
    backend is available."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != "matplotlib":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_without(module: ModuleType) -> None:
                named = os.environ.pop("MPLBACKEND", None)
                try:
                    execute(module)
                finally:
                    if named is not None:
                        os.environ["MPLBACKEND"] = named
                with contextlib.suppress(ValueError):
                    if named:
                        module.rcParams["backend"] = named

            spec.loader.exec_module = execute_without  # type: ignore[method-assign]
        return spec
