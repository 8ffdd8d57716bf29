"""What the backend under test has."""

import re

import keras
import pytest

BACKEND = keras.backend.backend()

# The last is what "auto" takes on a CPU.
ENGINES = ["keras", "torch_graph"] if BACKEND == "torch" else ["keras"]


def only_under(backend: str):
    """Marks a test of what only `backend` does."""
    return pytest.mark.skipif(backend != BACKEND, reason=f"only {backend} does it")


def not_under(backend: str):
    """Marks a test of what every backend but `backend` does."""
    return pytest.mark.skipif(backend == BACKEND, reason=f"{backend} does otherwise")


# TensorFlow logs to standard error while it is imported, and has no setting for this.
_TENSORFLOW_LOGS = re.compile(
    r"(WARNING: All log messages before |[IWE]\d{4} |To enable the following ).*\n"
)


def without_tensorflow_logs(printed: str) -> str:
    return _TENSORFLOW_LOGS.sub("", printed)
