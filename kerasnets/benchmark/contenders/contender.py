"""Contenders and their runners."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.work import Work


@dataclass(frozen=True)
class Contender:
    """One way to run a network.

    Attributes:
        name: in tables, figures and files.
        engine: runs a Keras model, one of `kerasnets.engines.names.ENGINES`; None for
            onnxruntime and for plain PyTorch, whose process has no Keras.
        channels_last: the memory format of plain PyTorch.
        compiled: whether plain PyTorch's network is compiled by torch.compile.
        twin: whether plain PyTorch's network is hand-written instead of torchvision's.
        exported: whether onnxruntime runs the network.
    """

    name: str
    engine: str | None = None
    channels_last: bool = False
    compiled: bool = False
    twin: bool = False
    exported: bool = False

    @property
    def is_plain(self) -> bool:
        return self.engine is None and not self.exported

    def takes_part(self, work: Work) -> bool:
        """An exported network does not train, and computes in float32 on the CPU."""
        fits = work.what == "inference" and work.precision == "float32"
        return not self.exported or (fits and not work.on_cuda)

    @property
    def memory_format(self) -> str | None:
        if not self.is_plain:
            return None
        return "channels-last" if self.channels_last else "contiguous"


class Runner(Protocol):
    """A contender with its own copy of the network."""

    def run(self, steps: int, clock: Clock, *, warm_up: int = 0) -> None:
        """Process `warm_up + steps` batches, and time the last `steps`."""

    def counts(self) -> dict[str, int]:
        """The result of `kerasnets.benchmark.roofline.counts`; empty for plain
        PyTorch."""


def torchvision_works() -> bool:
    if find_spec("torchvision") is None:
        return False
    try:
        import torchvision  # noqa: F401
    except Exception:  # an incompatible build fails in many ways
        return False
    return True
