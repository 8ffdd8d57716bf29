"""The run folder during training: lock, log, requests to stop."""

import contextlib
import shutil
from collections.abc import Iterator

from kerasnets.errors import RunError
from kerasnets.runs import Run
from kerasnets.runs.records import begun_environment
from kerasnets.training.callbacks.progress import ProgressReporter
from kerasnets.training.callbacks.stop_requests import StopRequest, stop_requests


@contextlib.contextmanager
def recording(
    run: Run, reporter: ProgressReporter, *, created: bool
) -> Iterator[StopRequest]:
    """Hold a run's lock, log to its folder, and yield the requests to stop.

    Args:
        created: whether the folder is new; it is removed again if no step is done.

    Raises:
        RunError: another process holds the lock, or the folder has gone.
    """
    with (
        run.lock(),
        # Inside the lock: without it, the folder is another process's.
        _taken_back(run, reporter, created=created),
        _still_there(run),
        stop_requests() as stop,
    ):
        run.clear_temporary_files()
        reporter.log_to(run.path / "run.log")
        yield stop


@contextlib.contextmanager
def _taken_back(
    run: Run, reporter: ProgressReporter, *, created: bool
) -> Iterator[None]:
    """Remove a new run that fails before its first checkpoint, if the error came before
    its first step (from a user's callback, for example) or because standard output
    cannot be written: its disk is full or its pipe closed."""
    try:
        yield
    except Exception as error:
        unheard = reporter.silenced and isinstance(error, OSError | ValueError)
        begun = (begun_environment(run) or {}).get("start_s") is not None
        kept = (begun and not unheard) or any(run.checkpoint_folder.glob("*"))
        if created and not kept:
            shutil.rmtree(run.path, ignore_errors=True)
        raise


@contextlib.contextmanager
def _still_there(run: Run) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if run.path.is_dir():
            raise
        raise RunError(
            f"{run.path} is gone: it was removed or renamed while it was written to."
        ) from error
