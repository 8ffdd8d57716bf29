"""Evaluate a trained run on one of its splits, and write the results."""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from kerasnets import datasets, runs
from kerasnets.compute.execution import DEFAULT, Execution, ExecutionOptions
from kerasnets.compute.memory import out_of_memory
from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.datasets import preprocessing
from kerasnets.datasets.pipeline.batches import evaluation_batches
from kerasnets.datasets.pipeline.host_pixels import HostPixels, place
from kerasnets.engines import choice
from kerasnets.errors import RunError, option, shown, unknown
from kerasnets.evaluation.metrics import Metrics, measure, predict_logits, softmax
from kerasnets.evaluation.results import write_results
from kerasnets.runs import SPLITS, Run
from kerasnets.runs.records import environment
from kerasnets.runs.results import Predictions
from kerasnets.runs.status import progress
from kerasnets.runs.trained import (
    check_finite,
    check_trained,
    follow_layout,
    load_model,
)
from kerasnets.statistics import collapsed_class

_logger = logging.getLogger(__name__)


@frees_models
def evaluate(
    run: Run | str | Path,
    *,
    split: str = "test",
    first_batch: bool = False,
    batch_size: int = 256,
    execution: Execution = DEFAULT,
    **options: Unpack[ExecutionOptions],
) -> dict[str, Any]:
    """Evaluate a trained run and write the results into its folder.

    Writes metrics.json, confusion_matrix.csv, per_class.csv and predictions.csv; with
    `first_batch`, first_batch_confusion_matrix.csv; for two classes, thresholds.csv.
    Results of the test split go to the run folder, those of other splits to a subfolder
    named after the split. Other files of an earlier evaluation, such as its figures,
    are removed, so that all files belong to one evaluation. Repeated on the same
    machine, an evaluation yields the same numbers, except for times.

    If the data has changed since training, the results are still written, with
    "data_changed" true, and a warning is logged.

    Args:
        run: the run, its folder, or the name of one in artifacts/runs.
        split: "test", or the recipe's "train" or "validation" images.
        first_batch: also write the confusion matrix of the split's first
            `recipe.batch_size` images, as in the paper's Figure 10.
        batch_size: maximum number of images per step, >= 1; affects only the speed.
        execution: device, engine, threads, determinism and data folder.
        options: fields of `execution` to replace, such as `device`.

    Returns:
        The content of metrics.json; docs/run-folder.md lists its keys and units.

    Raises:
        RunError: the run is not trained, is damaged, does not fit its dataset, or has
            no such split.
        BackendError: the device is not available.
        DatasetError: the dataset is not available.
    """
    execution = execution.replace(**options)
    run = runs.opened(run)
    _check_asked(run, split, batch_size)
    check_trained(run)
    _tell_unfinished(run)
    with run.lock():  # fail early if the folder is locked or not writable
        recorded = environment(run)
        fed = preprocessing.read(run)
        # Before the weights are read: if training goes on in between, the results are
        # stale, and say so.
        epochs, epoch = _told(lambda: len(run.history)), _told(lambda: run.kept_epoch)
    with execution.begin(run.recipe.precision) as (session, engine):
        model = load_model(run)
        follow_layout(model)
        dataset = datasets.load_for(run.recipe, execution.data_dir)
        subset = getattr(datasets.partition(dataset, run.recipe), split)
        batches = evaluation_batches(
            run.recipe,
            fed.applied_to(dataset) if fed else dataset,
            subset,
            batch_size=batch_size,
            place=place(session, HostPixels),
        )
        expected = (*batches[0][0].shape[1:], len(dataset.class_names))
        _check_fits(run, model, expected)
        if fed:
            _check_classes(run, fed.class_names, dataset.class_names)
        choice.use(model, engine)
        began = time.perf_counter()
        with out_of_memory.explained(batches.batch_size):
            logits = predict_logits(model, batches)
        seconds = time.perf_counter() - began
    check_finite(run, logits)
    predictions = Predictions(
        index=np.asarray(subset.indices),
        label=np.asarray(subset.labels),
        prediction=logits.argmax(axis=1),
        confidence=softmax(logits).max(axis=1),
    )
    whole = measure(logits, predictions.label)
    first = slice(run.recipe.batch_size)
    batch = measure(logits[first], predictions.label[first]) if first_batch else None
    metrics = {
        "network": run.recipe.network,
        "dataset": run.recipe.dataset,
        "dataset_note": dataset.note,
        "data_changed": _data_changed(run, recorded, dataset),
        "split": split,
        "epochs": epochs,
        "epoch": epoch,
        **_numbers(whole, dataset.class_names),
        "first_batch": batch
        and {"images": int(batch.support.sum()), "accuracy": batch.accuracy},
        "seconds": round(seconds, 4),
        "images_per_s": round(len(logits) / seconds, 2),
        "batch_size": batches.batch_size,
        "backend": session.backend,
        "engine": engine,
        "device": session.device,
        "device_name": session.device_name,
        "threads": session.threads,
    }
    folder = run.results_folder(split)
    try:
        with run.lock():
            folder.mkdir(exist_ok=True)
            write_results(
                folder, metrics, dataset.class_names, predictions, whole, batch
            )
    except OSError as error:
        raise RunError(
            f"cannot write the results to {folder}: {error.strerror}."
        ) from error
    return metrics


def _numbers(whole: Metrics, class_names: tuple[str, ...]) -> dict[str, Any]:
    collapsed = collapsed_class(whole.predicted)
    return {
        "images": int(whole.support.sum()),
        "loss": whole.loss,
        "accuracy": whole.accuracy,
        "top5_accuracy": whole.top5_accuracy,
        "balanced_accuracy": whole.balanced_accuracy,
        "macro_precision": whole.macro(whole.precision),
        "macro_recall": whole.macro(whole.recall),
        "macro_f1": whole.macro(whole.f1),
        "positive_class": class_names[1] if whole.two else None,
        "roc_auc": whole.two and whole.two.roc_auc,
        "average_precision": whole.two and whole.two.average_precision,
        "collapsed": collapsed
        and {"class": class_names[collapsed[0]], "share": collapsed[1]},
    }


def _tell_unfinished(run: Run) -> None:
    with contextlib.suppress(RunError):  # records that the results do not need
        reached = progress(run)
        if not reached.finished:
            _logger.warning(
                "the training of %s has not finished: %s.", run.path, reached
            )


def _data_changed(
    run: Run, recorded: dict[str, Any], dataset: datasets.Dataset
) -> bool:
    changed = recorded.get("dataset_fingerprint") != dataset.fingerprint
    how = "its fingerprint changed"
    if dataset.files is not None:
        before = recorded.get("dataset_files", {}).get("sha256")
        if before != dataset.files["sha256"]:
            changed, how = True, "names, classes or content of its files changed"
        else:
            how = "its files are the same, but are decoded to other pixels here"
    if changed and dataset.drawn is not None:
        how += "; its test split is drawn anew, and may hold training images"
    if changed:
        _logger.warning(
            "the dataset %s is not the one that %s was trained on: %s.",
            shown(dataset.files["place"] if dataset.files else dataset.name),
            run.path,
            how,
        )
    return changed


def _told(count: Callable[[], int | None]) -> int | None:
    """A number from history.csv; None if that is missing or damaged."""
    try:
        return count()
    except RunError:
        return None


def _check_asked(run: Run, split: str, batch_size: int) -> None:
    if split not in SPLITS:
        raise RunError(unknown("split", split, SPLITS))
    if split == "validation" and run.recipe.validation == "test":
        raise RunError(
            f"{run.path} has no validation split of its own (it monitored the test "
            f"split); use {option('split', 'test')}."
        )
    if not isinstance(batch_size, int) or batch_size < 1:
        raise RunError(
            f"batch_size must be at least 1 and a whole number, not {batch_size!r}."
        )


def _check_classes(run: Run, trained: tuple[str, ...], found: tuple[str, ...]) -> None:
    other = [pair for pair in zip(trained, found, strict=True) if pair[0] != pair[1]]
    if other:
        before, now = map(shown, other[0])
        raise RunError(
            f"{run.path} was trained with other classes than its dataset now has: "
            f"{before} is {now} there"
            + (f", and {len(other) - 1} more differ" if len(other) > 1 else "")
            + "."
        )


def _check_fits(run: Run, model: Any, expected: tuple[int, ...]) -> None:
    received = (*model.input_shape[1:], model.output_shape[-1])
    if received != expected:
        *image, classes = expected
        raise RunError(
            f"{run.model_file} takes images of shape {received[:-1]} and has "
            f"{received[-1]} classes, but its dataset now has shape "
            f"{tuple(image)} and {classes} classes."
        )
