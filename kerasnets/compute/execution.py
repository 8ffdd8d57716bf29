"""Settings shared by all commands that compute: device, engine, threads, data."""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from kerasnets.compute import runtime
from kerasnets.compute.native_precision import automatic
from kerasnets.compute.runtime import Session
from kerasnets.compute.settings import determinism
from kerasnets.compute.threads import check as check_threads
from kerasnets.errors import unknown
from kerasnets.storage.folders import as_path


@dataclass(frozen=True)
class Execution:
    """How to compute, and where to find prepared data.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:N".
        engine: runs the network, one of `kerasnets.engines.names.ENGINES`.
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.
        deterministic: use only deterministic algorithms on accelerators too, at a cost
            in speed; on a CPU all are deterministic.
        threads: CPU threads per operation: a number; "auto" for the number of cores
            that are idle when the process first computes; None for the backend's
            choice. It affects the last bits, so a resumed run keeps its number.
    """

    device: str = "auto"
    engine: str = "auto"
    data_dir: Path | str | None = None
    deterministic: bool = False
    threads: int | str | None = None

    def __post_init__(self) -> None:
        check_threads(self.threads)
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", as_path(self.data_dir, "data_dir"))

    def replace(self, **options: Any) -> "Execution":
        """A copy with the named fields replaced.

        Raises:
            TypeError: a field does not exist.
            BackendError: a value is not allowed.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in options:
            if name not in names:
                raise TypeError(unknown("option", name, names))
        return dataclasses.replace(self, **options)

    @contextlib.contextmanager
    def begin(self, precision: str = "float32") -> Iterator[tuple[Session, str]]:
        """Enter a session on the device; yield it and the name of the resolved engine.

        Args:
            precision: a Keras dtype policy, or "auto", see
                `kerasnets.compute.native_precision.automatic`.

        Raises:
            BackendError: the device or the engine is not available, or determinism or
                the number of threads cannot be set for the backend.
        """
        with contextlib.ExitStack() as stack:
            if precision == "auto":
                precision, _ = automatic(self.device)
            session = stack.enter_context(
                runtime.session(self.device, precision, self.threads)
            )
            if self.deterministic:
                stack.enter_context(
                    determinism.deterministic(session.backend, session.device)
                )
            from kerasnets.engines import choice

            yield session, choice.check(self.engine, session.device)


DEFAULT = Execution()


class ExecutionOptions(TypedDict, total=False):
    """Fields of `Execution` as keyword arguments."""

    device: str
    engine: str
    data_dir: Path | str | None
    deterministic: bool
    threads: int | str | None
