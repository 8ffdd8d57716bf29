"""A trained run as a classifier of images, with its preprocessing."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np
from PIL import Image

from kerasnets import datasets, runs
from kerasnets.compute.execution import DEFAULT, Execution, ExecutionOptions
from kerasnets.compute.memory import out_of_memory
from kerasnets.datasets import preprocessing
from kerasnets.datasets.images import as_array, as_seen
from kerasnets.datasets.pipeline.augment import Changes
from kerasnets.datasets.pipeline.batches import even_size
from kerasnets.datasets.pipeline.host_pixels import HostPixels
from kerasnets.datasets.preprocessing import Preprocessing
from kerasnets.engines import choice
from kerasnets.errors import DatasetError, RunError, option, shown
from kerasnets.evaluation.metrics import softmax
from kerasnets.inference.files import read
from kerasnets.runs import Run
from kerasnets.runs.trained import check_finite, follow_layout, load_model

Images = str | Path | bytes | Image.Image | np.ndarray | Sequence["Images"]


@dataclass(frozen=True)
class Predictions:
    """Predictions for N images.

    Attributes:
        class_names: of all classes, in the order of the columns.
        probabilities: float64 [N, classes]; each row sums to 1.
    """

    class_names: tuple[str, ...]
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def indices(self) -> np.ndarray:
        """The most probable class of each image, int64 [N]; the first in a tie."""
        return self.probabilities.argmax(axis=1)

    @property
    def names(self) -> list[str]:
        """The name of each image's most probable class."""
        return [self.class_names[index] for index in self.indices]

    @property
    def confidences(self) -> np.ndarray:
        """The probability of each image's most probable class, float64 [N]."""
        return self.probabilities.max(axis=1)

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """The `k` most probable classes of each image with their probabilities, best
        first; all classes if there are fewer."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return [
            [(self.class_names[index], float(row[index])) for index in best]
            for row, best in zip(self.probabilities, order, strict=True)
        ]


class Classifier:
    """A trained network with its preprocessing.

    Create it with `load`.

    Attributes:
        run: the network's run.
        model: the Keras model, which maps the output of `preprocess` to logits
            [N, classes].
        preprocessing: the content of preprocessing.json.
        class_names: in the order of the logits.
    """

    def __init__(
        self,
        run: Run,
        model: keras.Model,
        steps: Preprocessing,
        execution: Execution = DEFAULT,
        engine: str = "keras",
    ) -> None:
        self.run = run
        self.model = model
        self.preprocessing = steps
        self.class_names = steps.class_names
        self._execution = execution
        own = model.call
        choice.use(model, engine)
        # The engine's call replaces the model's during predictions only.
        self._calls = own, model.call
        model.call = own

    def preprocess(self, images: Images) -> np.ndarray:
        """The input of `model` for images: float32 [N, H, W, C], or [N, C, H, W] for a
        network trained with channels first; resized and normalized as in training.

        Args:
            images: see `predict`.
        """
        with self.session():
            follow_layout(self.model)
            return self.normalized(self.pixels(images))

    def predict(
        self, images: Images, *, batch_size: int = 256, tta: bool = False
    ) -> Predictions:
        """Classify images.

        Args:
            images: one image or a list of images of any size, each a file's path or its
                content as bytes, a PIL image, or a uint8 array [H, W], [H, W, 1] or
                [H, W, 3] in RGB order; or an array [N, H, W, C].
            batch_size: maximum number of images per step, >= 1.
            tta: average the probabilities of each image and its mirror image.

        Raises:
            DatasetError: a file cannot be read, or an array is not an image.
            RunError: the network's logits are not finite.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise RunError(
                f"{option('batch_size')} must be a whole number >= 1, not "
                f"{shown(repr(batch_size))}."
            )
        found = list(_single_images(images))
        size = even_size(len(found), batch_size)
        return Predictions(
            self.class_names,
            np.concatenate(
                [
                    self.probabilities(
                        self._pixels(found[first : first + size]), tta=tta
                    )
                    for first in range(0, len(found), size)
                ]
            )
            if found
            else np.zeros((0, len(self.class_names))),
        )

    def pixels(self, images: Images) -> np.ndarray:
        """The images in the network's size and colors before normalization, uint8
        [N, H, W, C].

        Args:
            images: see `predict`.
        """
        return self._pixels(list(_single_images(images)))

    def probabilities(self, pixels: np.ndarray, *, tta: bool = False) -> np.ndarray:
        """Probabilities of one batch, float64 [N, classes].

        Args:
            pixels: a result of `pixels`, N >= 1.
            tta: see `predict`.
        """
        found = softmax(self._logits(pixels))
        if tta:
            found = (found + softmax(self._logits(pixels[:, :, ::-1]))) / 2
        return found

    def session(self) -> contextlib.AbstractContextManager[Any]:
        """A context with the device and the precision of the classifier."""
        return self._execution.begin(self.run.recipe.precision)

    def _logits(self, pixels: np.ndarray) -> np.ndarray:
        own, fast = self._calls
        with (
            self.session(),
            out_of_memory.explained(len(pixels)),
        ):
            follow_layout(self.model)
            images = self.normalized(pixels)
            self.model.call = fast
            try:
                found = self.model.predict_on_batch(images)
            finally:
                self.model.call = own
        logits = np.asarray(found, np.float32)
        check_finite(self.run, logits)
        return logits

    def _pixels(self, images: Sequence[Any]) -> np.ndarray:
        steps = self.preprocessing
        size, channels = steps.height, len(steps.mean)
        pixels = np.empty((len(images), size, size, channels), np.uint8)
        for row, image in enumerate(images):
            pixels[row] = _read(image, steps)
        return pixels

    def normalized(self, pixels: np.ndarray) -> np.ndarray:
        """The input of `model` for a result of `pixels`; call it within `session`."""
        everything = np.arange(len(pixels))
        std = np.array(self.preprocessing.std)
        scale, offset = 1 / (255 * std), -np.array(self.preprocessing.mean) / std
        host = HostPixels(pixels, everything, everything, scale, offset)
        return host(everything, Changes())[0]


def load(
    run: Run | str | Path,
    *,
    execution: Execution = DEFAULT,
    **options: Unpack[ExecutionOptions],
) -> Classifier:
    """Load a trained run as a classifier: its network, preprocessing and class names.

        classifier = kerasnets.load("mine")
        classifier.predict("cat.jpg").names

    `load_run`, in contrast, opens the records of a run (recipe, history, files) without
    its network.

    Args:
        run: the run, its folder, or the name of one in artifacts/runs.
        execution: device, engine, threads and determinism.
        options: fields of `execution` to replace, such as `device`; `data_dir` matters
            only for runs of versions that recorded no preprocessing.

    Raises:
        RunError: the run is not trained, or is damaged.
        BackendError: the device is not available.
        DatasetError: the run has no preprocessing.json, and its dataset is missing.
    """
    execution = execution.replace(**options)
    run = runs.opened(run)
    steps = preprocessing.read(run)
    with execution.begin(run.recipe.precision) as (_, engine):
        loaded = load_model(run)
        # Rebuilt, as Keras warns if an array is passed to a loaded model's named input.
        model = keras.Model(loaded.inputs[0], loaded.outputs[0], name=loaded.name)
        follow_layout(model)
        if steps is None:
            dataset = datasets.load_for(run.recipe, execution.data_dir)
            steps = Preprocessing.of(run.recipe, dataset, model)
        _check_fits(run, model, steps)
        return Classifier(run, model, steps, execution, engine)


def _check_fits(run: Run, model: keras.Model, steps: Preprocessing) -> None:
    image = [steps.height, steps.width]
    image.insert(0 if steps.data_format == "channels_first" else 2, len(steps.mean))
    told = (*image, len(steps.class_names))
    received = (*model.input_shape[1:], model.output_shape[-1])
    if received != told:
        raise RunError(
            f"{run.model_file} takes images of shape {received[:-1]} and has "
            f"{received[-1]} classes, but preprocessing.json is for {told[:-1]} and "
            f"{told[-1]}."
        )


def _single_images(images: Images) -> Iterator[Any]:
    if isinstance(images, np.ndarray) and images.ndim == 4:
        yield from images
    elif isinstance(images, str | Path | bytes | Image.Image | np.ndarray):
        yield images
    elif isinstance(images, Iterable):
        for image in images:
            yield from _single_images(image)
    else:
        raise DatasetError(
            f"an image must be a path, a PIL image or a uint8 array, not "
            f"{shown(repr(images))[:80]}."
        )


def _read(image: Any, steps: Preprocessing) -> np.ndarray:
    """Read one image as uint8 [H, W, C]."""
    if isinstance(image, np.ndarray):
        image = _of_array(image)
    try:
        if isinstance(image, Image.Image):
            return as_array(
                as_seen(image, steps.background),
                steps.height,
                len(steps.mean),
                resize=steps.resize,
                background=steps.background,
            )
        return read(image, steps)
    except (OSError, ValueError) as error:
        unnamed = isinstance(image, bytes | Image.Image)
        name = "the image" if unnamed else shown(image)
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise DatasetError(f"{name} cannot be read: {reason}.") from error


def _of_array(array: np.ndarray) -> Image.Image:
    grey = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 1)
    color = array.ndim == 3 and array.shape[-1] == 3
    if array.dtype != np.uint8 or not (grey or color) or 0 in array.shape:
        raise DatasetError(
            "an array must be uint8 [H, W], [H, W, 1], [H, W, 3] or a batch of them, "
            f"not {array.dtype} {list(array.shape)}."
        )
    return Image.fromarray(array[..., 0] if grey and array.ndim == 3 else array)
