"""Train a recipe into a run folder: the composition of every other part."""

import contextlib
import dataclasses
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import keras

from kerasnets import datasets, runs
from kerasnets.catalog.networks import check_size
from kerasnets.catalog.places import is_place, located
from kerasnets.compute import out_of_memory, runtime, threads
from kerasnets.compute.execution import DEFAULT, Execution, ExecutionOptions
from kerasnets.compute.freed_models import frees_models
from kerasnets.compute.native_precision import automatic
from kerasnets.compute.threads import allowed_cores
from kerasnets.datasets.pipeline.batches import Batches
from kerasnets.datasets.pipeline.host_pixels import HostPixels, place
from kerasnets.datasets.preprocessing import Preprocessing
from kerasnets.errors import RecipeError, RunError, option, shown, unknown
from kerasnets.recipe import AUTO, BEST, L2, REDUCED, Recipe, protocol_of
from kerasnets.runs import KEEP, LAST, Run, results, status
from kerasnets.runs.records import begun_environment
from kerasnets.storage.files import check_digest
from kerasnets.storage.folders import as_path
from kerasnets.training import checkpoint, checkpointing, effects, fixed_batch_size
from kerasnets.training.averaging import Averages
from kerasnets.training.callbacks import callback_state, of_keras, recorders
from kerasnets.training.callbacks import watchers as watch
from kerasnets.training.callbacks.best_weights import BestWeights
from kerasnets.training.callbacks.early_stop import EarlyStop
from kerasnets.training.callbacks.energy import energy_loggers
from kerasnets.training.callbacks.of_keras import Callbacks
from kerasnets.training.callbacks.progress import (
    NORMAL,
    QUIET,
    VERBOSE,
    ProgressReporter,
)
from kerasnets.training.callbacks.stop_requests import StopRequest, stop_requests
from kerasnets.training.checkpoint import Checkpoint
from kerasnets.training.checkpointing import Checkpointer, Interval
from kerasnets.training.compile import LearningRate, learning_rate, open_training
from kerasnets.training.environment import Facts
from kerasnets.training.loop import run_epochs

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

    Nothing in the folder changes before the recipe, the device, the folder, the data
    and the network are known to be good.

    Args:
        recipe: what to train and how.
        path: the run folder; artifacts/runs/<recipe.name> unless given. That it is
            there already is an error unless `resume` or `overwrite` is set.
        resume: continue the run at `path` from its last checkpoint, if there is one.
            Only `epochs` may differ from its recipe, and only be raised; how its
            weights were drawn and decay is taken from the run.
        overwrite: replace the run at `path`.
        execution: how to compute, and where the data is.
        confusion_every: epochs between two records of the validation confusion.
        checkpoint_every: how often a checkpoint is made inside an epoch, such as 200
            (steps) or "90s"; each epoch ends with one in any case.
        keep_checkpoints: which of them stay once training has finished: "all", one for
            each epoch; "last", which training goes on from where epochs are raised; or
            "none". "last" unless given; what a run that had finished before has kept is
            changed only if it is given.
        workers: processes that decode and augment batches ahead of the network. The
            batches are the same with any number of them. Unless given, none or, of
            streamed images, as many as there are cores, 8 at most.
        stream: whether own images are decoded whenever they are asked for, as
            `kerasnets.datasets.load` takes it. The batches are the same.
        callbacks: more Keras callbacks, or one, called after those that keep the
            records and before each checkpoint, which keeps what they know; see
            docs/callbacks.md.
        verbosity: 0 quiet, 1 normal, 2 verbose.
        began: `time.perf_counter()` when the command began that trains; the time of
            this call unless given. The record of the start counts from it.
        options: fields of `execution`, such as `device`, in their place.

    Raises:
        KerasnetsError: see its kinds in kerasnets.errors.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint at the next step.
    """
    began = time.perf_counter() if began is None else began
    execution = execution.replace(**options)
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
    remark = None
    if recipe.precision == AUTO:
        recipe, remark = _with_precision(recipe, path, execution, resume=resume)
    path = runs.DEFAULT_ROOT / recipe.name if path is None else as_path(path, "path")
    checkpoint_every = Interval.of(checkpoint_every)
    users = of_keras.as_list(callbacks)
    of_keras.check(users, recipe, path)
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
    check_size(recipe.network, recipe.stem, recipe.image_size, recipe.image_size)
    if stream and not is_place(recipe.dataset):
        raise RecipeError(
            f"{option('stream', True)} is for own images, a folder or a manifest; "
            f"{recipe.dataset} is neither."
        )
    if resume and overwrite:
        raise RunError("resume contradicts overwrite.")
    resuming = resume and runs.is_run(path)
    if resuming:
        begun = runs.load(path)
        recipe = _begun_as(begun.recipe, recipe)
        moved = _moved_images(begun.recipe, recipe, execution.data_dir)
        if moved:
            recipe = recipe.replace(dataset=begun.recipe.dataset)
            execution = dataclasses.replace(execution, data_dir=moved)
        _check_same(begun, recipe)
        execution = _with_threads_of(begun, execution)
    else:
        runs.check_free(path, overwrite=overwrite)
    objective = not resuming or _has_objective(Run(path, recipe))
    with contextlib.ExitStack() as stack:
        session, engine = stack.enter_context(execution.begin(recipe.precision))
        loading = time.perf_counter()
        dataset = datasets.load_for(recipe, execution.data_dir, stream=stream)
        loaded_s = time.perf_counter() - loading
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
        )
        reporter = ProgressReporter(
            verbosity, train_images=len(parts.train), batch_size=recipe.batch_size
        )
        follows = recipe.protocol or protocol_of(recipe.dataset, execution.data_dir)
        if follows not in (None, recipe.paper_protocol):
            reporter.say(
                f"{recipe.dataset} is of the kind of {follows}, but its recipe was "
                "made where it could not be seen, with the defaults for "
                f"{recipe.paper_protocol}."
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
            # First, as nothing is to be left where it cannot be printed.
            reporter.screen(facts.title, {**facts.screen(), "run folder": str(path)})
            run = runs.create(path, recipe, overwrite=overwrite)
        with (
            _taken_back(run, reporter, created=not resuming),
            run.lock(),
            _still_there(run),
            stop_requests() as stop,
        ):
            run.clear_temporary_files()
            reporter.log_to(run.path / "run.log")
            _train(
                run,
                facts,
                train,
                validation,
                confusion_every,
                checkpoint_every,
                keep_checkpoints,
                users,
                reporter,
                stop,
                objective,
                averages,
                resuming=resuming,
            )
    return run


def _train(
    run: Run,
    facts: Facts,
    train: Batches,
    validation: Batches,
    confusion_every: int,
    checkpoint_every: Interval,
    keep_checkpoints: str | None,
    users: list[keras.callbacks.Callback],
    reporter: ProgressReporter,
    stop: StopRequest,
    objective: bool,
    averages: Averages | None,
    *,
    resuming: bool,
) -> None:
    """The part that writes: from the last checkpoint, if any, to model.keras."""
    model, epochs = facts.model, run.recipe.epochs
    rate = learning_rate(run.recipe, facts.steps)
    history = recorders.HistoryLogger(
        run.path,
        rate if isinstance(rate, LearningRate) else None,
        every_step=of_keras.may_set_rate_between_steps(users),
        objective=objective,
    )
    records: list[recorders.TableKeeper] = [
        history,
        recorders.EpochTimer(
            run.path,
            facts.session,
            train_images=len(facts.parts.train),
            validation_images=len(facts.parts.validation),
            batch_size=run.recipe.batch_size,
            waited_s=lambda: train.waited_s,
        ),
        recorders.ConfusionMatrixLogger(run.path, every=confusion_every),
    ]
    # Not of every machine: a finished run need not have what this one would record.
    keepers = [*records, *energy_loggers(run.path, facts.session.device)]
    before = runs.load(run.path).recipe
    whole = _are_whole(run.model_file, *(keeper.table.path for keeper in records))
    if whole and before.epochs == epochs:
        reached = status.progress(run)
        if reached.finished:
            reporter.say(f"{run.path} is finished: {reached}.")
            if keep_checkpoints:
                checkpoint.finish(run.checkpoint_folder, keep_checkpoints)
            return
    found = checkpoint.newest(run.checkpoint_folder)
    _check_possible(run, found, steps=len(train))
    changed = facts.changed(run)
    raised = _raised(before, run.recipe)
    if found and found.stopped and found.stopped.epochs < epochs:
        found = found.whole_epochs()
    facts.record(run, history.table.columns)
    Preprocessing.of(run.recipe, facts.dataset, model).write(run)
    # What was made of fewer epochs must not pass for this run's once it has trained
    # further.
    results.remove_results(run)
    for stale in ("curves.png", "validation_confusion.png", run.model_file.name):
        if (run.path / stale).exists():
            runs.remove(run.path / stale)
    runs.write_text(run.path / "recipe.json", run.recipe.to_json())
    if resuming:
        reporter.screen(facts.title, {**facts.screen(), "run folder": str(run.path)})
    keep = keep_checkpoints or LAST
    best = None
    if run.recipe.keep == BEST:
        best = BestWeights(averages.arrays if averages else None)
        users = [best, *users]
    if run.recipe.early_stopping:
        patience = keras.callbacks.EarlyStopping(
            "val_accuracy", mode="max", patience=run.recipe.early_stopping
        )
        users = [patience, *users]
    early = EarlyStop()
    checkpointer = Checkpointer(
        run, keepers, users, checkpoint_every, stop, early, found, keep
    )
    if found:
        found.restore(model, checkpointer.tables)
        if found.stopped:
            train.begin(epochs)  # nothing is left to train
        else:
            train.begin(found.epoch, found.batch)
        reporter.say(f"going on after {found.position}", quiet=True)
        others = callback_state.differences(users, found.callbacks, found.position)
        for difference in filter(None, (changed, raised, *others)):
            reporter.say(difference)
    del found  # its arrays: the checkpointer has them as long as they are needed

    def started() -> None:
        seconds = facts.record_start(run)
        reporter.say(
            f"first step done after {seconds:.1f} s, of which loading the data took "
            f"{facts.dataset_load_s:.2f} s",
            quiet=True,
        )

    try:
        run_epochs(
            model,
            train,
            validation,
            epochs=epochs,
            callbacks=[
                *([averages] if averages else []),
                watch.StopOnNaN(),
                *keepers,
                checkpointer.before_steps(),
                watch.FirstStep(started),
                *users,
                checkpointer,
                reporter,
                watch.CollapseDetector(facts.dataset.class_names, reporter.say),
            ],
            early=early,
            verbose=min(reporter.verbosity, 1),
        )
    finally:
        reporter.close()
    if checkpointer.stopped:
        facts.record_stop(run, checkpointer.stopped.reason)
        reporter.say(f"stopped early: {checkpointer.stopped.reason}")
    if best:
        best.put_into_model()
    elif averages:
        averages.put_into_model()
    # The network alone: it loads without kerasnets, and the optimizer's state is in the
    # checkpoint.
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with runs.atomic_path(run.model_file) as temporary:
        bare.save(temporary)
    # Only now: what is damaged of a run is made again from them.
    checkpoint.finish(run.checkpoint_folder, keep)
    reporter.say(f"model and records are in {run.path}", quiet=True)


def _are_whole(*files: Path) -> bool:
    """Whether the files are there as they were written."""
    try:
        for file in files:
            check_digest(file)
    except RunError:
        return False
    return True


def _check_possible(run: Run, found: Checkpoint | None, *, steps: int) -> None:
    """Raise RunError where going on would lose a model, or is impossible."""
    if found is None:
        if run.model_file.exists():
            raise RunError(
                f"{run.path} has a model but no checkpoint to go on from; "
                f"{option('overwrite', True)} starts afresh."
            )
    elif found.batch >= steps or (found.epoch, found.batch) > (run.recipe.epochs, 0):
        raise RunError(
            f"the checkpoint of {run.path} is after {found.position}, which its recipe "
            "does not have."
        )


@contextlib.contextmanager
def _taken_back(
    run: Run, reporter: ProgressReporter, *, created: bool
) -> Iterator[None]:
    """Remove a run that ends before its first checkpoint because of an error before its
    first step, of a user's callback for example, or because nobody can be told of it:
    the disk or pipe that standard output goes to takes no more."""
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
            f"{run.path} has gone: it was removed or renamed while it was written to."
        ) from error


def _begun_as(begun: Recipe, recipe: Recipe) -> Recipe:
    """`recipe` with the run's own way of drawing weights and decoding files, and rule
    of weight decay, unless it names others than the usual ones: an earlier run goes on
    as it was begun."""
    own: dict[str, Any] = {}
    if recipe.initial_weights == "numpy":
        own["initial_weights"] = begun.initial_weights
    if recipe.decay == L2:
        own["decay"] = begun.decay
    if recipe.decode == REDUCED:
        own["decode"] = begun.decode
    return dataclasses.replace(recipe, **own)


def _with_precision(
    recipe: Recipe, path: Path | str | None, execution: Execution, *, resume: bool
) -> tuple[Recipe, str | None]:
    """`recipe` with what "auto" is on the device, and why; a run that goes on keeps
    its own."""
    if resume and path is not None and runs.is_run(path):
        begun = runs.load(path).recipe.precision
        return recipe.replace(precision=begun), None
    precision, why = automatic(execution.device)
    return recipe.replace(precision=precision), f"precision {precision}: {why}"


def _with_threads_of(begun: Run, execution: Execution) -> Execution:
    """`execution` with the number of threads that a run was begun with, which decides
    the last bits, unless another is named or this process may not use as many cores."""
    named = execution.threads or os.environ.get("OMP_NUM_THREADS")
    environment = begun_environment(begun) or {}
    number = environment.get("threads")
    if (
        (named and named != threads.AUTO)
        or not number
        or number > allowed_cores()
        or {environment.get("backend"), runtime.backend()} != {"torch"}
    ):
        return execution
    return dataclasses.replace(execution, threads=number)


def _moved_images(
    begun: Recipe, recipe: Recipe, data_dir: Path | str | None
) -> Path | None:
    """Where the images of a run are now that `recipe` names by another path."""
    if begun.dataset == recipe.dataset:
        return None
    if not (is_place(begun.dataset) and is_place(recipe.dataset)):
        return None
    return located(recipe.dataset, data_dir)


def _check_same(run: Run, recipe: Recipe) -> None:
    for field in dataclasses.fields(Recipe):
        old, new = getattr(run.recipe, field.name), getattr(recipe, field.name)
        if field.name == "epochs" and new >= old:
            continue
        if field.name in ("protocol", *recipe.without_effect):
            continue
        if old != new:
            raise RunError(
                f"{run.path} was made with {field.name} {old!r}, not {new!r}; "
                f"{option('resume', True)} continues the same recipe, of which only "
                "epochs may be raised."
            )


def _has_objective(run: Run) -> bool:
    """False for runs begun before history.csv had the objective beside the loss: with
    label smoothing, that is what their losses are to the end."""
    begun = begun_environment(run) if run.recipe.label_smoothing else None
    return begun is None or "objective" in begun.get("history_columns", ())


def _another_batch_size() -> str:
    return (
        "it is part of the recipe, so that is another run "
        f"({option('overwrite', True)}, or another {option('path')})"
    )


def _raised(before: Recipe, now: Recipe) -> str | None:
    """What more epochs than a run was begun with mean for its learning rate."""
    if now.epochs == before.epochs or now.schedule == "constant":
        return None
    return (
        f"epochs raised from {before.epochs} to {now.epochs}: the {now.schedule} "
        f"schedule now ends with epoch {now.epochs}, so from here on the learning rate "
        f"is that of a run of {now.epochs} epochs, but the epochs before had that of "
        f"{before.epochs}; the result differs from a run begun with {now.epochs}."
    )
