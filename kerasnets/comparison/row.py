"""A run as a row of a comparison: accuracy, cost, speed."""

from dataclasses import dataclass

from kerasnets.catalog.titles import network_title
from kerasnets.comparison.evaluated import Evaluated
from kerasnets.networks.cost import network_cost
from kerasnets.runs import Run
from kerasnets.runs.records import (
    LearningCurve,
    class_names,
    environment,
    learning_curve,
)
from kerasnets.runs.status import progress
from kerasnets.statistics import Interval, wilson_interval


@dataclass(frozen=True)
class Row:
    """A run in a comparison. Values missing from its records are None.

    Attributes:
        label: unique in the comparison.
        run: path of the run folder.
        network: title of the network, such as "VGG-19 BN".
        weights: source of pretrained weights; "" for random initialization.
        epochs: number of finished epochs.
        dataset, planned_epochs, seed: of the recipe.
        stopped: why a callback stopped training early, else "".
        test_accuracy: share of test images classified correctly, in [0, 1].
        interval: of the test accuracy, by Wilson's rule.
        test_loss: mean cross-entropy, nats per image.
        validation_accuracy: on the monitored images after the last epoch, in [0, 1].
        monitored: split of the monitored images, "validation" or "test".
        parameters: number of trainable parameters.
        macs, flops: multiply-accumulates and floating-point operations (two per MAC) to
            classify one image, see `kerasnets.networks.cost`.
        seconds_per_epoch: wall time of training and validation, median epoch.
        images_per_s: training images per second, median epoch.
        total_s: seconds of training and validation in all epochs.
        energy_j: joules in this time, if the device measures energy.
        device: name of the processor or accelerator.
        group: number of the group of runs with the same test images, from 0.
        curve: validation loss and accuracy by epoch and time.
    """

    label: str
    run: str
    network: str
    dataset: str
    weights: str
    epochs: int
    planned_epochs: int
    stopped: str
    seed: int
    train_images: int | None
    test_images: int | None
    test_accuracy: float | None
    interval: Interval | None
    test_loss: float | None
    validation_accuracy: float
    monitored: str
    parameters: int
    macs: int
    flops: int
    seconds_per_epoch: float | None
    images_per_s: float | None
    total_s: float | None
    energy_j: float | None
    device: str
    group: int | None
    curve: LearningCurve


def make_row(run: Run, label: str, result: Evaluated | None, group: int | None) -> Row:
    """Build the row of a run from its records.

    Raises:
        RunError: its records are damaged.
    """
    recipe, recorded, curve = run.recipe, environment(run), learning_curve(run)
    classes = len(class_names(run))
    cost = network_cost(recipe, classes, recorded.get("trainable_parameters"))
    right = int(result.correct.sum()) if result else 0
    images = len(result.correct) if result else None
    return Row(
        label=label,
        run=str(run.path),
        network=network_title(recipe.network, batch_norm=recipe.batch_norm),
        dataset=recipe.dataset,
        weights=recipe.start,
        epochs=len(curve.epochs),
        planned_epochs=recipe.epochs,
        stopped=progress(run).reason,
        seed=recipe.seed,
        train_images=recorded.get("train_images"),
        test_images=images,
        test_accuracy=right / images if images else None,
        interval=wilson_interval(right, images) if images else None,
        test_loss=result.metrics["loss"] if result else None,
        validation_accuracy=curve.accuracy[-1],
        monitored=recipe.monitored_split,
        parameters=cost.parameters,
        macs=cost.macs,
        flops=cost.flops,
        seconds_per_epoch=curve.seconds_per_epoch,
        images_per_s=curve.median_images_per_s,
        total_s=curve.total_s,
        energy_j=curve.total_energy_j,
        device=recorded.get("device_name", "unknown"),
        group=group,
        curve=curve,
    )
