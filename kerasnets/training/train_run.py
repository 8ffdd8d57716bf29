"""Train a run folder, from its last checkpoint, if any, to model.keras."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from kerasnets import runs
from kerasnets.catalog.kept_checkpoints import LAST
from kerasnets.datasets.pipeline.batches import Batches
from kerasnets.datasets.preprocessing import Preprocessing
from kerasnets.errors import RunError
from kerasnets.recipe.fields import BEST
from kerasnets.runs import Run, results, status
from kerasnets.storage.files import check_digest
from kerasnets.storage.run_folders import RECIPE_FILE
from kerasnets.training import checkpoint
from kerasnets.training.callbacks import callback_state, of_keras, recorders
from kerasnets.training.callbacks import watchers as watch
from kerasnets.training.callbacks.best_weights import BestWeights
from kerasnets.training.callbacks.early_stop import EarlyStop
from kerasnets.training.callbacks.energy import energy_loggers
from kerasnets.training.callbacks.progress import ProgressReporter
from kerasnets.training.callbacks.stop_requests import StopRequest
from kerasnets.training.checkpoint import Checkpoint
from kerasnets.training.checkpointing import Checkpointer, Interval
from kerasnets.training.environment import Facts
from kerasnets.training.loop import run_epochs
from kerasnets.training.optimization.averaging import Averages
from kerasnets.training.optimization.schedule import LearningRate, learning_rate
from kerasnets.training.resuming import check_possible, raised_epochs


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a run is recorded; none of this affects what it computes.

    Attributes:
        confusion_every, checkpoint_every, keep_checkpoints: see `fit`.
        callbacks: the user's.
        objective: whether history.csv has the column "objective".
        resuming: whether the run existed before.
    """

    confusion_every: int
    checkpoint_every: Interval
    keep_checkpoints: str | None
    callbacks: Sequence[keras.callbacks.Callback]
    objective: bool
    resuming: bool


def train_run(
    run: Run,
    facts: Facts,
    train: Batches,
    validation: Batches,
    averages: Averages | None,
    ways: Ways,
    reporter: ProgressReporter,
    stop: StopRequest,
) -> None:
    """Train `run.recipe` to its last epoch; a finished run is left unchanged.

    Args:
        averages: of the weights of `facts.model`, if the recipe has `ema`.
    """
    model, epochs = facts.model, run.recipe.epochs
    records = _records(run, facts, train, ways)
    # Only some machines measure energy: a finished run need not have that table.
    keepers = [*records, *energy_loggers(run.path, facts.session.device)]
    before = runs.load(run.path).recipe
    whole = _are_whole(run.model_file, *(keeper.table.path for keeper in records))
    if whole and before.epochs == epochs:
        reached = status.progress(run)
        if reached.finished:
            reporter.say(f"{run.path} is finished: {reached}.")
            if ways.keep_checkpoints:
                checkpoint.finish(run.checkpoint_folder, ways.keep_checkpoints)
            return
    found = checkpoint.newest(run.checkpoint_folder)
    check_possible(run, found, steps=len(train))
    changes = [facts.changed(run), raised_epochs(before, run.recipe)]
    if found and found.stopped and found.stopped.epochs < epochs:
        found = found.whole_epochs()
    _prepare_folder(run, facts, records[0].table.columns)
    if ways.resuming:
        reporter.screen(facts.title, {**facts.screen(), "run folder": str(run.path)})
    keep = ways.keep_checkpoints or LAST
    users = list(ways.callbacks)
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
        run,
        keepers,
        users,
        ways.checkpoint_every,
        stop,
        early,
        found,
        keep,
        soon=run.recipe.weights is not None,
    )
    if found:
        _restore(found, model, train, checkpointer, epochs)
        reporter.say(f"resuming after {found.position}", quiet=True)
        others = callback_state.differences(users, found.callbacks, found.position)
        for difference in filter(None, (*changes, *others)):
            reporter.say(difference)
    del found  # frees its arrays; the checkpointer holds them as long as needed

    def started() -> None:
        seconds = facts.record_start(run)
        reporter.say(
            f"first step done after {seconds:.1f} s, of which loading the data took "
            f"{facts.dataset_load_s:.2f} s",
            quiet=True,
        )

    if facts.engine == "torch_compile":
        reporter.say(
            "PyTorch compiles the network in the first step and in the first "
            "validation, which takes minutes",
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
            unfreeze_after=run.recipe.unfreeze_after,
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
    # Without the optimizer, whose state is in the checkpoint; loads without kerasnets.
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with runs.atomic_path(run.model_file) as temporary:
        bare.save(temporary)
    # Last: a damaged model is restored from the checkpoints.
    checkpoint.finish(run.checkpoint_folder, keep)
    reporter.say(f"model and records are in {run.path}", quiet=True)


def _records(
    run: Run, facts: Facts, train: Batches, ways: Ways
) -> list[recorders.TableKeeper]:
    """Callbacks for the tables that every run has, history.csv first."""
    rate = learning_rate(run.recipe, facts.steps)
    return [
        recorders.HistoryLogger(
            run.path,
            rate if isinstance(rate, LearningRate) else None,
            every_step=of_keras.may_set_rate_between_steps(ways.callbacks),
            objective=ways.objective,
        ),
        recorders.EpochTimer(
            run.path,
            facts.session,
            train_images=len(facts.parts.train),
            validation_images=len(facts.parts.validation),
            batch_size=run.recipe.batch_size,
            waited_s=lambda: train.waited_s,
        ),
        recorders.ConfusionMatrixLogger(run.path, every=ways.confusion_every),
    ]


def _are_whole(*files: Path) -> bool:
    """Whether the files exist and match their digests."""
    try:
        for file in files:
            check_digest(file)
    except RunError:
        return False
    return True


def _prepare_folder(run: Run, facts: Facts, history_columns: Sequence[str]) -> None:
    """Write what is known before the first step, and remove results of fewer epochs,
    which would no longer belong to the run."""
    facts.record(run, history_columns)
    Preprocessing.of(run.recipe, facts.dataset, facts.model).write(run)
    if facts.source is not None:
        facts.source.write(run)
    results.remove_results(run)
    for stale in ("curves.png", "validation_confusion.png", run.model_file.name):
        if (run.path / stale).exists():
            runs.remove(run.path / stale)
    runs.write_text(run.path / RECIPE_FILE, run.recipe.to_json())


def _restore(
    found: Checkpoint,
    model: keras.Model,
    train: Batches,
    checkpointer: Checkpointer,
    epochs: int,
) -> None:
    """Restore model, tables and batches from a checkpoint."""
    found.restore(model, checkpointer.tables)
    if found.stopped:
        train.begin(epochs)  # nothing is left to train
    else:
        train.begin(found.epoch, found.batch)
