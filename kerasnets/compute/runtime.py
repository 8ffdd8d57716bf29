"""The single place that depends on the backend and the device.

The rest of the code enters `session(...)` and uses Keras.
"""

import contextlib
import os
import platform
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kerasnets.compute.settings import process as process_settings
from kerasnets.compute.threads import affinity, limited_to
from kerasnets.console import printable
from kerasnets.errors import BackendError, adding, shown, unknown
from kerasnets.storage.folders import user_cache

BACKENDS = ("torch", "jax", "tensorflow")


@dataclass(frozen=True)
class Session:
    """Where a run computes.

    Attributes:
        backend: "torch", "jax" or "tensorflow".
        device: "cpu", "cuda:0", ...
        device_name: model of the processor or accelerator.
        threads: CPU threads per operation; None if unknown.
        left: process settings that the session does not fix, at its start; the current
            ones unless given.
    """

    backend: str
    device: str
    device_name: str
    threads: int | None
    left: Mapping[str, str] | None = None

    def environment(self) -> dict[str, Any]:
        """The machine and software facts recorded in environment.json."""
        return {
            "backend": self.backend,
            "device": self.device,
            "device_name": self.device_name,
            "threads": self.threads,
            "platform": shown(platform.platform()),
            "python": platform.python_version(),
            "packages": {
                package: package_version(package)
                for package in ("kerasnets", "keras", self.backend, "numpy", "Pillow")
            },
            "settings": {
                name: shown(value)
                for name, value in (
                    process_settings.left(self.backend)
                    if self.left is None
                    else self.left
                ).items()
            },
        }


def backend() -> str:
    """The backend that Keras uses or will use, after checking that it is available,
    without importing it.

    Raises:
        BackendError: KERAS_BACKEND names a backend that cannot train or is not
            installed, or Keras has been imported with such a backend.
    """
    if "keras" in sys.modules:
        name = import_module("keras").backend.backend()
        if name not in BACKENDS:
            raise BackendError(
                f"Keras is imported already, with the backend {name!r}, which cannot "
                f"train; kerasnets needs {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}: "
                "set KERAS_BACKEND before Python starts, or import kerasnets before "
                "keras."
            )
        return name
    name = os.environ.get("KERAS_BACKEND", "torch")
    if name not in BACKENDS:
        raise BackendError(unknown("KERAS_BACKEND", name, BACKENDS))
    if find_spec(name) is None:
        raise BackendError(
            f"KERAS_BACKEND is {name!r}, which is not installed; "
            + adding("torch" if name == "torch" else f"kerasnets[{name}]")
        )
    return name


@contextlib.contextmanager
def session(
    device: str = "auto",
    precision: str = "float32",
    threads: int | str | None = None,
) -> Iterator[Session]:
    """Run Keras on a device with a dtype policy and the settings of
    `kerasnets.compute.settings.process`, and restore everything afterwards.

    They affect the whole process, so only one thread at a time has a session.

    Args:
        device: "auto" (the first accelerator, else the CPU), "cpu", "cuda" or
            "cuda:N".
        precision: a Keras dtype policy, such as "mixed_bfloat16".
        threads: see `kerasnets.compute.execution.Execution`.

    Raises:
        BackendError: the backend or the device is not available, its number of threads
            cannot be set, or another thread has a session.
    """
    name = backend()
    with _alone(), printable():
        chosen = _choose_device(name, device)
        import keras

        with (
            # Before the settings: an unset policy follows floatx.
            _dtype_policy(precision),
            process_settings.fixed(name),
            keras.device(_keras_device(name, chosen)),
            limited_to(threads, name),
            _fast_settings(name, chosen),
            _without_tensorflow(name),
        ):
            device_name = shown(_device_name(name, chosen))
            left = process_settings.left(name)
            yield Session(name, chosen, device_name, _threads(name), left)


_in_session = threading.RLock()  # reentered, for example by a callback that evaluates


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    if not _in_session.acquire(blocking=False):
        raise BackendError(
            "another thread of this process is training or evaluating, and Keras has "
            "one device and one precision per process; wait for it, or start a process "
            "for each."
        )
    try:
        yield
    finally:
        _in_session.release()


@contextlib.contextmanager
def _dtype_policy(precision: str) -> Iterator[None]:
    from keras import config

    before = config.dtype_policy()
    config.set_dtype_policy(precision)
    try:
        yield
    finally:
        config.set_dtype_policy(before)


def _fast_settings(name: str, device: str) -> contextlib.AbstractContextManager:
    """Settings that make the backend faster on a device."""
    if name == "torch" and device.startswith("cuda"):
        from kerasnets.compute.settings.of_torch import fast_math

        return fast_math()
    if name == "torch":
        from kerasnets.compute.settings.of_torch import keep_freed_memory

        keep_freed_memory()
    if name == "jax":
        return _kept_compilations()
    return contextlib.nullcontext()


@contextlib.contextmanager
def _without_tensorflow(name: str) -> Iterator[None]:
    """Where TensorFlow is installed, Keras under any backend would import it, which
    takes seconds, to seed it and to look for its types in a model to save."""
    from keras.src.utils.module_utils import tensorflow

    unasked = vars(tensorflow).get("_available", True) is None
    if name == "tensorflow" or "tensorflow" in sys.modules or not unasked:
        yield
        return
    tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = None


@contextlib.contextmanager
def _kept_compilations() -> Iterator[None]:
    """Cache JAX's compiled code in the user's cache folder, unless the user has set
    another, so that a second run of the same network starts without compiling."""
    import jax

    before = jax.config.jax_compilation_cache_dir
    own = user_cache()
    if before is None and own:
        jax.config.update("jax_compilation_cache_dir", str(own / "jax"))
    try:
        yield
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def jit_compile() -> bool | str:
    """The argument `jit_compile` for `keras.Model.compile`: Keras's choice, except for
    TensorFlow on a CPU, where XLA made a step of ResNet-18 seven times slower
    (docs/performance.md)."""
    if backend() == "tensorflow" and not _cuda_devices("tensorflow"):
        return False
    return "auto"


def device_of(device: str) -> tuple[str, str]:
    """The backend, and the device that a `session` on `device` would use.

    Raises:
        BackendError: the backend or the device is not available.
    """
    name = backend()
    return name, _choose_device(name, device)


def cuda_capability(name: str, index: int) -> tuple[int, int]:
    """The compute capability of a CUDA device, such as (8, 0)."""
    if name == "torch":
        import torch

        return torch.cuda.get_device_capability(index)
    if name == "jax":
        import jax

        found = str(jax.devices("gpu")[index].compute_capability)
    else:
        import tensorflow

        device = tensorflow.config.list_physical_devices("GPU")[index]
        details = tensorflow.config.experimental.get_device_details(device)
        return details.get("compute_capability", (0, 0))
    major, _, minor = found.partition(".")
    return int(major), int(minor)


def _choose_device(name: str, device: str) -> str:
    if not isinstance(device, str):
        raise BackendError(f"device must be text, not {shown(repr(device))}.")
    kind, colon, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (
        colon and not (kind == "cuda" and number.isdecimal())
    ):
        raise BackendError(unknown("device", device, ("auto", "cpu", "cuda", "cuda:N")))
    if kind == "cpu":
        return "cpu"
    count = _cuda_devices(name)
    if kind == "auto":
        return "cuda:0" if count else _without_cuda(name)
    index = int(number or 0)
    if count == 0:
        raise BackendError(
            f"device {device!r} was requested, but {name} finds no CUDA device; "
            "use 'cpu' or 'auto'."
        )
    if index >= count:
        raise BackendError(
            f"device {device!r} was requested, but {name} finds {count} CUDA "
            f"device{'s' * (count > 1)}: cuda:0 to cuda:{count - 1}."
        )
    return f"cuda:{index}"


def _cuda_devices(name: str) -> int:
    if name == "torch":
        import torch

        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "jax":
        import jax

        return sum(device.platform in ("gpu", "cuda") for device in jax.devices())
    import tensorflow

    return len(tensorflow.config.list_physical_devices("GPU"))


def _without_cuda(name: str) -> str:
    if name == "torch":
        import torch

        if torch.backends.mps.is_available():
            return "mps"
    return "cpu"


def _keras_device(name: str, device: str) -> str:
    if name == "torch":
        return device
    return {"cpu": "cpu:0"}.get(device, device.replace("cuda", "gpu"))


def _device_name(name: str, device: str) -> str:
    if name == "torch" and device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    if name == "jax" and device.startswith("cuda"):
        import jax

        return jax.devices("gpu")[int(device.partition(":")[2])].device_kind
    return f"{cpu_name()}, {os.cpu_count()} cores" if device == "cpu" else device


def cpu_name() -> str:
    """The processor's model."""
    # platform.processor() is empty on most Linux systems.
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads(name: str) -> int:
    if name == "torch":
        import torch

        return torch.get_num_threads()
    named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if name == "tensorflow" and named.isdecimal() and int(named):
        return int(named)
    return len(affinity())


def package_version(package: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        # A distribution of another name, such as tensorflow-cpu.
        return getattr(sys.modules.get(package), "__version__", None)
