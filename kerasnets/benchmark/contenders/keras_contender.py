"""Keras contenders, which run through the loops of `fit` and `evaluate`."""

import io

import keras
import numpy as np

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.roofline import counts
from kerasnets.benchmark.work import (
    CLASSES,
    LEARNING_RATE,
    MOMENTUM,
    Work,
    random_images,
    rows,
)
from kerasnets.compute import runtime
from kerasnets.compute.memory import out_of_memory
from kerasnets.console import console
from kerasnets.datasets.dataset import Dataset, Split, Subset, statistics
from kerasnets.datasets.pipeline.batches import (
    Batches,
    evaluation_batches,
    training_batches,
)
from kerasnets.datasets.pipeline.host_pixels import HostPixels, place
from kerasnets.engines import choice
from kerasnets.recipe import Recipe
from kerasnets.training import fixed_batch_size
from kerasnets.training.callbacks.progress import NORMAL, ProgressReporter
from kerasnets.training.callbacks.watchers import StopOnNaN
from kerasnets.training.compile import ready_to_train
from kerasnets.training.loop import run_epochs

_STEPS_PER_EPOCH = 1000  # of the schedule, which is constant
_VALIDATION_IMAGES = 2  # minimal, as the validation at an epoch's end is not timed


def make(contender: Contender, work: Work) -> "FitRunner":
    """Create a runner inside the context of
    `kerasnets.benchmark.contenders.choice.surroundings`."""
    with runtime.session(work.device, work.precision) as session:
        return FitRunner(contender, work, session)


class FitRunner:
    """Training as in `fit`: its epochs over batches from uint8 images, with the
    recipe's augmentation, metrics, and the callbacks that are called at every step.
    Inference as in `evaluate`.

    Args:
        contender: one with an engine.
        session: of the device and precision of `work`.
    """

    def __init__(
        self, contender: Contender, work: Work, session: runtime.Session
    ) -> None:
        self._work, self._session = work, session
        self._recipe = Recipe.for_paper(
            work.network,
            "cifar10",
            batch_norm=True,
            image_size=work.image_size,
            channels=work.channels,
            batch_size=work.batch_size,
            precision=work.precision,
            learning_rate=LEARNING_RATE,
            momentum=MOMENTUM,
        )
        self._whole = fixed_batch_size.are_needed(session)
        self._dataset = _dataset(work)
        self._batches: tuple[int, tuple[Batches, ...]] | None = None
        self._model = ready_to_train(
            self._recipe,
            self._dataset.train.images.shape[1:],
            CLASSES,
            _STEPS_PER_EPOCH,
            session=session,
            engine=choice.check(contender.engine or "auto", session.device),
        )

    def counts(self) -> dict[str, int]:
        return counts(self._model)

    def run(self, steps: int, clock: Clock, *, warm_up: int = 0) -> None:
        kind = _train if self._work.what == "train" else _predict
        timing = _Timing(clock, warm_up, warm_up + steps)
        with out_of_memory.explained(self._work.batch_size):
            kind(self._model, self._made(warm_up + steps), timing)

    def _made(self, steps: int) -> tuple[Batches, ...]:
        """Batches for this number of steps, cached for the next turn."""
        if self._batches is None or self._batches[0] != steps:
            self._batches = None  # frees the old ones first
            self._batches = (steps, self._make_batches(steps))
        return self._batches[1]

    def _make_batches(self, steps: int) -> tuple[Batches, ...]:
        work, dataset = self._work, self._dataset
        subset = Subset(dataset.train, rows(len(dataset.train), work, steps))
        recipe, whole = self._recipe, self._whole
        placed = place(self._session, HostPixels)
        if work.what == "inference":
            size = work.batch_size
            return (
                evaluation_batches(
                    recipe, dataset, subset, batch_size=size, place=placed, fill=whole
                ),
            )
        monitored = Subset(dataset.train, np.arange(_VALIDATION_IMAGES))
        return (
            training_batches(recipe, dataset, subset, place=placed, fill=whole),
            evaluation_batches(recipe, dataset, monitored, place=placed, fill=whole),
        )


def _dataset(work: Work) -> Dataset:
    split = Split(*random_images(work))
    mean, std = statistics(split.images)
    names = tuple(map(str, range(CLASSES)))
    return Dataset("random images", split, split, names, mean, std, "", "")


def _train(model: keras.Model, batches: tuple[Batches, ...], timing: "_Timing") -> None:
    train, validation = batches
    reporter = ProgressReporter(
        NORMAL,
        train_images=len(train.subset),
        batch_size=train.batch_size,
        to=console(file=io.StringIO()),
    )
    run_epochs(
        model,
        train,
        validation,
        epochs=train.epoch + 1,
        callbacks=[StopOnNaN(), reporter, timing],
    )


def _predict(
    model: keras.Model, batches: tuple[Batches, ...], timing: "_Timing"
) -> None:
    model.predict(*batches, verbose=0, callbacks=[timing])


class _Timing(keras.callbacks.Callback):
    """Starts the clock after `first` steps of a loop and stops it after `last`."""

    def __init__(self, clock: Clock, first: int, last: int) -> None:
        super().__init__()
        self._clock, self._first, self._last = clock, first, last

    def on_train_begin(self, logs: dict | None = None) -> None:
        if self._first == 0:
            self._clock.start()

    on_predict_begin = on_train_begin

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        ended = batch + 1
        if ended not in (self._first, self._last):
            return
        for value in (logs or {}).values():
            # Waits for the device; backends other than PyTorch have no other way.
            keras.ops.convert_to_numpy(value)
            break
        if ended == self._first:
            self._clock.start()
        else:
            self._clock.stop()

    on_predict_batch_end = on_train_batch_end
