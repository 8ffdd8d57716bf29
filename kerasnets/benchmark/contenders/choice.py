"""The contenders of a benchmark: ways to run a network."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any

from kerasnets.benchmark.contenders.contender import (
    Contender,
    Runner,
    torchvision_works,
)
from kerasnets.benchmark.work import Work
from kerasnets.compute import runtime
from kerasnets.compute.execution import Execution
from kerasnets.compute.settings.determinism import deterministic
from kerasnets.compute.threads import limited_to
from kerasnets.errors import BackendError, InstallationError, adding, option, unknown

OURS = "kerasnets"
# Contenders that kerasnets can be compared with.
OTHERS = (
    "torchvision",
    "torchvision-compiled",
    "keras",
    "kerasnets-eager",
    "onnxruntime",
)
_TORCH_ONLY = tuple(name for name in OTHERS if name != "keras")
_TWIN = "plain PyTorch twin"


def check(names: tuple[str, ...]) -> None:
    """Check that all `names` are in `OTHERS` and run on the backend.

    Raises:
        BackendError: a name is unknown, or belongs to another backend.
        InstallationError: a package is missing.
    """
    for name in names:
        if name not in OTHERS:
            raise BackendError(unknown("contender", name, OTHERS))
    for name in names:
        if name in _TORCH_ONLY and runtime.backend() != "torch":
            raise BackendError(
                f"comparing with {name} needs the PyTorch backend; "
                f"{option('against', 'keras')} works with others."
            )
    if "onnxruntime" in names:
        for package in ("onnx", "onnxruntime"):
            if find_spec(package) is None:
                raise InstallationError(
                    f"comparing with onnxruntime needs {package}, which is not "
                    f"installed; {adding('kerasnets[onnx]')}"
                )


def check_takes_part(contenders: list[Contender], works: list[Work]) -> None:
    """Raise BackendError if onnxruntime has nothing to do."""
    for one in contenders:
        if one.exported and not any(one.takes_part(work) for work in works):
            raise BackendError(
                f"{one.name} is compared at inference in float32 on a CPU alone, and "
                "none is asked for."
            )


def expand(
    names: tuple[str, ...], *, engine: str = "auto", channels: int = 3
) -> list[Contender]:
    """The contenders for names from `OTHERS`, after kerasnets itself. "torchvision"
    stands for both memory formats. If torchvision cannot be used, its hand-written twin
    replaces it under its own name.

    Args:
        engine: for kerasnets, one of `kerasnets.engines.names.ENGINES`.
        channels: of the images, 1 or 3.
    """
    plain = {"torchvision", "torchvision-compiled"} & set(names)
    twin = bool(plain) and not (channels == 3 and torchvision_works())
    source = _TWIN if twin else "torchvision"
    compiled = f"{source}, compiled" if twin else "torchvision-compiled"
    known = {
        "torchvision": [
            Contender(f"{source} contiguous", twin=twin),
            Contender(f"{source} channels-last", channels_last=True, twin=twin),
        ],
        "torchvision-compiled": [
            Contender(compiled, channels_last=True, compiled=True, twin=twin)
        ],
        "keras": [Contender("keras", engine="keras")],
        "kerasnets-eager": [Contender("kerasnets-eager", engine="torch_graph")],
        "onnxruntime": [Contender("onnxruntime", exported=True)],
    }
    ours = Contender(OURS, engine=engine)
    return [ours, *(one for name in dict.fromkeys(names) for one in known[name])]


def plain_source(contenders: list[Contender]) -> str | None:
    """The source of the plain PyTorch contenders' networks; None without such
    contenders."""
    plain = [one for one in contenders if one.is_plain]
    if not plain:
        return None
    return f"its {_TWIN}" if plain[0].twin else "torchvision"


def make(contender: Contender, work: Work) -> Runner:
    """Create a runner of the contender, with its own copy of the network."""
    return imports(contender).make(contender, work)


def imports(contender: Contender) -> Any:
    """The module that creates a contender, imported on demand: a plain PyTorch process
    must not import Keras."""
    if contender.is_plain:
        if not contender.twin:
            import torchvision  # noqa: F401
        from kerasnets.benchmark.contenders import torch_contender

        return torch_contender
    if contender.exported:
        from kerasnets.benchmark.contenders import onnx_contender

        return onnx_contender
    from kerasnets.benchmark.contenders import keras_contender

    return keras_contender


def surroundings(contender: Contender, work: Work) -> AbstractContextManager:
    """The context of a contender: a session or, for plain PyTorch, as a session imports
    Keras, only the settings of `work` and those of a tuned script on CUDA."""
    if not contender.is_plain:
        return Execution(
            work.device,
            contender.engine or "auto",
            deterministic=work.deterministic,
            threads=work.threads,
        ).begin(work.precision)
    return _plain(work)


@contextlib.contextmanager
def _plain(work: Work) -> Iterator[None]:
    import torch

    from kerasnets.compute.settings.of_torch import fast_math

    with contextlib.ExitStack() as stack:
        stack.enter_context(limited_to(work.threads, "torch"))
        if work.on_cuda:
            stack.enter_context(torch.cuda.device(work.device))
            stack.enter_context(fast_math())
        if work.deterministic:
            stack.enter_context(deterministic("torch", work.device))
        yield
