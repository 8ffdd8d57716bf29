"""Images and labels of a batch as a network takes them: picked out, changed and
normalized."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np

from kerasnets.compute.runtime import Session
from kerasnets.datasets.dataset import Images
from kerasnets.datasets.pipeline.augment import Changes, change, taken
from kerasnets.datasets.pipeline.erasing import inside
from kerasnets.datasets.pipeline.mixing import mixed_images, mixed_labels


class Pixels(Protocol):
    """Makes batches of a subset.

    Attributes:
        ahead: whether the next batch should be made while the network works on the
            present one.
    """

    ahead: bool

    def __call__(
        self,
        positions: np.ndarray,
        changes: Changes,
        changed: np.ndarray | None = None,
    ) -> tuple[Any, Any]:
        """Images and labels at int64 [B] positions of the subset, changed. Where they
        are mixed, labels are shares of the classes, float32 [B, classes].

        Args:
            changed: uint8 [B, H, W, C], where changes of bytes are made already.
        """


# Makes `Pixels` of: the images and labels of a split, the subset's rows in it, the
# factors and summands [C] that normalize a pixel, and whether changes need the host.
# The engines have others than `HostPixels`, which give the same values on an
# accelerator.
Place = Callable[[Images, np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool], Pixels]


_IN_CACHE = 2**17  # numbers, 0.5 MB, that a core's cache keeps from step to step


class HostPixels:
    """`Pixels` as NumPy arrays: float32 [B, H, W, C], or [B, C, H, W] where Keras is
    set to channels first, and int64 [B].

    Args:
        images: uint8 [N, H, W, C], perhaps memory-mapped or streamed.
        labels: int64 [N].
        indices: int64 [n], the rows that positions 0 ... n - 1 mean.
        scale, offset: float32 [C]; pixels become value * scale + offset.
        needs_host: makes no difference here.
    """

    # The network takes every core: a thread beside it only takes one away.
    ahead = False

    def __init__(
        self,
        images: Images,
        labels: np.ndarray,
        indices: np.ndarray,
        scale: np.ndarray,
        offset: np.ndarray,
        needs_host: bool = False,
    ) -> None:
        self._images, self._labels, self._indices = images, labels, indices
        # One factor for each value of an image: numpy is slow over a last axis of 3.
        pixels = int(np.prod(images.shape[1:3]))
        self._scale = np.tile(np.asarray(scale, "float32"), pixels)
        self._offset = np.tile(np.asarray(offset, "float32"), pixels)
        self._channels_first = keras.config.image_data_format() == "channels_first"

    def __call__(
        self,
        positions: np.ndarray,
        changes: Changes,
        changed: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = self._indices[positions]
        images = changed
        if images is None:
            images = change(taken(self._images, rows, changes), changes)
        stored = images.reshape(len(images), -1)
        values = np.empty(stored.shape, "float32")
        step = max(1, _IN_CACHE // stored.shape[1])
        for first in range(0, len(values), step):
            some = values[first : first + step]
            np.multiply(stored[first : first + step], self._scale, out=some)
            some += self._offset
        pixels, labels = values.reshape(images.shape), self._labels[rows]
        for boxes in changes.erased:
            pixels[inside(boxes, *map(np.arange, images.shape[1:3]))] = 0
        if changes.mix:
            pixels = mixed_images(pixels, changes.mix)
            labels = mixed_labels(labels, changes.mix)
        if self._channels_first:
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return pixels, labels


def place(session: Session, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a session's batches, as `Place` says.

    Args:
        otherwise: for a CPU, and for the backends that copy a batch ahead themselves.
    """
    if session.backend == "torch" and session.device.startswith("cuda"):
        from kerasnets.datasets.pipeline.torch_pixels import TorchPixels

        return partial(TorchPixels, device=session.device)
    return otherwise
