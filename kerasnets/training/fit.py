"""Train a recipe into a run folder: `fit` composes every other part."""

import contextlib
import time
from pathlib import Path
from typing import Unpack

from kerasnets import datasets, runs
from kerasnets.catalog.kept_checkpoints import KEEP
from kerasnets.catalog.networks import check_size
from kerasnets.compute.execution import DEFAULT, Execution, ExecutionOptions
from kerasnets.compute.memory import out_of_memory
from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.datasets import preprocessing
from kerasnets.datasets.pipeline.host_pixels import HostPixels, place
from kerasnets.errors import RecipeError, RunError, option, shown, unknown
from kerasnets.recipe import Recipe, protocol_of
from kerasnets.recipe.fields import AUTO
from kerasnets.runs import Run
from kerasnets.storage.folders import as_path
from kerasnets.training import checkpoint, checkpointing, effects, fixed_batch_size
from kerasnets.training.callbacks import of_keras
from kerasnets.training.callbacks.of_keras import Callbacks
from kerasnets.training.callbacks.progress import (
    NORMAL,
    QUIET,
    VERBOSE,
    ProgressReporter,
)
from kerasnets.training.checkpointing import Interval
from kerasnets.training.compile import open_training
from kerasnets.training.environment import Facts
from kerasnets.training.optimization.averaging import Averages
from kerasnets.training.recording import recording
from kerasnets.training.resuming import continued, has_objective, with_precision
from kerasnets.training.train_run import Ways, train_run
from kerasnets.training.transfer import source as transfer

MOST_WORKERS = 64


@frees_models
def fit(
    recipe: Recipe,
    path: Path | str | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    execution: Execution = DEFAULT,
    confusion_every: int = 1,
    checkpoint_every: Interval | int | str = checkpointing.DEFAULT,
    keep_checkpoints: str | None = None,
    workers: int | None = None,
    stream: bool | None = None,
    callbacks: Callbacks = (),
    verbosity: int = NORMAL,
    began: float | None = None,
    **options: Unpack[ExecutionOptions],
) -> Run:
    """Train, recording everything in a run folder.

    Nothing in the folder changes until the recipe, the device, the folder, the data and
    the network have been checked.

    Args:
        recipe: what to train and how.
        path: the run folder; artifacts/runs/<recipe.name> unless given. An existing
            run is an error unless `resume` or `overwrite` is set.
        resume: continue the run at `path` from its last checkpoint, if there is one.
            Only `epochs` may differ from the run's recipe, and only be raised; the
            initial weights and the rule of weight decay are taken from the run.
        overwrite: replace the run at `path`.
        execution: device, engine, threads, determinism and data folder.
        confusion_every: epochs between two records of the validation confusion matrix.
        checkpoint_every: interval between checkpoints inside an epoch, such as 200
            (steps) or "90s"; every epoch also ends with one.
        keep_checkpoints: which checkpoints to keep once training has finished: "all",
            one per epoch; "last" (the default), from which training can resume with
            more epochs; or "none". In a run that had already finished, checkpoints are
            removed only if this is given.
        workers: processes that decode and augment batches ahead of the network; their
            number does not change the batches. Default: 0, or for streamed images the
            number of cores, at most 8.
        stream: whether to decode your own images on demand, see
            `kerasnets.datasets.load`. The batches are the same.
        callbacks: additional Keras callbacks, or one. They are called after those that
            write the records and before each checkpoint, which stores their states;
            see docs/callbacks.md.
        verbosity: 0 quiet, 1 normal, 2 verbose.
        began: `time.perf_counter()` from which the recorded startup time counts;
            the time of this call unless given.
        options: fields of `execution` to replace, such as `device`.

    Raises:
        KerasnetsError: see the subclasses in kerasnets.errors.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint at the next step.
    """
    began = time.perf_counter() if began is None else began
    execution = execution.replace(**options)
    _check_arguments(recipe, verbosity, keep_checkpoints)
    path = None if path is None else as_path(path, "path")
    begun = _begun(path) if resume else None
    remark = None
    if recipe.precision == AUTO:
        recipe, remark = with_precision(recipe, begun, execution)
    if path is None:
        path = runs.DEFAULT_ROOT / recipe.name
        begun = _begun(path) if resume else None
    checkpoint_every = Interval.of(checkpoint_every)
    users = of_keras.as_list(callbacks)
    of_keras.check(users, recipe, path)
    _check_numbers(confusion_every, workers)
    stream = datasets.streams(recipe.dataset, stream, recipe.crop_from)
    if resume and overwrite:
        raise RunError("resume contradicts overwrite.")
    resuming = begun is not None
    if begun:
        recipe, execution = continued(begun, recipe, execution)
    else:
        runs.check_free(path, overwrite=overwrite)
        transfer.check_there(recipe)
    check_size(recipe.network, recipe.stem, recipe.image_size, recipe.image_size)
    objective = not resuming or has_objective(Run(path, recipe))
    with contextlib.ExitStack() as stack:
        session, engine = stack.enter_context(execution.begin(recipe.precision))
        reporter = ProgressReporter(verbosity, batch_size=recipe.batch_size)
        source = None
        if recipe.weights is not None:
            if resuming and checkpoint.has_weights(Run(path, recipe)):
                source = transfer.of_begun(Run(path, recipe))
            else:
                source = transfer.opened(recipe, reporter.say)
                recipe = recipe.replace(weights_sha256=source.sha256)
        loading = time.perf_counter()
        dataset = datasets.load_for(recipe, execution.data_dir, stream=stream)
        loaded_s = time.perf_counter() - loading
        if source is not None:
            dataset = source.applied_to(dataset, recipe)
        if begun and recipe.classes is not None and dataset.held_out is not None:
            # Earlier versions counted validation images in the mean of some classes.
            fed = preprocessing.read(begun)
            dataset = fed.applied_to(dataset) if fed else dataset
        parts = datasets.partition(dataset, recipe)
        if not resuming:
            effects.check_schedule(recipe, -(-len(parts.train) // recipe.batch_size))
        stack.enter_context(
            out_of_memory.explained(recipe.batch_size, _another_batch_size())
        )
        train, validation, model = open_training(
            recipe,
            dataset,
            parts,
            session=session,
            engine=engine,
            cross_entropy=objective,
            place=place(session, HostPixels),
            fill=fixed_batch_size.are_needed(session),
            workers=workers,
            source=source,
        )
        averages = None
        if recipe.ema:
            averages = Averages(model, recipe.ema, recipe.accumulate)
        facts = Facts(
            recipe,
            session,
            engine,
            execution.deterministic,
            dataset,
            parts,
            model,
            len(train),
            began=began,
            dataset_load_s=loaded_s,
            source=source,
        )
        reporter.train_images = len(parts.train)
        follows = recipe.protocol or protocol_of(recipe.dataset, execution.data_dir)
        if follows not in (None, recipe.paper_protocol):
            reporter.say(
                f"{recipe.dataset} calls for the defaults for {follows}, but the "
                f"recipe has those for {recipe.paper_protocol}: it was made where the "
                "dataset could not be seen."
            )
        if remark:
            reporter.say(remark)
        for remark in effects.remarks(
            recipe, len(train), confusion_every, checkpoint_every
        ):
            reporter.say(remark)
        if resuming:
            run = Run(path, recipe)
        else:
            # Before the folder is created: if printing fails, no folder is left.
            reporter.screen(facts.title, {**facts.screen(), "run folder": str(path)})
            run = runs.create(path, recipe, overwrite=overwrite)
        with recording(run, reporter, created=not resuming) as stop:
            ways = Ways(
                confusion_every=confusion_every,
                checkpoint_every=checkpoint_every,
                keep_checkpoints=keep_checkpoints,
                callbacks=users,
                objective=objective,
                resuming=resuming,
            )
            train_run(run, facts, train, validation, averages, ways, reporter, stop)
    return run


def _begun(path: Path | None) -> Run | None:
    return runs.load(path) if path is not None and runs.is_run(path) else None


def _check_arguments(
    recipe: Recipe, verbosity: int, keep_checkpoints: str | None
) -> None:
    if not isinstance(recipe, Recipe):
        raise RecipeError(
            "recipe must be a Recipe, as Recipe.for_paper(network, dataset) makes one, "
            f"not {shown(recipe)!r}."
        )
    if verbosity not in (QUIET, NORMAL, VERBOSE):
        raise RecipeError(
            f"verbosity must be {QUIET}, {NORMAL} or {VERBOSE}, not "
            f"{shown(repr(verbosity))}."
        )
    if keep_checkpoints not in (None, *KEEP):
        raise RunError(unknown("keep_checkpoints", keep_checkpoints, KEEP))


def _check_numbers(confusion_every: int, workers: int | None) -> None:
    if not isinstance(confusion_every, int) or confusion_every < 1:
        raise RecipeError(
            "confusion_every must be a whole number of epochs, at least 1, not "
            f"{confusion_every!r}."
        )
    if workers is not None and not (
        isinstance(workers, int) and 0 <= workers <= MOST_WORKERS
    ):
        raise RecipeError(
            f"workers must be a whole number from 0 to {MOST_WORKERS}, not "
            f"{shown(repr(workers))}."
        )


def _another_batch_size() -> str:
    return (
        "it is part of the recipe, so a new run is needed "
        f"({option('overwrite', True)}, or another {option('path')})"
    )
