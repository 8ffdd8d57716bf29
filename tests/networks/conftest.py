from contextlib import nullcontext

import keras
import pytest


@pytest.fixture
def shapes_only():
    """A context in which models have shapes and no values: 140 M parameters at once.

    Only PyTorch can; elsewhere the models are built in full.
    """
    if keras.backend.backend() == "torch":
        return keras.device("meta")
    return nullcontext()
