"""One variant of a network, trained for a few steps and evaluated."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.compute.runtime import Session
from kerasnets.datasets import Dataset, Partition
from kerasnets.datasets.pipeline.batches import Batches
from kerasnets.diagnosis.variants import Variant, settings
from kerasnets.evaluation.layer_signals import LayerSignal, layer_signals
from kerasnets.evaluation.metrics import log_softmax, measure, predict_logits
from kerasnets.recipe import Recipe
from kerasnets.statistics import collapsed_class
from kerasnets.training.callbacks.progress import duration
from kerasnets.training.compile import open_training

# Minimum progress from always predicting the most frequent class to perfect accuracy.
LEARNING = 0.1

STATISTICS_BATCHES = 8


@dataclass(frozen=True)
class Trial:
    """A variant after its steps. Losses are in nats per image, shares in [0, 1].

    Attributes:
        learning_rate, momentum: of its training.
        outcome: "diverged" if the loss became infinite or NaN; "collapsed" if one class
            receives more than 99 % of the predictions; "stuck" if the accuracy is less
            than a tenth of the way from the share of the most frequent class to 1; else
            "learning".
        train_loss: mean over the last tenth of the steps (augmented, dropout on).
        loss, accuracy: on the monitored images.
        most_predicted: name of the class predicted most often.
        most_predicted_share: its share of the predictions.
        prediction_entropy: mean entropy of the predicted probabilities, in nats.
        seconds: wall time of the trial.

    After divergence, every measurement but `seconds` is None.
    """

    variant: Variant
    learning_rate: float
    momentum: float
    outcome: str
    train_loss: float | None = None
    loss: float | None = None
    accuracy: float | None = None
    most_predicted: str | None = None
    most_predicted_share: float | None = None
    prediction_entropy: float | None = None
    seconds: float = 0.0


class LayerRow(NamedTuple):
    """One layer of one variant at one moment.

    Attributes:
        step: optimizer steps before it was measured.
        signal: the measurement.
    """

    variant: Variant
    step: int
    signal: LayerSignal


@frees_models
def run_trial(
    recipe: Recipe,
    dataset: Dataset,
    parts: Partition,
    *,
    steps: int,
    session: Session,
    engine: str,
    measured: bool,
    say: Callable[[str], None],
) -> tuple[Trial, list[LayerRow]]:
    """Train `recipe` for `steps` optimizer steps, and evaluate it on the monitored
    images.

    Args:
        steps: at least 1; may span several epochs.
        session: the backend and device.
        engine: a result of `kerasnets.engines.choice.check`.
        measured: measure every layer before the first step, and after the last unless
            training diverged, on the first batch of training images.
        say: receives lines of progress.
    """
    began = time.perf_counter()
    variant = Variant.of(recipe)
    train, monitored, model = open_training(
        recipe, dataset, parts, session=session, engine=engine
    )
    probe = train[0]

    def layers(step: int) -> list[LayerRow]:
        signals = layer_signals(model, *probe) if measured else ()
        return [LayerRow(variant, step, signal) for signal in signals]

    rows = layers(0)
    losses = _train(model, train, steps, say)
    average_statistics_anew(model, train)
    logits = predict_logits(model, monitored)
    found: dict[str, Any] = {"outcome": "diverged"}
    if math.isfinite(losses[-1]) and np.isfinite(logits).all():
        rows += layers(steps)
        found = _tried(losses, logits, parts.validation.labels, dataset.class_names)
    seconds = round(time.perf_counter() - began, 1)
    trial = Trial(variant, *settings(recipe), seconds=seconds, **found)
    say(_line(trial))
    return trial, rows


def _train(
    model: keras.Model, batches: Batches, steps: int, say: Callable[[str], None]
) -> list[float]:
    """Train, and return each step's loss; the last is not finite if training
    diverged."""
    losses: list[float] = []
    fifth = max(1, steps // 5)
    for step in range(steps):
        batches.epoch, number = divmod(step, len(batches))
        model.reset_metrics()
        logs = model.train_on_batch(*batches[number], return_dict=True)
        # With label smoothing, "loss" includes it.
        losses.append(float(logs.get("cross_entropy", logs["loss"])))
        if not math.isfinite(losses[-1]):
            break
        if (step + 1) % fifth == 0 and step + 1 < steps:
            say(f"step {step + 1} of {steps}, loss {losses[-1]:.4f}")
    return losses


def average_statistics_anew(model: keras.Model, batches: Batches) -> None:
    """Set batch norm's moving statistics to their means over the first
    `STATISTICS_BATCHES` batches of the epoch.

    After few steps, the moving averages still reflect earlier weights, so that a
    network that has learned can appear collapsed (Wu and Johnson 2021, "Rethinking
    'Batch' in BatchNorm", section 3).
    """
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network = keras.Model(model.inputs[0], model.outputs[0])  # in Keras's own layers
    try:
        for number in range(min(STATISTICS_BATCHES, len(batches))):
            for norm in norms:
                norm.momentum = number / (number + 1)
            network(batches[number][0], training=True)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _tried(
    losses: list[float],
    logits: np.ndarray,
    labels: np.ndarray,
    class_names: tuple[str, ...],
) -> dict[str, Any]:
    metrics = measure(logits, labels)
    commonest = metrics.support.max() / len(labels)
    if collapsed_class(metrics.predicted):
        outcome = "collapsed"
    elif metrics.accuracy < commonest + LEARNING * (1 - commonest):
        outcome = "stuck"
    else:
        outcome = "learning"
    log_p = log_softmax(logits)
    most = int(metrics.predicted.argmax())
    return {
        "outcome": outcome,
        "train_loss": float(np.mean(losses[-max(1, len(losses) // 10) :])),
        "loss": metrics.loss,
        "accuracy": metrics.accuracy,
        "most_predicted": class_names[most],
        "most_predicted_share": float(metrics.predicted[most] / len(labels)),
        "prediction_entropy": float(-(np.exp(log_p) * log_p).sum(axis=1).mean()),
    }


def _line(trial: Trial) -> str:
    if trial.accuracy is None:
        return f"{trial.outcome} ({duration(trial.seconds)})"
    return (
        f"{trial.outcome}, loss {trial.loss:.4f}, accuracy {trial.accuracy:.2%}, "
        f"{trial.most_predicted_share:.1%} of the predictions are class "
        f"{trial.most_predicted!r} ({duration(trial.seconds)})"
    )
