"""Benchmark of decoding and augmentation of photographs against torchvision.

Both make standardized float32 batches of 224x224 pixels from the same JPEG files of
500x375 pixels: ours with `kerasnets fit`'s streamed batches, torchvision with
ImageFolder, RandomResizedCrop, RandomHorizontalFlip, ToTensor, Normalize and
DataLoader.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasnets.benchmark.measure import interleave
from kerasnets.benchmark.part import numbers_of, ratio_of
from kerasnets.compute.child_processes import independent
from kerasnets.compute.runtime import cpu_name, package_version
from kerasnets.compute.threads import allowed_cores
from kerasnets.datasets.dataset import Split, Subset
from kerasnets.datasets.pipeline.augmentation import Augmentation
from kerasnets.datasets.pipeline.batches import Batches
from kerasnets.datasets.streamed_images import Form, StreamedImages, states
from kerasnets.errors import InstallationError, adding
from kerasnets.networks.published import MEAN, STD
from kerasnets.runs import write_json

FILE = "data/data.json"  # separate from the reports of networks
WIDTH, HEIGHT = 500, 375  # pixels of the photographs, the most common in ImageNet
SIZE = 224  # pixels of the batches
IMAGES = 256
WORKERS = 2
_QUALITY = 90
_PACKAGES = ("torch", "torchvision", "Pillow", "simplejpeg")


def benchmark_data(
    *,
    rounds: int = 7,
    batch_size: int = 64,
    images: int = IMAGES,
    folder: Path | str | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure both in turns; a turn is one pass over all images.

    Args:
        rounds: number of interleaved repetitions, without warm-up.
        batch_size: images in a batch.
        images: number of photographs, generated from a seed in a temporary folder.
        folder: folder of `FILE`; nothing is written if None.
        say: receives a line when the photographs have been generated.

    Returns:
        The content of the file: images per second of each, the interquartile range
        relative to the median, and the ratio with its bootstrap interval.

    Raises:
        InstallationError: torchvision cannot be imported.
    """
    try:
        import torchvision
    except ImportError as error:
        raise InstallationError(
            "'benchmark data' compares with torchvision, which is not installed; "
            f"{adding('kerasnets[bench]')}"
        ) from error
    with tempfile.TemporaryDirectory(prefix="kerasnets-photos-") as place:
        paths = make_photos(Path(place), images)
        size = sum(path.stat().st_size for path in paths) / images
        say(f"{images} photographs of {WIDTH}x{HEIGHT}, {size / 1000:.0f} kB each")
        timings = interleave(
            {
                "kerasnets": _ours(paths, batch_size),
                "torchvision": _theirs(Path(place), batch_size),
            },
            images=images,
            rounds=rounds,
            warm_up=1,
        )
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": {
            "processor": cpu_name(),
            "cores": allowed_cores(),
            "load_average": [round(one, 2) for one in load_average()],
            "packages": {name: package_version(name) for name in _PACKAGES},
            "torchvision_image_backend": torchvision.get_image_backend(),
        },
        "images": images,
        "photograph": [WIDTH, HEIGHT],
        "bytes": round(size),
        "batch_size": batch_size,
        "image_size": SIZE,
        "workers": WORKERS,
        "rounds": rounds,
        "contenders": {name: numbers_of(timing) for name, timing in timings.items()},
        "ratio": ratio_of(timings["kerasnets"], timings["torchvision"]),
    }
    if folder is not None:
        file = Path(folder) / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, report)
    return report


def make_photos(place: Path, count: int) -> list[Path]:
    """Generate photograph-like images of two classes from a seed, with structure from
    coarse to fine, some edges and a little noise."""
    for name in ("a", "b"):
        (place / name).mkdir()
    paths = []
    for number in range(count):
        rng = np.random.default_rng([number, WIDTH])
        pixels = np.zeros((HEIGHT, WIDTH, 3))
        for cell in (2, 4, 8, 16, 32, 64, 128, 256):
            shape = (HEIGHT // cell + 2, WIDTH // cell + 2, 3)
            grain = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
            smooth = grain.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            pixels += np.asarray(smooth, float) * cell
        for _ in range(6):
            top, left = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
            pixels[top : top + 120, left : left + 150] *= rng.uniform(0.6, 1.4)
        pixels = 255 * pixels / pixels.max() + rng.normal(0, 3, (HEIGHT, WIDTH, 1))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        paths.append(place / "ab"[number % 2] / f"{number:05}.jpg")
        image.save(paths[-1], "JPEG", quality=_QUALITY)
    return paths


def _ours(paths: list[Path], batch_size: int) -> Callable[[], float]:
    form = Form(SIZE, 3, "crop", "white", "stop", "reduced")
    names = [os.fspath(path) for path in paths]
    streamed = StreamedImages(names, states(paths), form, None)
    labels = np.arange(len(paths)) % 2
    mean, std = np.array(MEAN), np.array(STD)
    batches = Batches(
        Subset(Split(streamed, labels), np.arange(len(paths))),
        batch_size=batch_size,
        scale=1 / (255 * std),
        offset=-mean / std,
        augmentation=Augmentation(augment="resized-crop", crop_from="file"),
        shuffle=True,
        workers=WORKERS,
    )
    # Nonconsecutive epochs, so that nothing is made in advance.
    epochs = iter(range(0, 2**20, 2))

    def turn() -> float:
        batches.begin(next(epochs))
        made = (batches[index] for index in range(len(batches)))
        seconds = _seconds(len(paths), made)
        batches.rest()  # workers must not run during the other's turn
        return seconds

    return turn


def _theirs(place: Path, batch_size: int) -> Callable[[], float]:
    import torch
    from torchvision import datasets, transforms

    changes = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    batches = torch.utils.data.DataLoader(
        datasets.ImageFolder(str(place), changes),
        batch_size=batch_size,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        generator=torch.Generator().manual_seed(0),
    )
    count = len(batches.dataset)  # type: ignore[arg-type]

    def turn() -> float:
        with independent():  # the processes of the first turn stay
            made = iter(batches)
        return _seconds(count, made)

    return turn


def _seconds(images: int, batches: Any) -> float:
    began = time.perf_counter()
    found = sum(len(labels) for _, labels in batches)
    seconds = time.perf_counter() - began
    assert found == images
    return seconds


def load_average() -> tuple[float, ...]:
    return os.getloadavg() if hasattr(os, "getloadavg") else ()
