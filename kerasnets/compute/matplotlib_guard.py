"""matplotlib imports, whatever MPLBACKEND names.

A notebook passes on its own way to show figures, which may not be installed here, and
matplotlib refuses a name that it does not know. It cannot be imported again where that
has failed, so the guard stands before the first import, by whomever: Keras is one.
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
