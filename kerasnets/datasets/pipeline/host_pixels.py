"""Batches as network inputs: selected, augmented and normalized."""

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
        ahead: whether to make the next batch while the network processes the current
            one.
    """

    ahead: bool

    def __call__(
        self,
        positions: np.ndarray,
        changes: Changes,
        changed: np.ndarray | None = None,
    ) -> tuple[Any, Any]:
        """Images and labels at int64 [B] positions of the subset, with changes applied.
        If images are mixed, labels are class shares, float32 [B, classes].

        Args:
            changed: uint8 [B, H, W, C], if the changes of bytes have been applied.
        """


# Constructs `Pixels` from a split's images and labels, the subset's rows, scale and
# offset [C] of the normalization, and whether changes need the host. Besides
# `HostPixels`, `TorchPixels` yields the same values on an accelerator.
Place = Callable[[Images, np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool], Pixels]


_IN_CACHE = 2**17  # numbers, 0.5 MB, that a core's cache keeps from step to step


class HostPixels:
    """`Pixels` as NumPy arrays: float32 [B, H, W, C], or [B, C, H, W] if Keras is
    set to channels first, and int64 [B].

    Args:
        images: uint8 [N, H, W, C], possibly memory-mapped or streamed.
        labels: int64 [N].
        indices: int64 [n], the rows for positions 0 ... n - 1.
        scale, offset: float32 [C]; pixels become value * scale + offset.
        needs_host: ignored.
    """

    # The network uses every core, so a thread working ahead would not gain anything.
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
        # One factor per value of an image: NumPy is slow over a last axis of length 3.
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
    """The constructor of a session's batches, a `Place`.

    Args:
        otherwise: used for a CPU, and for backends that copy batches ahead themselves.
    """
    if session.backend == "torch" and session.device.startswith("cuda"):
        from kerasnets.datasets.pipeline.torch_pixels import TorchPixels

        return partial(TorchPixels, device=session.device)
    return otherwise
