"""Kill training at random instants and verify that the result is unchanged.

A run is trained twice without interruption, then again in processes that are killed
(SIGKILL, which no process can catch) at random instants and resumed. All runs must end
with identical bits.
"""

import hashlib
import math
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.compute import runtime
from kerasnets.compute.child_processes import independent, without_main
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.errors import KerasnetsError, RunError
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.records import VALIDATION_CONFUSION, epoch_times
from kerasnets.runs.trained import load_model
from kerasnets.storage.run_folders import RECIPE_FILE
from kerasnets.training import checkpoint
from kerasnets.training.checkpointing import Interval

# Often, so that kills hit checkpoints while they are written.
_EVERY = Interval(steps=1)


@dataclass(frozen=True)
class Killed:
    """A run that was killed and resumed until it finished.

    Attributes:
        path: the run folder.
        kills: number of kills.
        same: for each compared item, whether it equals that of the uninterrupted run
            to the bit.
    """

    path: Path
    kills: int
    same: dict[str, bool]


@dataclass(frozen=True)
class Drill:
    """Result of a drill.

    Attributes:
        recipe: the recipe trained.
        whole_s: seconds of the faster of the two uninterrupted runs, startup included.
        again: the second uninterrupted run; if it differs from the first, the device
            is not deterministic.
        killed: the killed runs.
    """

    recipe: Recipe
    whole_s: float
    again: Killed
    killed: tuple[Killed, ...]

    @property
    def kills(self) -> int:
        return sum(run.kills for run in self.killed)

    @property
    def passed(self) -> bool:
        return all(all(run.same.values()) for run in (self.again, *self.killed))


def default_recipe(network: str) -> Recipe:
    """A few steps on the digits, with every stateful part of training."""
    return Recipe.for_paper(
        network,
        "digits",
        limit=120,
        batch_size=16,
        epochs=2,
        dropout=0.2,
        augment="crop-flip",
        schedule="cosine",
    )


def drill(
    recipe: Recipe,
    folder: Path | str,
    *,
    kills: int = 5,
    seed: int = 0,
    execution: Execution = DEFAULT,
    say: Callable[[str], None] = lambda line: None,
) -> Drill:
    """Train `recipe` with and without kills, in `folder`/whole, again, killed-1, ...

    If a killed run finishes before all kills are used, another one begins.

    Args:
        folder: must not contain runs of these names.
        kills: processes to kill, >= 1.
        seed: determines the instants.
        execution: see `kerasnets.training.fit.fit`; under PyTorch, deterministic
            algorithms are always used.
        say: receives a line about each kill.

    Raises:
        RunError: the folder is occupied, or a process fails without being killed.
    """
    folder = Path(folder)
    if runtime.backend() == "torch":
        # The device's full name: a process that cannot have it must fail, not choose
        # another. Deterministic: an accelerator gives other bits at each run otherwise.
        threads = execution.threads
        with runtime.session(execution.device, threads=threads) as session:
            execution = replace(
                execution,
                device=session.device,
                deterministic=True,
                threads=threads and session.threads,
            )
    instants = random.Random(seed)
    context = warm_context()
    whole_s = math.inf
    whole, again = folder / "whole", folder / "again"
    for path in (whole, again):
        runs.check_free(path)
        began = time.monotonic()
        run_child(context, _train, (recipe, path, execution))
        seconds = time.monotonic() - began
        say(f"{path.name}: not killed, took {seconds:.1f} s")
        # The first run's time may include imports and compilation.
        whole_s = min(whole_s, seconds)
    expected = fingerprint(runs.load(whole))

    def ended_after(path: Path, kills: int) -> Killed:
        found = fingerprint(runs.load(path))
        same = {name: found[name] == expected[name] for name in expected}
        return Killed(path, kills, same)

    ended: list[Killed] = []
    while (left := kills - sum(run.kills for run in ended)) > 0:
        path = folder / f"killed-{len(ended) + 1}"
        runs.check_free(path)

        def kill_after(path: Path = path) -> float:
            seconds = instants.uniform(0, whole_s)
            say(f"{path.name}: killed after {seconds:.2f} s, unless it ends before")
            return seconds

        arguments = (recipe, path, execution)
        killed = kill_until_done(context, _train, arguments, left, kill_after)
        ended.append(ended_after(path, killed))
    return Drill(recipe, whole_s, ended_after(again, 0), tuple(ended))


@frees_models
def fingerprint(run: Run) -> dict[str, str]:
    """Digests of everything in which two runs of one recipe must agree."""
    last = checkpoint.newest(run.checkpoint_folder)
    if last is None:
        raise RunError(f"{run.path} has no checkpoint.")
    weights = hashlib.sha256()
    for weight in load_model(run).get_weights():
        weights.update(weight.tobytes())
    timed = [str(time.epoch) for time in epoch_times(run)]
    files = (RECIPE_FILE, "history.csv", VALIDATION_CONFUSION.file)
    return {
        "weights and optimizer": f"{last.position}: {last.variables_digest}",
        "model.keras": weights.hexdigest(),
        "epochs of epoch_times.csv": ",".join(timed),
        **{
            name: hashlib.sha256((run.path / name).read_bytes()).hexdigest()
            for name in files
        },
    }


def warm_context(*modules: str) -> BaseContext:
    """A context whose processes start with training and `modules` already imported, if
    the platform can fork; the imports would take longer than the training."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # Importing Keras queries PyTorch for CUDA devices. A query through the driver would
    # leave CUDA unusable in forked processes; NVML does not.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["kerasnets.training.fit", "kerasnets.datasets", "sklearn.datasets", *modules]
    )
    return context


def kill_until_done(
    context: BaseContext,
    target: Callable[..., object],
    arguments: tuple[Any, ...],
    kills: int,
    kill_after: Callable[[], float],
) -> int:
    """Run `target` in one process after another until one ends by itself; up to `kills`
    of them are killed, each `kill_after()` seconds after its start.

    Returns:
        The number of processes killed.

    Raises:
        RunError: one of them failed.
    """
    for killed in range(kills):
        if run_child(context, target, arguments, kill_after=kill_after()):
            return killed
    run_child(context, target, arguments)
    return kills


def run_child(
    context: BaseContext,
    target: Callable[..., object],
    arguments: tuple[Any, ...],
    *,
    kill_after: float | None = None,
) -> bool:
    """Run `target` in its own process; return whether it ended by itself.

    Raises:
        RunError: it failed.
    """
    process = context.Process(target=target, args=arguments)  # type: ignore[attr-defined]
    if context.get_start_method() == "forkserver":
        # Its processes ignore Ctrl-C as it does. They start when its imports are done.
        with independent():
            forkserver.ensure_running()
        starting = without_main()
    else:
        starting = independent()
    with starting:
        process.start()
    try:
        process.join(kill_after)
        ended = process.exitcode is not None
    finally:
        process.kill()
        process.join()
    if ended and process.exitcode != 0:
        raise RunError(
            f"a process that was not killed ended with status {process.exitcode}."
        )
    return process.exitcode == 0


def _train(recipe: Recipe, path: Path, execution: Execution) -> None:
    from kerasnets.training.fit import fit

    try:
        # The drill prints its own lines; those of the run would only add noise.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            fit(
                recipe,
                path,
                resume=True,
                execution=execution,
                checkpoint_every=_EVERY,
                verbosity=0,
            )
    except KerasnetsError as error:
        sys.exit(f"kerasnets: {error}")
