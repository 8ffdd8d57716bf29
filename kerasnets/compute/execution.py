"""How a command computes: what training, evaluation and studies are told alike."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from kerasnets.compute import determinism, runtime
from kerasnets.compute.runtime import Session
from kerasnets.storage.folders import as_path


@dataclass(frozen=True)
class Execution:
    """How to compute, and where the data is.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:N".
        engine: what runs the network, one of `kerasnets.engines.choice.ENGINES`.
        data_dir: where prepared datasets are; TFDS_DATA_DIR unless given.
        deterministic: use algorithms that give the same bits every time, also on an
            accelerator, where that costs speed; on a CPU all do.
    """

    device: str = "auto"
    engine: str = "auto"
    data_dir: Path | str | None = None
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", as_path(self.data_dir, "data_dir"))

    @contextlib.contextmanager
    def begin(self, precision: str = "float32") -> Iterator[tuple[Session, str]]:
        """Enter a session on the device; gives it and the engine by its own name.

        Args:
            precision: as `kerasnets.compute.runtime.session` takes it.

        Raises:
            BackendError: the device or the engine is not available, or the backend
                cannot be made deterministic.
        """
        with contextlib.ExitStack() as stack:
            session = stack.enter_context(runtime.session(self.device, precision))
            if self.deterministic:
                stack.enter_context(determinism.deterministic(session))
            from kerasnets.engines import choice

            yield session, choice.check(self.engine, session.device)


DEFAULT = Execution()


class ExecutionOptions(TypedDict, total=False):
    """Fields of `Execution` as keyword arguments."""

    device: str
    engine: str
    data_dir: Path | str | None
    deterministic: bool
