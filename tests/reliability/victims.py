"""What the kill tests run in processes of their own, and kill."""

from pathlib import Path

import numpy as np
import small_run

from kerasnets.datasets import cache
from kerasnets.datasets.dataset import Dataset, Split, fingerprint
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.training.checkpointing import Interval


def train(path: Path) -> None:
    small_run.fit(path, resume=True, checkpoint_every=Interval(steps=1))


def measure(path: Path) -> None:
    evaluate(path, device="cpu", first_batch=True)


def images() -> Dataset:
    """10 MB of made images."""
    split = Split(
        np.random.default_rng(0).integers(0, 256, (1600, 32, 32, 3), dtype=np.uint8),
        np.arange(1600) % 10,
    )
    classes = tuple("abcdefghij")
    digest = fingerprint(classes, split, split)
    return Dataset("made", split, split, classes, np.ones(3), np.ones(3), digest, "")


def decode(folder: Path) -> None:
    cache.cached([folder], "made", images)


def prepare(data: Path, mirror) -> None:
    from kerasnets.datasets.download import prepare as preparing

    preparing.prepare("mnist", data_dir=data, mirror=mirror)
