"""Train, evaluate and compare deep image-classification networks with Keras 3.

The public names are imported when first used, so that `import kerasnets` is instant:

    build_model(name, ...)      a functional keras.Model giving logits
    Recipe                      what to train and how, with the paper's defaults
    fit(recipe, path)           train into a run folder
    evaluate(run)               measure a trained run
    load_run(run)               open a run folder

Paths may be text; a run is meant by its folder, or by its name in artifacts/runs.

The Keras backend is PyTorch unless the environment variable KERAS_BACKEND says
otherwise.
"""

import os
from importlib import import_module
from typing import Any

from kerasnets.version import __version__

# Keras reads this once, when it is first imported.
os.environ.setdefault("KERAS_BACKEND", "torch")

_PUBLIC = {
    "Recipe": ("kerasnets.recipes", "Recipe"),
    "build_model": ("kerasnets.networks", "build_model"),
    "evaluate": ("kerasnets.evaluation.evaluate", "evaluate"),
    "fit": ("kerasnets.training.fit", "fit"),
    "load_run": ("kerasnets.runs", "load"),
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kerasnets' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
