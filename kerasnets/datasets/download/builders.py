"""TFDS builders for MNIST and CIFAR that work without TensorFlow.

TFDS's own builders read archives and encode images through TensorFlow. These keep the
names, versions, features, URLs and checksums, but read the archives with Python and
pass on images encoded as PNG.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.image_classification import cifar, mnist

from kerasnets.datasets.download import archives


@dataclass(frozen=True)
class Mirror:
    """An alternative location of the archives.

    Attributes:
        url: folder with the archives under their published names.
        checksums: archive name -> (bytes, SHA-256).
    """

    url: str
    checksums: Mapping[str, tuple[int, str]]


_MNIST_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_BASES = {
    "mnist": mnist.MNIST,
    "fashion_mnist": mnist.FashionMNIST,
    "kmnist": mnist.KMNIST,
    "cifar10": cifar.Cifar10,
    "cifar100": cifar.Cifar100,
}
NAMES = tuple(_BASES)


def builder(name: str, data_dir: Path, mirror: Mirror | None = None) -> Any:
    """A TFDS builder for one of `NAMES` that writes array_record files."""
    base: Any = _BASES[name]
    maker = _mnist_class if issubclass(base, mnist.MNIST) else _cifar_class
    made = maker(base, mirror)
    made.name = name
    if mirror:
        made.url_infos = {
            urljoin(mirror.url, file): tfds.download.checksums.UrlInfo(
                size=tfds.core.utils.Size(size), checksum=digest, filename=file
            )
            for file, (size, digest) in mirror.checksums.items()
        }
    return made(data_dir=data_dir, file_format="array_record")


def urls(prepared_by: Any) -> list[str]:
    """The URLs that a builder of this module downloads."""
    return list(prepared_by.archive_urls())


def _mnist_class(base: Any, mirror: Mirror | None) -> Any:
    folder = mirror.url if mirror else base.URL

    class Builder(base, skip_registration=True):  # type: ignore[call-arg]
        def archive_urls(self) -> Iterator[str]:
            for files in _MNIST_FILES.values():
                yield from (urljoin(folder, file) for file in files)

        def _split_generators(self, dl_manager):
            urls = list(self.archive_urls())
            paths = dict(zip(urls, dl_manager.download(urls), strict=True))
            return {
                split: self._generate_examples(
                    *(paths[urljoin(folder, file)] for file in files)
                )
                for split, files in _MNIST_FILES.items()
            }

        def _generate_examples(self, images, labels):
            for index, (image, label) in enumerate(archives.read_idx(images, labels)):
                yield index, {"image": _png(image), "label": label}

    return Builder


def _cifar_class(base: Any, mirror: Mirror | None) -> Any:
    class Builder(base, skip_registration=True):  # type: ignore[call-arg]
        def archive_urls(self) -> Iterator[str]:
            official = self._cifar_info.url
            file = official.rpartition("/")[2]
            yield urljoin(mirror.url, file) if mirror else official

        def _split_generators(self, dl_manager):
            info = self._cifar_info
            (url,) = self.archive_urls()
            archive = dl_manager.download(url)
            for key, member in zip(info.label_keys, info.label_files, strict=True):
                names = archives.read_names(archive, info.prefix + member)
                self.info.features[key].names = names
            return {
                "train": self._generate_examples("train_", archive, info.train_files),
                "test": self._generate_examples("test_", archive, info.test_files),
            }

        def _generate_examples(self, prefix, archive, files):
            info = self._cifar_info
            members = [info.prefix + file for file in files]
            keys = info.label_keys
            records = archives.read_cifar(archive, members, len(keys))
            for index, (image, labels) in enumerate(records):
                yield (
                    index,
                    {
                        "id": f"{prefix}{index:05d}",
                        "image": _png(image),
                        **dict(zip(keys, labels, strict=True)),
                    },
                )

    return Builder


def _png(image: np.ndarray) -> bytes:
    """uint8 [H, W, 1 or 3] as a PNG file."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
