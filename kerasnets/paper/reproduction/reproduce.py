"""Train and evaluate a study's rows, one after another or side by side, in any number
of processes that share its folder: each takes the next unfinished row that no other
holds."""

import gc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kerasnets import datasets, runs
from kerasnets.catalog.kept_checkpoints import ALL, LAST
from kerasnets.errors import KerasnetsError, TrainingDiverged
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.figures import draw_evaluation, draw_training
from kerasnets.paper import files, plan
from kerasnets.paper.best_epoch import BestEpoch, KeepBestEpoch
from kerasnets.paper.outcomes import best_epoch, is_settled, record_failure
from kerasnets.paper.plan import PlannedRun, Study
from kerasnets.paper.reproduction.settings import Settings
from kerasnets.paper.reproduction.side_by_side import side_by_side
from kerasnets.paper.results import Results
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
    unsettled = [one for one in study.runs if one.row in rows and not is_settled(one)]
    device = check_settings(unsettled, chosen)
    plan.begin(study)

    def publish() -> None:
        files.write(study)
        chosen.ended()

    complete_runs(unsettled, replace(chosen, ended=publish), device)
    return files.write(study)


def check_settings(unsettled: Sequence[PlannedRun], settings: Settings) -> str:
    """Check device, engine and data early, as errors would otherwise end a row hours
    later. Downloads missing data, and caches decoded images for all processes.

    Returns:
        The device, see `kerasnets.compute.runtime.Session`.
    """
    with settings.execution.begin() as (session, _):
        device = session.device
    wanted = {
        (one.recipe.dataset, one.recipe.image_size, one.recipe.channels)
        for one in unsettled
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
    unsettled: Sequence[PlannedRun], settings: Settings, device: str
) -> None:
    """Complete the runs that no other process holds, in this process or in parallel;
    then, with `settings.wait`, those that were held.

    Args:
        device: a result of `check_settings`.
    """
    if settings.jobs > 1 and unsettled:
        side_by_side(unsettled, settings, device)
        return

    def work_on(planned: PlannedRun, *, wait: bool) -> bool:
        """Complete a run unless another process holds it; return whether it was
        free."""
        with planned.place.lock(planned.name, wait=wait) as held:
            # The previous holder may have finished it.
            if held and not is_settled(planned):
                settings.say(f"{planned.name}: starts or resumes")
                failure = complete_run(planned, settings)
                if failure:
                    settings.say(f"{planned.name}: failed: {failure}")
                settings.ended()
            return held

    for planned in [one for one in unsettled if not work_on(one, wait=False)]:
        settings.say_held(planned.name)
        if settings.wait:
            work_on(planned, wait=True)


def complete_run(
    planned: PlannedRun, settings: Settings, callbacks: Sequence[Any] = ()
) -> str:
    """Train, evaluate and draw one run; return the message of a failure, or "".

    Args:
        callbacks: additional Keras callbacks for `kerasnets.training.fit.fit`.
    """
    path, recipe = planned.folder, planned.recipe
    planned.failure_file.unlink(missing_ok=True)
    if path.is_dir() and not runs.is_run(path):
        # Left by a process that was killed while writing its first file.
        Run(path, recipe).clear_temporary_files()
    best = BestEpoch(path, recipe)
    # The test split must not be used for selection.
    watchers = [] if recipe.validation == "test" else [KeepBestEpoch(best)]
    try:
        run = fit(
            recipe,
            path,
            resume=True,
            keep_checkpoints=ALL if settings.keep_checkpoints == ALL else LAST,
            callbacks=[*watchers, *callbacks],
            verbosity=settings.verbosity,
            execution=settings.execution,
        )
        draw_training(run)
        evaluate(run, first_batch=True, execution=settings.execution)
        before_the_last = best_epoch(run.history) < recipe.epochs
        if before_the_last and best.model_file.exists():
            evaluate(best, execution=settings.execution)
        draw_evaluation(run, data_dir=settings.execution.data_dir)
    except KerasnetsError as error:
        diverged = isinstance(error, TrainingDiverged)
        record_failure(planned, str(error), diverged=diverged)
        return str(error)
    finally:
        gc.collect()  # Keras models contain cycles, and VGG-19's takes gigabytes
    # Checkpoints and best epochs of VGG-19 take gigabytes.
    for file in run.checkpoint_folder.glob("best-*.keras"):
        runs.remove(file)
    checkpoint.finish(run.checkpoint_folder, settings.keep_checkpoints)
    return ""
