"""The engines of the backend under test."""

import keras
import pytest

_HERE = keras.backend.backend()

# The last is what "auto" takes on a CPU.
ENGINES = ["keras", "torch_graph"] if _HERE == "torch" else ["keras"]

two_engines = pytest.mark.skipif(
    len(ENGINES) < 2, reason="only the PyTorch backend has two engines"
)


def not_under(backend: str):
    """Marks what `backend` does otherwise."""
    return pytest.mark.skipif(backend == _HERE, reason=f"{backend} does otherwise")
