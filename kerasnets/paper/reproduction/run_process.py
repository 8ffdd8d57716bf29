"""A process started by `side_by_side` for one run of a study.

The job is a line of JSON on standard input, which then stays open as long as the
parent process lives.
"""

import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from kerasnets.errors import Interrupted, command_line


def main() -> int:
    """Complete the run; return 0, `HELD`, or 128 plus the signal that stopped it."""
    try:
        signal.signal(signal.SIGTERM, _stop)
        job = json.loads(sys.stdin.readline())
        threading.Thread(target=_end_with_the_parent, daemon=True).start()
        # Recorded messages must name options as the parent process does.
        with command_line() if job["command_line"] else contextlib.nullcontext():
            return _work_on(job)
    except KeyboardInterrupt as error:
        return getattr(error, "exit_status", 128 + signal.SIGINT)


def _work_on(job: dict[str, Any]) -> int:
    from kerasnets.compute.execution import Execution
    from kerasnets.paper.outcomes import is_settled
    from kerasnets.paper.plan import PlannedRun, RunsFolder
    from kerasnets.paper.reproduction.reproduce import complete_run
    from kerasnets.paper.reproduction.settings import Settings
    from kerasnets.paper.reproduction.side_by_side import HELD
    from kerasnets.recipe import Recipe

    place, recipe = RunsFolder(Path(job["place"])), Recipe(**job["recipe"])
    planned = PlannedRun(place, job["row"], job["seed"], recipe, job["alternative"])
    with place.lock(planned.name, wait=job["wait"]) as held:
        if not held:
            return HELD
        # The previous holder may have finished it.
        if not is_settled(planned):
            execution = Execution(**job["execution"])
            settings = Settings(execution, job["keep_checkpoints"], verbosity=0)
            callbacks = [_epoch_lines(recipe)] if job["verbosity"] else []
            complete_run(planned, settings, callbacks)
    return 0


def _epoch_lines(recipe: Any) -> Any:
    """A Keras callback that prints a short line per epoch."""
    import keras

    def tell(epoch: int, logs: dict[str, float]) -> None:
        print(
            f"epoch {epoch + 1}/{recipe.epochs}: accuracy {logs['accuracy']:.2%}, "
            f"validation accuracy {logs['val_accuracy']:.2%}",
            flush=True,
        )

    return keras.callbacks.LambdaCallback(on_epoch_end=tell)


def _stop(number: int, frame: object) -> None:
    raise Interrupted(number)


def _end_with_the_parent() -> None:
    """When the parent is gone, send SIGTERM to this process, which saves and ends."""
    # Not through Python's stream, which would hold its lock when the process ends.
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    # Nobody reads the output any more; writing to the broken pipe would raise.
    with Path(os.devnull).open("w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
