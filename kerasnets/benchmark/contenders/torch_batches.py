"""Batches for a plain PyTorch loop, as an experienced user would write them."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from kerasnets.benchmark.work import Work, random_images, rows
from kerasnets.datasets.pipeline.augment import PADDING, change, draw


class TorchBatches:
    """Normalized float32 images [B, C, H, W] in the given memory format, and int64
    labels [B].

    On CUDA, the uint8 images stay on the device, which also draws order, crops and
    flips, so that an epoch copies nothing. On a CPU, NumPy crops and flips whole
    batches.

    Args:
        steps: batches in an epoch.
    """

    def __init__(self, work: Work, steps: int, *, channels_last: bool) -> None:
        self._work, self._channels_last = work, channels_last
        self._device = torch.device(work.device)
        images, labels = random_images(work)
        self._rows = torch.from_numpy(rows(len(images), work, steps)).to(self._device)
        self._host = images
        values = images.reshape(-1, work.channels)[:1_000_000] / 255
        mean, std = values.mean(axis=0), values.std(axis=0)
        self._scale = torch.tensor(1 / (255 * std), dtype=torch.float32).to(
            self._device
        )
        self._offset = torch.tensor(-mean / std, dtype=torch.float32).to(self._device)
        self._images = torch.from_numpy(images).to(self._device)
        self._labels = torch.from_numpy(labels).to(self._device)
        self._rng = np.random.default_rng(0)

    def training(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """An epoch in random order, with random crops and flips."""
        order = torch.randperm(len(self._rows), device=self._device)
        for chosen in self._rows[order].split(self._work.batch_size):
            yield self._normalized(self._changed(chosen)), self._labels[chosen]

    def evaluation(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """An epoch in order, without augmentation."""
        for chosen in self._rows.split(self._work.batch_size):
            yield self._normalized(self._images[chosen]), self._labels[chosen]

    def _normalized(self, images: torch.Tensor) -> torch.Tensor:
        values = images.float().mul_(self._scale).add_(self._offset)
        values = values.permute(0, 3, 1, 2)  # channels-last in memory
        return values if self._channels_last else values.contiguous()

    def _changed(self, chosen: torch.Tensor) -> torch.Tensor:
        if self._device.type != "cpu":
            return crop_and_flip(self._images[chosen])
        changes = draw("crop-flip", len(chosen), self._rng)
        return torch.from_numpy(change(self._host[chosen.numpy()], changes))


def crop_and_flip(images: torch.Tensor) -> torch.Tensor:
    """Pad each image [N, S, S, C] with zeros, crop it at a random position and mirror
    it with probability 1/2, in one gather on the images' device."""
    count, size = images.shape[:2]
    device = images.device
    padded = F.pad(images, (0, 0, *(PADDING,) * 4))
    offsets = torch.randint(2 * PADDING + 1, (2, count, 1), device=device)
    pixels = torch.arange(size, device=device)
    flipped = torch.rand(count, 1, device=device) < 0.5
    lines = offsets[0] + pixels
    columns = offsets[1] + torch.where(flipped, size - 1 - pixels, pixels)
    each = torch.arange(count, device=device)
    return padded[each[:, None, None], lines[:, :, None], columns[:, None, :]]
