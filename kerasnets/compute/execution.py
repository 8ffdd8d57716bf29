"""How to compute: the settings shared by every command that computes."""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from kerasnets.compute import determinism, runtime
from kerasnets.compute.native_precision import automatic
from kerasnets.compute.runtime import Session
from kerasnets.compute.threads import check as check_threads
from kerasnets.errors import unknown
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
        threads: CPU threads of one operation: a number; "auto" for as many as cores
            are free when the process first computes; or what the backend chooses.
            They decide the last bits, so a run goes on with those it was begun with.
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
        """The same, but for the fields that are named.

        Raises:
            TypeError: there is no such field.
            BackendError: a value is not possible.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in options:
            if name not in names:
                raise TypeError(unknown("option", name, names))
        return dataclasses.replace(self, **options)

    @contextlib.contextmanager
    def begin(self, precision: str = "float32") -> Iterator[tuple[Session, str]]:
        """Enter a session on the device; yields it and the name of the resolved engine.

        Args:
            precision: as `kerasnets.compute.runtime.session` takes it, or "auto" for
                what `kerasnets.compute.native_precision.automatic` gives.

        Raises:
            BackendError: the device or the engine is not available, or the backend
                cannot be made deterministic or be told its number of threads.
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
