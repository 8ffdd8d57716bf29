from contextlib import nullcontext

import keras
import pytest

from kerasnets.networks import initial_weights


@pytest.fixture
def shapes_only(monkeypatch):
    """A context in which models have shapes and no values: 140 M parameters at once.

    Only PyTorch can; elsewhere the models are built in full.
    """
    if keras.backend.backend() == "torch":
        # NumPy would draw values for all that.
        monkeypatch.setattr(
            initial_weights, "_drawn", lambda initializer, *_: initializer
        )
        return keras.device("meta")
    return nullcontext()
