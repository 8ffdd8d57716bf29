"""The ways to run a network that a benchmark compares."""

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
from kerasnets.compute.determinism import deterministic
from kerasnets.compute.execution import Execution
from kerasnets.compute.threads import limited_to
from kerasnets.errors import BackendError, InstallationError, option, unknown

OURS = "kerasnets"
# What kerasnets can be compared with.
OTHERS = (
    *("torchvision", "torchvision-compiled", "keras", "kerasnets-eager"),
    "onnxruntime",
)
_TORCH_ONLY = (
    *("torchvision", "torchvision-compiled", "kerasnets-eager", "onnxruntime"),
)
_TWIN = "plain PyTorch twin"


def check(names: tuple[str, ...]) -> None:
    """Check that the backend has every one of `names`, of `OTHERS`.

    Raises:
        BackendError: one is unknown, or another backend's.
        InstallationError: a package that one needs is missing.
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
                    "installed; 'pip install kerasnets[onnx]' adds it."
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
    """The contenders of names of `OTHERS`, after kerasnets itself. "torchvision" stands
    for both memory formats. If torchvision cannot be used, its twin replaces it under
    its own name.

    Args:
        engine: kerasnets' own, one of `kerasnets.engines.choice.ENGINES`.
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
    """Whose networks the plain PyTorch contenders run; None where there are none."""
    plain = [one for one in contenders if one.is_plain]
    if not plain:
        return None
    return f"its {_TWIN}" if plain[0].twin else "torchvision"


def make(contender: Contender, work: Work) -> Runner:
    """A runner of the contender, with its own copy of the network."""
    return imports(contender).make(contender, work)


def imports(contender: Contender) -> Any:
    """The module that makes a contender, with only the imports that it needs: a plain
    PyTorch process has no Keras."""
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
    """The context in which a contender is made and runs: a session; for plain PyTorch,
    as a session imports Keras, only the settings of `work` and those of any tuned
    script on CUDA."""
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

    from kerasnets.compute.torch_settings import fast_math

    with contextlib.ExitStack() as stack:
        stack.enter_context(limited_to(work.threads, "torch"))
        if work.on_cuda:
            stack.enter_context(torch.cuda.device(work.device))
            stack.enter_context(fast_math())
        if work.deterministic:
            stack.enter_context(deterministic("torch", work.device))
        yield
