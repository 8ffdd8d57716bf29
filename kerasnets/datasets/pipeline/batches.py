"""Batches for Keras: shuffled, augmented and normalized.

Randomness in batch k of epoch e depends on (seed, e, k) only, so that a run can resume
anywhere and any worker can make any batch.
"""

import time
from typing import Any

import keras
import numpy as np

from kerasnets.compute.threads import allowed_cores
from kerasnets.datasets.dataset import Dataset, Subset
from kerasnets.datasets.pipeline.augmentation import Augmentation
from kerasnets.datasets.pipeline.host_batches import HostBatches
from kerasnets.datasets.pipeline.host_pixels import HostPixels, Place
from kerasnets.datasets.pipeline.prefetch import Ahead
from kerasnets.datasets.pipeline.workers import Workers
from kerasnets.datasets.preprocessing import normalization
from kerasnets.datasets.streamed_images import StreamedImages
from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe

MOST_STREAMING = 8  # default maximum of processes that decode files
_EVALUATION_BATCH = 256
_AS_THEY_ARE = Augmentation()


class Batches(keras.utils.PyDataset):
    """Batches of (float32 images, int64 labels).

    Images are [B, H, W, C], or [B, C, H, W] if Keras is set to channels first. If they
    are mixed, labels are class shares, float32 [B, classes]. The last batch may be
    smaller.

    Args:
        subset: the images.
        batch_size: images in a batch.
        scale, offset: float32 [C]; pixels become value * scale + offset.
        augmentation: random changes of the images.
        shuffle: whether to shuffle anew in each epoch.
        seed: determines order and augmentation, with `epoch` and the batch's index.
        epoch: the next epoch, from 0; incremented at the end of an epoch of which every
            batch was requested.
        drop_single: omit a last batch of a single image, for which batch normalization
            has no variance. With shuffling, the omitted image differs every epoch.
        place: makes batches on the network's device.
        workers: processes that prepare the bytes of batches in advance. None means 0,
            or for streamed images the number of cores, at most `MOST_STREAMING`.
        fill: pad the last batch with blank images, and return weights as a third array,
            float32 [B]: 0 for blank images, B / (number of real images) for the others.
            Requires pixels as NumPy arrays.

    Attributes:
        waited_s: total seconds spent in requests for batches.
    """

    def __init__(
        self,
        subset: Subset,
        *,
        batch_size: int,
        scale: np.ndarray,
        offset: np.ndarray,
        augmentation: Augmentation = _AS_THEY_ARE,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        drop_single: bool = False,
        place: Place = HostPixels,
        fill: bool = False,
        workers: int | None = None,
    ) -> None:
        super().__init__()
        self.subset = subset
        self.batch_size = batch_size
        split = subset.split
        streamed = isinstance(split.images, StreamedImages)
        if workers is None:
            workers = min(allowed_cores(), MOST_STREAMING) if streamed else 0
        self._pixels = place(
            split.images,
            split.labels,
            subset.indices,
            scale,
            offset,
            bool(workers) or streamed or augmentation.needs_host,
        )
        # Worker processes already work ahead, and serve a single thread.
        ahead = self._pixels.ahead and not workers
        self._ahead = Ahead(self._make) if ahead else None
        self.fill = fill
        self.waited_s = 0.0
        self.augmentation = augmentation
        self.epoch = epoch
        self.first = 0
        self._served: set[int] = set()
        self._batches = -(-len(subset) // batch_size)
        if drop_single and self._batches > 1 and len(subset) % batch_size == 1:
            self._batches -= 1
        self._host = HostBatches(
            split.images,
            subset.indices,
            batch_size=batch_size,
            augmentation=augmentation,
            shuffle=shuffle,
            seed=seed,
        )
        self._making = None
        if workers:
            room = batch_size * int(np.prod(split.images.shape[1:]))
            self._making = Workers(self._host, self._batches, workers, room=room)

    def __len__(self) -> int:
        return self._batches - self.first

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        began = time.perf_counter()
        index += self.first
        self._served.add(index)
        if self._ahead:
            batch = self._ahead(self.epoch, index, last=index + 1 == self._batches)
        else:
            batch = self._make(self.epoch, index)
        self.waited_s += time.perf_counter() - began
        return batch

    def begin(self, epoch: int, first: int = 0) -> None:
        """Continue at batch `first` of epoch `epoch` (both from 0). This epoch then
        consists of the remaining batches; later epochs are complete."""
        self.epoch = epoch
        self.first = first
        self._served.clear()

    def rest(self) -> None:
        """Discard batches made in advance, and let worker processes idle."""
        if self._making:
            self._making.drop()

    def on_epoch_end(self) -> None:
        # Before the first epoch of `fit`, Keras requests one batch and ends an epoch.
        if len(self._served) == len(self):
            self.begin(self.epoch + 1)

    def _make(self, epoch: int, index: int) -> tuple[Any, ...]:
        images = self._making(epoch, index) if self._making else None
        positions = self._host.positions(epoch, index)
        batch = self._pixels(positions, self._host.changes(epoch, index), images)
        return _filled(*batch, self.batch_size) if self.fill else batch


def _filled(
    images: np.ndarray, labels: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = len(labels)
    weights = np.zeros(size, "float32")
    weights[:count] = size / count
    blank = size - count
    if blank:
        images = np.pad(images, ((0, blank), (0, 0), (0, 0), (0, 0)))
        labels = np.pad(labels, ((0, blank), *((0, 0),) * (labels.ndim - 1)))
    return images, labels, weights


def training_batches(
    recipe: Recipe,
    dataset: Dataset,
    subset: Subset,
    *,
    epoch: int = 0,
    place: Place = HostPixels,
    fill: bool = False,
    workers: int | None = None,
) -> Batches:
    """Training batches, shuffled and augmented according to the recipe.

    Args:
        epoch: the next epoch, from 0.
        place, fill, workers: see `Batches`.

    Raises:
        RecipeError: a batch is larger than the subset.
    """
    if recipe.batch_size > len(subset):
        raise RecipeError(
            f"batch_size {recipe.batch_size} is more than the {len(subset)} training "
            "images."
        )
    scale, offset = _normalization(recipe, dataset)
    return Batches(
        subset,
        batch_size=recipe.batch_size,
        scale=scale,
        offset=offset,
        augmentation=Augmentation.of(recipe, len(dataset.class_names)),
        shuffle=True,
        seed=recipe.seed,
        epoch=epoch,
        drop_single=recipe.batch_size > 1,
        place=place,
        fill=fill,
        workers=workers,
    )


def evaluation_batches(
    recipe: Recipe,
    dataset: Dataset,
    subset: Subset,
    *,
    batch_size: int | None = None,
    place: Place = HostPixels,
    fill: bool = False,
    workers: int | None = None,
) -> Batches:
    """Evaluation batches, in order and without augmentation.

    Args:
        batch_size: maximum number of images in a batch; a smaller size that makes all
            batches equal is preferred, as some backends compile for each size.
        place, fill: see `Batches`.
        workers: processes that decode streamed images, see `Batches`.
    """
    scale, offset = _normalization(recipe, dataset)
    size = even_size(len(subset), batch_size or _EVALUATION_BATCH)
    return Batches(
        subset,
        batch_size=size,
        scale=scale,
        offset=offset,
        place=place,
        fill=fill,
        workers=workers if isinstance(subset.split.images, StreamedImages) else 0,
    )


def even_size(count: int, most: int) -> int:
    """The largest size from half of `most` to `most` that divides `count`, or else
    `most`; `count` if that is smaller."""
    most = min(most, count)
    sizes = range(most, most // 2, -1)
    return next((size for size in sizes if count % size == 0), most)


def _normalization(recipe: Recipe, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset of a pixel's value, float64 [C]."""
    mean, std = normalization(recipe, dataset)
    return 1 / (255 * std), -mean / std
