"""Tests that run only where PyTorch sees a CUDA device.

They are marked `cuda`; elsewhere they are skipped with one reason.
"""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Makes cuda_cases importable from the tests beside it.
sys.path.insert(0, str(HERE))
# As tests/conftest.py does; these tests also run without it, and what it imports.
os.environ.setdefault("KERAS_BACKEND", "torch")


def why_not() -> str | None:
    import keras
    import torch

    if keras.backend.backend() != "torch":
        return "the CUDA code is the PyTorch backend's"
    if not torch.cuda.is_available():
        return "PyTorch sees no CUDA device"
    return None


def pytest_collection_modifyitems(items) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    reason = why_not() if ours else None
    for item in ours:
        item.add_marker(pytest.mark.cuda)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def memory_is_given_back():
    """Processes that the tests start find the device's memory free."""
    yield
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@pytest.fixture(scope="session", autouse=True)
def cublas_setting():
    """PyTorch reads it at the first product on the device, for the whole process: tests
    that train deterministically come after others."""
    with pytest.MonkeyPatch.context() as patch:
        if "CUBLAS_WORKSPACE_CONFIG" not in os.environ:
            patch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        yield
