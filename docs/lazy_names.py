"""Griffe extension: the public names of kerasnets, which it imports when first used.

kerasnets/__init__.py lists them in `_PUBLIC`, as name: (module, attribute). Nothing is
imported to document them, so that the site builds without PyTorch.
"""

import ast
from typing import Any

import griffe


class LazyNames(griffe.Extension):
    """Makes each lazy name an alias of the object that it stands for."""

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        if mod.path != "kerasnets":
            return
        public = ast.literal_eval(str(mod["_PUBLIC"].value))
        for name, (module, attribute) in public.items():
            alias = griffe.Alias(name, f"{module}.{attribute}", parent=mod)
            mod.set_member(name, alias)
