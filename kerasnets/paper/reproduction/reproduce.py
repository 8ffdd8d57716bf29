"""Train and evaluate a study's rows, one after another or side by side, in any number
of processes that share its folder: each takes the next unfinished row that no other
holds."""

import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasnets import datasets, runs
from kerasnets.catalog.kept_checkpoints import ALL, LAST
from kerasnets.errors import KerasnetsError, TrainingDiverged
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.figures import draw_evaluation, draw_training
from kerasnets.paper import files, plan
from kerasnets.paper.best_epoch import BestEpoch, KeepBestEpoch
from kerasnets.paper.outcomes import (
    best_epoch,
    failure_of,
    is_finished,
    record_failure,
)
from kerasnets.paper.plan import PlannedRun, RunsFolder, Study
from kerasnets.paper.reproduction.settings import Settings
from kerasnets.paper.reproduction.side_by_side import side_by_side
from kerasnets.paper.results import Results
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.training import checkpoint
from kerasnets.training.fit import fit


def reproduce(study: Study, rows: Sequence[str] = (), **settings: Any) -> Results:
    """Complete rows of a study, and write its results after each.

    Call it again after an interruption: finished runs are kept, and an interrupted run
    resumes from its last checkpoint. A failed run is recorded and does not stop the
    others. A diverged run is not repeated, as it would diverge again.

    Args:
        study: a result of `kerasnets.paper.plan.plan`.
        rows: names of its rows; all unless given.
        settings: fields of `kerasnets.paper.reproduction.settings.Settings`.

    Raises:
        RecipeError: a row is unknown.
        BackendError, DatasetError: the device, the engine or the data is not available;
            nothing has been written.
        RunError: the folder cannot be written, or has damaged files.
    """
    rows = plan.chosen_rows(study, rows)
    chosen = Settings(**settings)
    unsettled = [
        (study, planned)
        for planned in study.runs
        if planned.row in rows and not is_settled(study, planned)
    ]
    device = check_settings(unsettled, chosen)
    plan.begin(study)

    def publish() -> None:
        files.write(study)
        chosen.ended()

    complete_runs(unsettled, replace(chosen, ended=publish), device)
    return files.write(study)


def check_settings(
    unsettled: Sequence[tuple[RunsFolder, PlannedRun]], settings: Settings
) -> str:
    """Check device, engine and data early, as errors would otherwise end a row hours
    later. Downloads missing data, and caches decoded images for all processes.

    Returns:
        The device, see `kerasnets.compute.runtime.Session`.
    """
    with settings.execution.begin() as (session, _):
        device = session.device
    wanted = {
        (one.recipe.dataset, one.recipe.image_size, one.recipe.channels)
        for _, one in unsettled
    }
    for name, image_size, channels in sorted(wanted, key=str):
        datasets.load(
            name,
            image_size=image_size,
            channels=channels,
            data_dir=settings.execution.data_dir,
        )
    return device


def complete_runs(
    unsettled: Sequence[tuple[RunsFolder, PlannedRun]],
    settings: Settings,
    device: str,
) -> None:
    """Complete the runs that no other process holds, in this process or in parallel;
    then, with `settings.wait`, those that were held.

    Args:
        device: a result of `check_settings`.
    """
    if settings.jobs > 1:
        side_by_side(unsettled, settings, device)
        return

    def work_on(place: RunsFolder, planned: PlannedRun, *, wait: bool) -> bool:
        """Complete a run unless another process holds it; return whether it was
        free."""
        with place.lock(planned.name, wait=wait) as held:
            # The previous holder may have finished it.
            if held and not is_settled(place, planned):
                settings.say(f"{planned.name}: starts or resumes")
                failure = complete_run(place, planned, settings)
                if failure:
                    settings.say(f"{planned.name}: failed: {failure}")
                settings.ended()
            return held

    locked = [one for one in unsettled if not work_on(*one, wait=False)]
    for place, planned in locked:
        if settings.wait:
            settings.say(f"{planned.name}: waiting for the process that works on it")
            work_on(place, planned, wait=True)
        else:
            settings.say(f"{planned.name}: another process works on it")


def is_settled(place: RunsFolder, planned: PlannedRun) -> bool:
    """Whether nothing is left to do: the run is finished, or has diverged."""
    if is_finished(place.run_folder(planned)):
        return True
    failure = failure_of(place, planned)
    return failure is not None and failure.diverged


def complete_run(
    place: RunsFolder,
    planned: PlannedRun,
    settings: Settings,
    callbacks: Sequence[Any] = (),
) -> str:
    """Train, evaluate and draw one run; return the message of a failure, or "".

    Args:
        callbacks: additional Keras callbacks for `kerasnets.training.fit.fit`.
    """
    path = place.run_folder(planned)
    place.failure_file(planned).unlink(missing_ok=True)
    if path.is_dir() and not runs.is_run(path):
        # Left by a process that was killed while writing its first file.
        Run(path, planned.recipe).clear_temporary_files()
    try:
        run = fit(
            planned.recipe,
            path,
            resume=True,
            keep_checkpoints=ALL if settings.keep_checkpoints == ALL else LAST,
            callbacks=[*_watchers(path, planned.recipe), *callbacks],
            verbosity=settings.verbosity,
            execution=settings.execution,
        )
        draw_training(run)
        evaluate(run, first_batch=True, execution=settings.execution)
        best = BestEpoch(path, planned.recipe)
        before_the_last = best_epoch(run.history) < planned.recipe.epochs
        if before_the_last and best.model_file.exists():
            evaluate(best, execution=settings.execution)
        draw_evaluation(run, data_dir=settings.execution.data_dir)
    except KerasnetsError as error:
        record_failure(
            place, planned, str(error), diverged=isinstance(error, TrainingDiverged)
        )
        return str(error)
    finally:
        gc.collect()  # Keras models contain cycles, and VGG-19's takes gigabytes
    _drop_checkpoints(run, settings.keep_checkpoints)
    return ""


def _watchers(path: Path, recipe: Recipe) -> list[KeepBestEpoch]:
    """Callbacks that keep the best epoch; empty if the test split is monitored, which
    must not be used for selection."""
    held_out = recipe.validation != "test"
    return [KeepBestEpoch(Run(path, recipe))] if held_out else []


def _drop_checkpoints(run: Run, keep: str) -> None:
    """Remove checkpoints and the best epoch's network, as VGG-19's take gigabytes."""
    for file in run.checkpoint_folder.glob("best-*.keras"):
        runs.remove(file)
    checkpoint.finish(run.checkpoint_folder, keep)
