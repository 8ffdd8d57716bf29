"""Bit-identical results on accelerators, at a cost in speed.

On a CPU every backend is deterministic for a given number of threads. On an
accelerator, the fastest algorithms sum in the order in which their threads finish.
"""

import contextlib
import os
from collections.abc import Iterator

from kerasnets.errors import BackendError, option

COST = (
    "deterministic: the same bits every time on this machine; slower where the fastest "
    "algorithm is not deterministic"
)

# The workspace setting that makes cuBLAS deterministic (NVIDIA, cuBLAS documentation,
# "Results reproducibility").
_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextlib.contextmanager
def deterministic(backend: str, device: str) -> Iterator[None]:
    """Use deterministic algorithms only, and restore the settings afterwards.

    cuBLAS reads its setting at its first computation. If the process has already
    computed on an accelerator, the setting must have been in the environment then.

    Args:
        backend, device: as in `kerasnets.compute.runtime.Session`.

    Raises:
        BackendError: the backend, or cuBLAS, must be configured before it starts.
    """
    if backend != "torch":
        if device != "cpu":
            raise BackendError(_elsewhere(backend))
        yield
        return
    import torch

    name, value = _CUBLAS
    workspace = os.environ.get(name)
    algorithms = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    convolutions = cudnn.deterministic, cudnn.benchmark
    if device != "cpu":
        os.environ.setdefault(name, value)
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        if device.startswith("cuda"):
            _check_cublas(device, workspace)
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = convolutions
        torch.use_deterministic_algorithms(algorithms, warn_only=warn_only)
        if workspace is None:
            os.environ.pop(name, None)


def _check_cublas(device: str, workspace: str | None) -> None:
    """Raise BackendError if cuBLAS has started with another setting."""
    name, value = _CUBLAS
    try:
        _multiply(device)
    except RuntimeError as error:
        if name not in str(error):
            raise
        begun = (
            "the GPU has computed in this process before"
            if workspace is None
            else f"{name} is {workspace!r}"
        )
        raise BackendError(
            f"{option('deterministic', True)} is too late, as {begun}; set "
            f"{name}={value} before Python starts."
        ) from error


def _multiply(device: str) -> None:
    import torch

    one = torch.ones(1, 1, dtype=torch.float32, device=device)
    torch.mm(one, one)


def _elsewhere(backend: str) -> str:
    variable = {
        "jax": "XLA_FLAGS=--xla_gpu_deterministic_ops=true",
        "tensorflow": "TF_DETERMINISTIC_OPS=1",
    }[backend]
    return (
        f"{option('deterministic', True)} sets up PyTorch; {backend} reads {variable} "
        "from the environment when it starts."
    )
