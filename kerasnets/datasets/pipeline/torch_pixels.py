"""Batches on a PyTorch device. Only bytes are copied to it, and if the images fit into
its memory, they are copied once.

The values equal those of `host_pixels.HostPixels`, to the bit if the device rounds as
IEEE 754 prescribes.
"""

import keras
import numpy as np
import torch
from torch.nn import functional as F

from kerasnets.datasets.dataset import Images
from kerasnets.datasets.pipeline.augment import Changes, change, taken
from kerasnets.datasets.pipeline.erasing import inside
from kerasnets.datasets.pipeline.mixing import mixed_images, mixed_labels

# Share of the initially free memory; the network needs the rest.
_SHARE_OF_FREE = 0.25


class TorchPixels:
    """`Pixels` on a PyTorch device: images are augmented and normalized there.

    The images stay on the device as uint8 if they take up at most a quarter of its free
    memory and no change needs the host. Otherwise each batch is copied asynchronously
    from page-locked memory.

    Args:
        images: uint8 [N, H, W, C], possibly memory-mapped or streamed.
        labels: int64 [N].
        indices: int64 [n], the rows for positions 0 ... n - 1.
        scale, offset: float32 [C]; pixels become value * scale + offset.
        needs_host: whether changes of bytes need Pillow, on the host.
        device: "cuda:0", ..., or "cpu".
        free_bytes: the device's free memory; queried unless given.
    """

    def __init__(
        self,
        images: Images,
        labels: np.ndarray,
        indices: np.ndarray,
        scale: np.ndarray,
        offset: np.ndarray,
        needs_host: bool = False,
        *,
        device: str,
        free_bytes: int | None = None,
    ) -> None:
        self.device = torch.device(device)
        if free_bytes is None:
            free_bytes, _ = torch.cuda.mem_get_info(self.device)
        image_bytes = int(np.prod(images.shape[1:]))
        fits = len(indices) * image_bytes <= free_bytes * _SHARE_OF_FREE
        self.resident = fits and not needs_host
        self.ahead = not self.resident
        self._images, self._indices = images, indices
        self._host_labels = labels
        if self.resident:
            self._on_device = self._moved(images[indices])
        self._labels = self._moved(labels[indices])
        self._scale = self._moved(np.asarray(scale, "float32"))
        self._offset = self._moved(np.asarray(offset, "float32"))
        self._channels_first = keras.config.image_data_format() == "channels_first"

    def __call__(
        self,
        positions: np.ndarray,
        changes: Changes,
        changed: np.ndarray | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Images float32 [B, H, W, C], or [B, C, H, W] if Keras is set to channels
        first, and labels int64 [B] or, if images are mixed, float32 [B, classes].

        Args:
            positions: int64 [B].
            changed: uint8 [B, H, W, C], if the changes of bytes have been applied.
        """
        chosen = self._moved(positions)
        rows = self._indices[positions]
        if changed is not None:
            images = self._moved(changed)
        elif self.resident:
            images = self._changed(self._on_device[chosen], changes)
        elif changes.needs_host:
            images = self._moved(change(taken(self._images, rows, changes), changes))
        else:
            images = self._changed(self._moved(self._images[rows]), changes)
        values = images.float()
        values.mul_(self._scale).add_(self._offset)
        labels = self._labels[chosen]
        for boxes in changes.erased:
            sides = (torch.arange(n, device=self.device) for n in values.shape[1:3])
            erased = inside(self._moved(boxes), *sides)
            values.masked_fill_(erased[..., None], 0)
        if changes.mix:
            values = mixed_images(values, changes.mix)
            labels = self._moved(mixed_labels(self._host_labels[rows], changes.mix))
        if self._channels_first:
            values = values.permute(0, 3, 1, 2).contiguous()
        return values, labels

    def _moved(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def _changed(self, images: torch.Tensor, changes: Changes) -> torch.Tensor:
        """Crop and flip in a single gather."""
        if changes.offsets is None and changes.flipped is None:
            return images
        count, height, width, _ = images.shape
        rows = torch.arange(height, device=self.device).expand(count, -1)
        columns = torch.arange(width, device=self.device).expand(count, -1)
        if changes.flipped is not None:
            flipped = self._moved(changes.flipped)[:, None]
            columns = torch.where(flipped, width - 1 - columns, columns)
        if changes.offsets is not None:
            offsets = self._moved(changes.offsets)
            images = F.pad(images, (0, 0, *(changes.padding,) * 4))
            rows = rows + offsets[:, :1]
            columns = columns + offsets[:, 1:]
        each = torch.arange(count, device=self.device)
        return images[each[:, None, None], rows[:, :, None], columns[:, None, :]]
