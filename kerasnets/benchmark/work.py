"""The work of every contender in a benchmark: network, images, precision."""

import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kerasnets.compute.execution import Execution

CLASSES = 10
# Random images and batches of two diverge at the rates of real training.
LEARNING_RATE, MOMENTUM = 1e-9, 0.9

# What can be measured; the first two in turns.
PARTS = ("train", "inference", "start")
USUAL_SIZE = 32

# Total size of the distinct images: exceeds a core's cache, and is quick to generate.
_BYTES = 16_000_000


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work that is timed.

    Attributes:
        network: a name from `kerasnets.catalog.networks.NETWORKS`; with batch norm,
            head and stem "imagenet".
        what: "train" or "inference".
        batch_size: images in a step.
        image_size: height and width in pixels.
        channels: 1 or 3.
        precision: one of `kerasnets.recipe.fields.PRECISIONS`.
        device: see `kerasnets.compute.runtime.Session`.
        deterministic, threads: see `kerasnets.compute.execution.Execution`.
    """

    network: str
    what: str = "train"
    batch_size: int = 64
    image_size: int = 32
    channels: int = 3
    precision: str = "float32"
    device: str = "cpu"
    deterministic: bool = False
    threads: int | str | None = None

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


@dataclass(frozen=True)
class Plan:
    """The measurements of one network.

    Attributes:
        until: `time.perf_counter()` at which the budget ends.
    """

    network: str
    batch_sizes: tuple[int, ...]
    inference_batch_size: int
    precisions: tuple[str, ...]
    image_size: int
    channels: int
    only: tuple[str, ...]
    rounds: int
    until: float

    def works(self, execution: Execution) -> list[Work]:
        """The work for every precision, batch size and part.

        Args:
            execution: with "auto" resolved.
        """
        sizes = {"train": self.batch_sizes, "inference": (self.inference_batch_size,)}
        return [
            self.work(what, size, precision, execution)
            for precision in self.precisions
            for what in ("train", "inference")
            if what in self.only
            for size in sizes[what]
        ]

    def work(self, what: str, size: int, precision: str, execution: Execution) -> Work:
        return Work(
            network=self.network,
            what=what,
            batch_size=size,
            image_size=self.image_size,
            channels=self.channels,
            precision=precision,
            device=execution.device,
            deterministic=execution.deterministic,
            threads=execution.threads,
        )

    def first(self, execution: Execution) -> Work:
        return self.work("train", self.batch_sizes[0], self.precisions[0], execution)

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.until

    @property
    def stem(self) -> str:
        return stem(self.network, self.image_size)


def stem(network: str, image_size: int) -> str:
    """Stem of the names of a network's files."""
    return network + ("" if image_size == USUAL_SIZE else f"-{image_size}")


@lru_cache(maxsize=1)
def random_images(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Distinct images, uint8 [n, H, W, C], and labels, int64 [n], identical for every
    contender; at least one batch. They must not be modified."""
    shape = (work.image_size, work.image_size, work.channels)
    count = max(work.batch_size, _BYTES // int(np.prod(shape)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    return images, rng.integers(0, CLASSES, count)


def rows(images: int, work: Work, steps: int) -> np.ndarray:
    """Indices of the distinct images in `steps` batches, int64 [steps * batch size]:
    all of them in order, repeatedly."""
    return np.arange(steps * work.batch_size) % images
