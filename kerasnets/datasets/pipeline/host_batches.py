"""The bytes of batches, determined by seed, epoch and index.

Worker processes import this module, so it has no heavy imports.
"""

from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.datasets.dataset import Images
from kerasnets.datasets.pipeline.augment import Changes, change, taken
from kerasnets.datasets.pipeline.augmentation import Augmentation


class HostBatches:
    """Makes the bytes of any batch, identical in every process.

    Args:
        images: uint8 [N, H, W, C], possibly memory-mapped (other processes map the file
            themselves); or streamed.
        indices: int64 [n], the rows of the subset.
        batch_size: images in a batch; the last may have fewer.
        shuffle: whether to shuffle anew in each epoch.
    """

    def __init__(
        self,
        images: Images,
        indices: np.ndarray,
        *,
        batch_size: int,
        augmentation: Augmentation,
        shuffle: bool,
        seed: int,
    ) -> None:
        self.augmentation = augmentation
        self.seed = seed
        self._images, self._indices = images, indices
        self._batch_size, self._shuffle = batch_size, shuffle
        self._order: tuple[int, np.ndarray] | None = None

    def __call__(self, epoch: int, index: int) -> np.ndarray:
        """The batch as uint8 [B, H, W, C], after all changes that act on bytes."""
        rows = self._indices[self.positions(epoch, index)]
        changes = self.changes(epoch, index)
        return change(taken(self._images, rows, changes), changes)

    def positions(self, epoch: int, index: int) -> np.ndarray:
        """The images of batch `index`, int64 [B]: positions in `indices`."""
        order = self._order
        if order is None or (self._shuffle and order[0] != epoch):
            places = np.arange(len(self._indices))
            if self._shuffle:
                rng = np.random.default_rng([self.seed, 1, epoch])
                places = rng.permutation(places)
            self._order = order = (epoch, places)
        return order[1][index * self._batch_size : (index + 1) * self._batch_size]

    def changes(self, epoch: int, index: int) -> Changes:
        height, width = self._images.shape[1:3]
        count = min(self._batch_size, len(self._indices) - index * self._batch_size)
        return self.augmentation.draw(count, height, width, self.seed, epoch, index)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        images = self._images
        if isinstance(images, np.memmap) and images.filename:
            state["_images"] = _Mapped(
                Path(str(images.filename)), images.offset, images.shape
            )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        images = state["_images"]
        if isinstance(images, _Mapped):
            state["_images"] = images.opened()
        self.__dict__.update(state)


class _Mapped:
    """Reference to a memory-mapped file, pickled instead of its content."""

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...]) -> None:
        self._path, self._offset, self._shape = path, offset, shape

    def opened(self) -> np.memmap:
        return np.memmap(self._path, np.uint8, "r", self._offset, self._shape)
