"""Random augmentation of a whole batch of training images.

Pure functions: the generator is an argument, the input is not modified. Drawing random
parameters and applying them are separate, so that an accelerator can apply the same
changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.datasets.dataset import Images
from kerasnets.datasets.pipeline.mixing import Mix
from kerasnets.datasets.pipeline.operations import Operation, operate
from kerasnets.datasets.pipeline.resized_crop import (
    Crops,
    crop_and_resize,
    draw_boxes,
    draw_crops,
)
from kerasnets.datasets.streamed_images import StreamedImages

PADDING = 4  # pixels on each side, section IV.A of the paper


@dataclass(frozen=True)
class Changes:
    """Changes to each image of a batch of N.

    Attributes:
        offsets: int64 [N, 2], row and column in 0 ... 2 * padding of the crop from the
            padded image; None for no padding.
        flipped: bool [N], images to mirror left to right, after cropping; None for
            none.
        padding: zeros on each side, in pixels.
        crops: parts of the image files to resize to whole images, before anything else;
            None to use the resized images.
        boxes: int64 [N, 4], parts (top, left, bottom, right) to resize to whole images,
            before mirroring; None for none.
        operations: of each image, on its bytes, after mirroring; empty for none.
        erased: boxes int64 [N, 4] to set to zero after normalization.
        mix: mixing of images after normalization; None for none.
    """

    offsets: np.ndarray | None = None
    flipped: np.ndarray | None = None
    padding: int = PADDING
    crops: Crops | None = None
    boxes: np.ndarray | None = None
    operations: Sequence[Sequence[Operation]] = ()
    erased: tuple[np.ndarray, ...] = ()
    mix: Mix | None = None

    @property
    def needs_host(self) -> bool:
        """Whether some of the changes need Pillow."""
        of_pillow = (self.crops, self.boxes)
        return any(one is not None for one in of_pillow) or bool(self.operations)


def draw(
    kind: str,
    count: int,
    rng: np.random.Generator,
    size: tuple[int, int] = (1, 1),
    *,
    from_files: bool = False,
) -> Changes:
    """Draw the changes of one of `kerasnets.recipe.fields.AUGMENTATIONS` for `count`
    images: uniform offsets, boxes as in torchvision's RandomResizedCrop, mirroring with
    probability 1/2.

    Args:
        size: height and width of the images, for boxes.
        from_files: whether resized crops are cut from the files.
    """
    if kind == "none":
        return Changes()
    offsets = boxes = crops = None
    if kind == "crop-flip":
        offsets = rng.integers(0, 2 * PADDING + 1, size=(count, 2))
    elif kind == "resized-crop" and from_files:
        crops = draw_crops(count, rng)
    elif kind == "resized-crop":
        boxes = draw_boxes(count, *size, rng)
    return Changes(offsets, rng.random(count) < 0.5, crops=crops, boxes=boxes)


def taken(images: Images, rows: np.ndarray, changes: Changes) -> np.ndarray:
    """The images of rows int64 [B], uint8 [B, H, W, C], cropped from their files if
    `changes` says so."""
    if changes.crops is None:
        return images[rows]
    assert isinstance(images, StreamedImages)
    return images.cropped(rows, changes.crops.box)


def change(images: np.ndarray, changes: Changes) -> np.ndarray:
    """Apply all changes that act on bytes to uint8 [N, H, W, C]."""
    if changes.boxes is not None:
        images = crop_and_resize(images, changes.boxes)
    if changes.offsets is not None:
        images = crop_at(images, changes.offsets, changes.padding)
    if changes.flipped is not None:
        images = flip_at(images, changes.flipped)
    return operate(images, changes.operations) if changes.operations else images


def flip_at(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mirror the images selected by `chosen` (bool [N]) left to right."""
    flipped = images.copy()
    # Whole pixels instead of bytes, one image at a time: twice as fast.
    pixel = f"V{images.shape[-1]}"
    whole = np.ascontiguousarray(images).view(pixel)
    mirrored = flipped.view(pixel)
    for index in np.flatnonzero(chosen):
        mirrored[index] = whole[index, :, ::-1]
    return flipped


def crop_at(images: np.ndarray, offsets: np.ndarray, padding: int) -> np.ndarray:
    """Pad each image with zeros on all sides, and cut its original size out at
    `offsets` [N, 2] (row, column), each in 0 ... 2 * padding."""
    count, height, width, channels = images.shape
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    # Rows of pixels viewed as rows of bytes, so that whole rows are copied at once.
    windows = np.lib.stride_tricks.sliding_window_view(
        padded.reshape(count, height + 2 * padding, -1),
        (height, width * channels),
        axis=(1, 2),
    )
    rows, columns = offsets[:, 0], offsets[:, 1] * channels
    return windows[np.arange(count), rows, columns].reshape(images.shape)
