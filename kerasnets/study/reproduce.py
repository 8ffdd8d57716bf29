"""Train and evaluate a study's rows, one after another, as many processes as share its
folder: each takes the next row that nobody holds and that is not finished."""

import gc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerasnets import datasets, runs
from kerasnets.engines import choice, runtime
from kerasnets.errors import KerasnetsError, TrainingDiverged
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.figures import draw_evaluation, draw_training
from kerasnets.recipes import Recipe
from kerasnets.runs import Run
from kerasnets.study import plan, records
from kerasnets.study.best_epoch import BestEpoch, KeepBestEpoch
from kerasnets.study.outcome import best_epoch, is_finished
from kerasnets.study.plan import PlannedRun, Study
from kerasnets.study.results import Results
from kerasnets.training.fit import fit
from kerasnets.training.progress import NORMAL


def reproduce(
    study: Study,
    rows: Sequence[str] = (),
    *,
    device: str = "auto",
    engine: str = "auto",
    data_dir: Path | None = None,
    wait: bool = False,
    verbosity: int = NORMAL,
    say: Callable[[str], None] = print,
) -> Results:
    """Bring rows of a study to their end, and write its results after each.

    Call it again after an interruption: finished runs are kept, and one that was
    interrupted goes on from its last checkpoint. A run that fails is recorded and
    does not stop the others; one that diverged would do so again, and is not repeated.

    Args:
        study: as `kerasnets.study.plan.plan` gives it.
        rows: names of its rows; all unless named.
        device, engine, data_dir, verbosity: as for `kerasnets.training.fit.fit`.
        wait: whether to wait for rows that other processes hold, and to take over what
            they leave unfinished.
        say: takes a line for the person at each row.

    Raises:
        RecipeError: a row is unknown.
        BackendError, DatasetError: the device, the engine or the data is not there;
            nothing has been written.
        RunError: the folder cannot be written, or holds damaged files.
    """
    rows = plan.chosen_rows(study, rows)
    unsettled = [
        planned
        for planned in study.runs
        if planned.row in rows and not _is_settled(study, planned)
    ]
    _check_means(unsettled, device, engine, data_dir)
    plan.begin(study)

    def work_on(planned: PlannedRun, *, wait: bool) -> bool:
        """End a run unless another process holds it; gives whether it was free."""
        with study.lock(planned.name, wait=wait) as held:
            # Whoever held it may have finished it since.
            if held and not _is_settled(study, planned):
                say(f"{planned.name}: begins or goes on")
                failure = _run(study, planned, device, engine, data_dir, verbosity)
                if failure:
                    say(f"{planned.name}: failed: {failure}")
                records.write(study)
            return held

    locked = [planned for planned in unsettled if not work_on(planned, wait=False)]
    for planned in locked:
        if wait:
            say(f"{planned.name}: waiting for the process that works on it")
            work_on(planned, wait=True)
        else:
            say(f"{planned.name}: another process works on it")
    return records.write(study)


def _check_means(
    unsettled: Sequence[PlannedRun], device: str, engine: str, data_dir: Path | None
) -> None:
    """Raise now what would else end a row hours later; download what is missing."""
    with runtime.session(device) as session:
        choice.check(engine, session.device)
    wanted = {
        (one.recipe.dataset, one.recipe.image_size, one.recipe.channels)
        for one in unsettled
    }
    for name, image_size, channels in sorted(wanted, key=str):
        datasets.load(name, image_size=image_size, channels=channels, data_dir=data_dir)


def _is_settled(study: Study, planned: PlannedRun) -> bool:
    """Whether nothing is left to do: finished, or diverged as it would again."""
    if is_finished(study.run_folder(planned)):
        return True
    failure = study.failure_file(planned)
    return failure.exists() and bool(runs.read_json(failure).get("diverged"))


def _run(
    study: Study,
    planned: PlannedRun,
    device: str,
    engine: str,
    data_dir: Path | None,
    verbosity: int,
) -> str:
    """Train, evaluate and draw one run; the failure's message, or ""."""
    path = study.run_folder(planned)
    study.failure_file(planned).unlink(missing_ok=True)
    if path.is_dir() and not runs.is_run(path):
        # What a process left that was killed before its first file was whole.
        Run(path, planned.recipe).clear_temporary_files()
    try:
        run = fit(
            planned.recipe,
            path,
            resume=True,
            device=device,
            engine=engine,
            data_dir=data_dir,
            callbacks=_watchers(path, planned.recipe),
            verbosity=verbosity,
        )
        draw_training(run)
        means: dict[str, Any] = {
            "device": device,
            "engine": engine,
            "data_dir": data_dir,
        }
        evaluate(run, first_batch=True, **means)
        best = BestEpoch(path, planned.recipe)
        before_the_last = best_epoch(run.history) < planned.recipe.epochs
        if before_the_last and best.model_file.exists():
            evaluate(best, **means)
        draw_evaluation(run, data_dir=data_dir)
    except KerasnetsError as error:
        _record_failure(study, planned, error)
        return str(error)
    finally:
        gc.collect()  # Keras models hold cycles, and VGG-19's takes gigabytes
    _drop_checkpoints(run)
    return ""


def _watchers(path: Path, recipe: Recipe) -> list[KeepBestEpoch]:
    """None where the test split is monitored: to choose by it is no selection."""
    held_out = recipe.validation != "test"
    return [KeepBestEpoch(Run(path, recipe))] if held_out else []


def _drop_checkpoints(run: Run) -> None:
    """Resuming is over, and VGG-19's two checkpoints are two gigabytes."""
    for file in run.checkpoint_folder.iterdir():
        runs.remove(file)
    run.checkpoint_folder.rmdir()


def _record_failure(study: Study, planned: PlannedRun, error: Exception) -> None:
    runs.write_json(
        study.failure_file(planned),
        {
            "error": str(error),
            "diverged": isinstance(error, TrainingDiverged),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
