"""Train and evaluate a study's rows, one after another or side by side, as many
processes as share its folder: each takes the next row that nobody holds and that is
not finished."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets import datasets, runs
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.errors import KerasnetsError, TrainingDiverged
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.figures import draw_evaluation, draw_training
from kerasnets.paper import files, plan
from kerasnets.paper.best_epoch import BestEpoch, KeepBestEpoch
from kerasnets.paper.outcomes import best_epoch, is_finished, record_failure
from kerasnets.paper.plan import PlannedRun, RunsFolder, Study
from kerasnets.paper.reproduction.side_by_side import side_by_side
from kerasnets.paper.results import Results
from kerasnets.recipe import Recipe
from kerasnets.runs import ALL, LAST, NONE, Run
from kerasnets.training import checkpoint
from kerasnets.training.callbacks.progress import NORMAL
from kerasnets.training.fit import fit


@dataclass(frozen=True)
class Means:
    """What runs are trained with, as `kerasnets.training.fit.fit` takes it."""

    execution: Execution = DEFAULT
    keep_checkpoints: str = NONE


def reproduce(
    study: Study,
    rows: Sequence[str] = (),
    *,
    execution: Execution = DEFAULT,
    keep_checkpoints: str = NONE,
    jobs: int = 1,
    wait: bool = False,
    verbosity: int = NORMAL,
    say: Callable[[str], None] = print,
    ended: Callable[[], None] = lambda: None,
) -> Results:
    """Bring rows of a study to their end, and write its results after each.

    Call it again after an interruption: finished runs are kept, and one that was
    interrupted goes on from its last checkpoint. A run that fails is recorded and
    does not stop the others; one that diverged would do so again, and is not repeated.

    Args:
        study: as `kerasnets.paper.plan.plan` gives it.
        rows: names of its rows; all unless named.
        execution, verbosity: as for `kerasnets.training.fit.fit`.
        keep_checkpoints: which stay of the runs that end now, of
            `kerasnets.runs.KEEP`.
        jobs: runs at a time. One: each in this process. More: each in a process of
            its own, which shares the device with the others.
        wait: whether to wait for rows that other processes hold, and to take over what
            they leave unfinished.
        say: takes a line for the person at each row.
        ended: called whenever a run has ended and the results are written.

    Raises:
        RecipeError: a row is unknown.
        BackendError, DatasetError: the device, the engine or the data is not there;
            nothing has been written.
        RunError: the folder cannot be written, or holds damaged files.
    """
    rows = plan.chosen_rows(study, rows)
    means = Means(execution, keep_checkpoints)
    unsettled = [
        planned
        for planned in study.runs
        if planned.row in rows and not is_settled(study, planned)
    ]
    computes_on = check_means(unsettled, means)
    plan.begin(study)

    def publish() -> None:
        files.write(study)
        ended()

    bring_to_ends(
        [(study, planned) for planned in unsettled],
        means,
        computes_on=computes_on,
        jobs=jobs,
        wait=wait,
        verbosity=verbosity,
        say=say,
        ended=publish,
    )
    return files.write(study)


def check_means(unsettled: Sequence[PlannedRun], means: Means) -> str:
    """Raise now what would else end a row hours later; download what is missing, and
    leave decoded images where every process finds them.

    Returns:
        The device, as `kerasnets.compute.runtime.Session` has it.
    """
    with means.execution.begin() as (session, _):
        computes_on = session.device
    wanted = {
        (one.recipe.dataset, one.recipe.image_size, one.recipe.channels)
        for one in unsettled
    }
    for name, image_size, channels in sorted(wanted, key=str):
        datasets.load(
            name,
            image_size=image_size,
            channels=channels,
            data_dir=means.execution.data_dir,
        )
    return computes_on


def bring_to_ends(
    unsettled: Sequence[tuple[RunsFolder, PlannedRun]],
    means: Means,
    *,
    computes_on: str,
    jobs: int,
    wait: bool,
    verbosity: int,
    say: Callable[[str], None],
    ended: Callable[[], None],
) -> None:
    """Bring runs to their end that no other process holds, in this process or side by
    side; then, with `wait`, those that one held.

    Args:
        computes_on: as `check_means` gives it.
        ended: called after each run, in this process.
    """
    if jobs > 1:
        side_by_side(
            unsettled,
            execution=means.execution,
            keep_checkpoints=means.keep_checkpoints,
            computes_on=computes_on,
            jobs=jobs,
            wait=wait,
            verbosity=verbosity,
            say=say,
            ended=ended,
        )
        return

    def work_on(place: RunsFolder, planned: PlannedRun, *, wait: bool) -> bool:
        """End a run unless another process holds it; gives whether it was free."""
        with place.lock(planned.name, wait=wait) as held:
            # Whoever held it may have finished it since.
            if held and not is_settled(place, planned):
                say(f"{planned.name}: begins or goes on")
                failure = bring_to_end(place, planned, means, verbosity=verbosity)
                if failure:
                    say(f"{planned.name}: failed: {failure}")
                ended()
            return held

    locked = [one for one in unsettled if not work_on(*one, wait=False)]
    for place, planned in locked:
        if wait:
            say(f"{planned.name}: waiting for the process that works on it")
            work_on(place, planned, wait=True)
        else:
            say(f"{planned.name}: another process works on it")


def is_settled(place: RunsFolder, planned: PlannedRun) -> bool:
    """Whether nothing is left to do: finished, or diverged as it would again."""
    if is_finished(place.run_folder(planned)):
        return True
    failure = place.failure_file(planned)
    return failure.exists() and bool(runs.read_json(failure).get("diverged"))


def bring_to_end(
    place: RunsFolder,
    planned: PlannedRun,
    means: Means,
    *,
    verbosity: int,
    callbacks: Sequence[Any] = (),
) -> str:
    """Train, evaluate and draw one run; the failure's message, or "".

    Args:
        callbacks: more Keras callbacks for `kerasnets.training.fit.fit`.
    """
    path = place.run_folder(planned)
    place.failure_file(planned).unlink(missing_ok=True)
    if path.is_dir() and not runs.is_run(path):
        # What a process left that was killed before its first file was whole.
        Run(path, planned.recipe).clear_temporary_files()
    try:
        run = fit(
            planned.recipe,
            path,
            resume=True,
            keep_checkpoints=ALL if means.keep_checkpoints == ALL else LAST,
            callbacks=[*_watchers(path, planned.recipe), *callbacks],
            verbosity=verbosity,
            execution=means.execution,
        )
        draw_training(run)
        evaluate(run, first_batch=True, execution=means.execution)
        best = BestEpoch(path, planned.recipe)
        before_the_last = best_epoch(run.history) < planned.recipe.epochs
        if before_the_last and best.model_file.exists():
            evaluate(best, execution=means.execution)
        draw_evaluation(run, data_dir=means.execution.data_dir)
    except KerasnetsError as error:
        record_failure(
            place, planned, str(error), diverged=isinstance(error, TrainingDiverged)
        )
        return str(error)
    finally:
        gc.collect()  # Keras models hold cycles, and VGG-19's takes gigabytes
    _drop_checkpoints(run, means.keep_checkpoints)
    return ""


def _watchers(path: Path, recipe: Recipe) -> list[KeepBestEpoch]:
    """None where the test split is monitored: to choose by it is no selection."""
    held_out = recipe.validation != "test"
    return [KeepBestEpoch(Run(path, recipe))] if held_out else []


def _drop_checkpoints(run: Run, keep: str) -> None:
    """The best epoch's network is measured, and VGG-19's checkpoint is a gigabyte."""
    for file in run.checkpoint_folder.glob("best-*.keras"):
        runs.remove(file)
    checkpoint.finish(run.checkpoint_folder, keep)
