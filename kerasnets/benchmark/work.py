"""The work that a benchmark gives to every contender: network, images, precision."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CLASSES = 10
LEARNING_RATE, MOMENTUM = 0.001, 0.9

# Of distinct images: more than a cache near a core holds, and made at once.
_BYTES = 16_000_000


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is timed.

    Attributes:
        network: a name of `kerasnets.catalog.networks.NETWORKS`; batch norm on, head
            and stem "imagenet".
        what: "train" or "inference".
        batch_size: images in a step.
        image_size: height and width in pixels.
        channels: 1 or 3.
        precision: one of `kerasnets.recipe.PRECISIONS`.
        device: as `kerasnets.compute.runtime.Session` has it.
    """

    network: str
    what: str = "train"
    batch_size: int = 64
    image_size: int = 32
    channels: int = 3
    precision: str = "float32"
    device: str = "cpu"

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def title(self) -> str:
        kind = "training" if self.what == "train" else "inference"
        return (
            f"{self.network}, {kind}, {self.image_size}x{self.image_size}, batch "
            f"{self.batch_size}, {self.precision}"
        )


@lru_cache(maxsize=1)
def random_images(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Distinct images, uint8 [n, H, W, C], and labels, int64 [n], the same for every
    contender; one batch at least. They are not to be written to."""
    shape = (work.image_size, work.image_size, work.channels)
    count = max(work.batch_size, _BYTES // int(np.prod(shape)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    return images, rng.integers(0, CLASSES, count)


def rows(images: int, work: Work, steps: int) -> np.ndarray:
    """Which of the distinct images `steps` batches hold, int64 [steps * batch size]:
    all of them in order, again and again."""
    return np.arange(steps * work.batch_size) % images
