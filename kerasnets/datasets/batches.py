"""Batches for Keras: shuffled, augmented and normalized by seed, epoch and number.

What is random in batch k of epoch e depends on (seed, e, k) alone, so that a run can
go on from anywhere and any worker can make any batch.
"""

import keras
import numpy as np

from kerasnets.datasets.augment import augment
from kerasnets.datasets.dataset import Dataset, Subset
from kerasnets.errors import RecipeError
from kerasnets.recipes import Recipe

_EVALUATION_BATCH = 256


class Batches(keras.utils.PyDataset):
    """Batches of (float32 images, int64 labels).

    Images are [B, H, W, C], or [B, C, H, W] where Keras is set to channels first. The
    last batch may be smaller; with `drop_single`, it is left out when it would hold one
    image alone, whose variance batch normalization cannot take. Shuffled, that is
    another image every epoch.

    Args:
        subset: the images.
        batch_size: images in a batch.
        scale, offset: float32 [C]; pixels become value * scale + offset.
        augmentation: one of `kerasnets.recipes.AUGMENTATIONS`.
        shuffle: whether each epoch has its own order.
        seed: with `epoch` and the batch's number, decides order and augmentation.
        epoch: the epoch that comes next, from 0; counted on when one ends of which
            every batch was asked for.
        drop_single: see above.
    """

    def __init__(
        self,
        subset: Subset,
        *,
        batch_size: int,
        scale: np.ndarray,
        offset: np.ndarray,
        augmentation: str = "none",
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        drop_single: bool = False,
    ) -> None:
        super().__init__()
        self.subset = subset
        self.batch_size = batch_size
        # One factor for each value of an image: numpy is slow over a last axis of 3.
        pixels = int(np.prod(subset.split.images.shape[1:3]))
        self._scale = np.tile(np.asarray(scale, "float32"), pixels)
        self._offset = np.tile(np.asarray(offset, "float32"), pixels)
        self.augmentation = augmentation
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = epoch
        self.first = 0
        self._served: set[int] = set()
        self._batches = -(-len(subset) // batch_size)
        if drop_single and self._batches > 1 and len(subset) % batch_size == 1:
            self._batches -= 1
        self._channels_first = keras.config.image_data_format() == "channels_first"
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self._batches - self.first

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        index += self.first
        self._served.add(index)
        rows = self._rows()[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.subset.split.images[rows]
        rng = np.random.default_rng([self.seed, 2, self.epoch, index])
        images = augment(images, self.augmentation, rng)
        values = images.reshape(len(images), -1).astype("float32")
        values *= self._scale
        values += self._offset
        pixels = values.reshape(images.shape)
        if self._channels_first:
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return pixels, self.subset.split.labels[rows]

    def begin(self, epoch: int, first: int = 0) -> None:
        """Stand at batch `first` of epoch `epoch` (both from 0): this epoch has the
        batches from there on, the epochs after it have all of theirs."""
        self.epoch = epoch
        self.first = first
        self._served.clear()

    def on_epoch_end(self) -> None:
        # Before the first epoch of a fit, Keras looks at one batch and ends an epoch.
        if len(self._served) == len(self):
            self.begin(self.epoch + 1)

    def _rows(self) -> np.ndarray:
        if not self.shuffle:
            return self.subset.indices
        if self._order is None or self._order[0] != self.epoch:
            rng = np.random.default_rng([self.seed, 1, self.epoch])
            self._order = (self.epoch, rng.permutation(self.subset.indices))
        return self._order[1]


def training_batches(
    recipe: Recipe, dataset: Dataset, subset: Subset, *, epoch: int = 0
) -> Batches:
    """Shuffled and augmented as the recipe says.

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
        augmentation=recipe.augment,
        shuffle=True,
        seed=recipe.seed,
        epoch=epoch,
        drop_single=recipe.batch_size > 1,
    )


def evaluation_batches(
    recipe: Recipe, dataset: Dataset, subset: Subset, *, batch_size: int | None = None
) -> Batches:
    """In order and as they are, but for the recipe's normalization.

    Args:
        batch_size: most images in a batch. Somewhat fewer where all batches are then of
            one size, which backends that compile for a size compile but once.
    """
    scale, offset = _normalization(recipe, dataset)
    size = _even_size(len(subset), batch_size or _EVALUATION_BATCH)
    return Batches(subset, batch_size=size, scale=scale, offset=offset)


def _even_size(count: int, most: int) -> int:
    """The largest size from half of `most` to `most` that divides `count`, or `most`
    where none does."""
    sizes = range(most, most // 2, -1)
    return next((size for size in sizes if count % size == 0), most)


def _normalization(recipe: Recipe, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    if recipe.normalize == "unit":
        ones = np.ones_like(dataset.mean)
        return ones / 255, ones * 0
    # One grey level at least: a channel without variation must not become infinite.
    std = np.maximum(dataset.std, 1 / 255)
    return 1 / (255 * std), -dataset.mean / std
