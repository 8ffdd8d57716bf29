"""Kill training at random instants, and see that nothing is lost by it.

A run is trained whole twice, then again in processes of which most are killed (SIGKILL,
which no process can catch) at random instants and resumed. All must end the same, to
the bit.
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
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.compute import runtime
from kerasnets.compute.child_processes import without_main
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.compute.freed_models import frees_models
from kerasnets.errors import KerasnetsError, RunError
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.records import VALIDATION_CONFUSION, epoch_times
from kerasnets.runs.trained import load_model
from kerasnets.training import checkpoint
from kerasnets.training.checkpointing import Interval

# Often, so that a kill meets a checkpoint half-written rather than none at all.
_EVERY = Interval(steps=1)


@dataclass(frozen=True)
class Killed:
    """A run that was killed and resumed until it ended.

    Attributes:
        path: its folder.
        kills: how often it was killed.
        same: what was compared with the run that was never killed, and whether it is
            the same to the bit.
    """

    path: Path
    kills: int
    same: dict[str, bool]


@dataclass(frozen=True)
class Drill:
    """What came out.

    Attributes:
        recipe: what was trained.
        whole_s: seconds that the faster of two runs took that were never killed, with
            its start.
        again: a second run that was never killed; where it is not the same, the device
            does not give the same bits twice.
        killed: the runs that were.
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
    """A few steps on the digits, with everything that has a state."""
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
    """Train `recipe` whole and killed, in `folder`/whole, again, killed-1, ...

    A killed run that ends before all kills are spent is followed by another.

    Args:
        folder: must be free of runs of these names.
        kills: processes to kill, >= 1.
        seed: decides the instants.
        execution: as `kerasnets.training.fit.fit` takes it; what PyTorch trains is
            deterministic in any case.
        say: takes a line about each kill.

    Raises:
        RunError: the folder is occupied, or training fails without being killed.
    """
    folder = Path(folder)
    if runtime.backend() == "torch":
        # By its full name: a process that does not get it must not take another. And
        # deterministic, or an accelerator gives other bits at every training.
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
        # The first may have waited for imports and compilations.
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
    """Digests of all that must be the same of two runs of one recipe."""
    last = checkpoint.newest(run.checkpoint_folder)
    if last is None:
        raise RunError(f"{run.path} has no checkpoint.")
    weights = hashlib.sha256()
    for weight in load_model(run).get_weights():
        weights.update(weight.tobytes())
    timed = [str(time.epoch) for time in epoch_times(run)]
    files = ("recipe.json", "history.csv", VALIDATION_CONFUSION.file)
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
    """Processes that start with training and `modules` imported already, where the
    platform can fork; the imports would take longer than the training."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # Importing Keras asks PyTorch for CUDA devices. Asked through the driver, processes
    # forked from there could not use any.
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
    """Run `target` in one process after the other until one of them ends by itself, of
    which up to `kills` are killed, each `kill_after()` seconds after its start.

    Returns:
        How many were killed.

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
    """Run `target` in a process of its own; whether it ended by itself.

    Raises:
        RunError: it failed.
    """
    process = context.Process(target=target, args=arguments)  # type: ignore[attr-defined]
    with without_main():
        process.start()
    try:
        process.join(kill_after)
        ended = process.exitcode is not None
    finally:
        process.kill()
        process.join()
    if ended and process.exitcode != 0:
        raise RunError(
            f"a process that nobody killed ended with status {process.exitcode}."
        )
    return process.exitcode == 0


def _train(recipe: Recipe, path: Path, execution: Execution) -> None:
    from kerasnets.training.fit import fit

    try:
        # What is said of the run is beside the point here.
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
