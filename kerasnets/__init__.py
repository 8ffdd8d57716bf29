"""Train, evaluate and compare deep image-classification networks with Keras 3.

The public names are imported on first use, so that `import kerasnets` is instant:

    build_model(name, ...)      a functional keras.Model that outputs logits
    Recipe                      what to train and how, with the paper's defaults
    fit(recipe, path)           train into a run folder
    evaluate(run)               evaluate a trained run
    load(run)                   load a trained run as an image classifier
    load_run(run)               open a run folder's records

Paths may be text. A run is given by its folder, or by its name in artifacts/runs.

The Keras backend is PyTorch, unless the environment variable KERAS_BACKEND selects
another or Keras has already been imported, whose backend is then used.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasnets.version import __version__

if TYPE_CHECKING:
    from kerasnets.evaluation.evaluate import evaluate
    from kerasnets.inference.classifier import load
    from kerasnets.networks import build_model
    from kerasnets.recipe import Recipe
    from kerasnets.runs import load as load_run
    from kerasnets.training.fit import fit

# Keras reads this once, when it is first imported; child processes inherit it.
os.environ.setdefault(
    "KERAS_BACKEND",
    import_module("keras").backend.backend() if "keras" in sys.modules else "torch",
)

# "agg" always works; others can only be checked by importing matplotlib.
if "matplotlib" not in sys.modules and os.environ.get("MPLBACKEND", "agg") != "agg":
    import_module("kerasnets.compute.import_guards").matplotlib_starts()

_PUBLIC = {
    "Recipe": ("kerasnets.recipe", "Recipe"),
    "build_model": ("kerasnets.networks", "build_model"),
    "evaluate": ("kerasnets.evaluation.evaluate", "evaluate"),
    "fit": ("kerasnets.training.fit", "fit"),
    "load": ("kerasnets.inference.classifier", "load"),
    "load_run": ("kerasnets.runs", "load"),
}
# For these, an unusable backend is reported before the import of Keras fails.
_WITH_KERAS = ("build_model", "evaluate", "fit", "load")

__all__ = [
    "Recipe",
    "__version__",
    "build_model",
    "evaluate",
    "fit",
    "load",
    "load_run",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kerasnets' has no attribute {name!r}")
    if name in _WITH_KERAS:
        import_module("kerasnets.compute.runtime").backend()
    module, attribute = _PUBLIC[name]
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        import_module("kerasnets.errors").raise_unless_data(error)
        raise


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
