"""Datasets by name, as arrays of one image size."""

from pathlib import Path

from kerasnets.datasets.dataset import Dataset, Split, Subset
from kerasnets.datasets.splits import Partition, partition

__all__ = ["Dataset", "Partition", "Split", "Subset", "load", "partition"]


def load(
    name: str,
    *,
    image_size: int = 32,
    channels: int | None = None,
    data_dir: Path | None = None,
) -> Dataset:
    """A dataset, resized: decoded once, mapped into memory from then on.

    The five that TFDS must download are prepared first, where they are not yet.

    Args:
        name: "digits", or the name of a TFDS image-classification dataset.
        image_size: height and width in pixels.
        channels: 1 or 3; None for the dataset's own.
        data_dir: where prepared datasets are; TFDS_DATA_DIR unless given.

    Raises:
        DatasetError: it is unknown, damaged, or cannot be prepared.
    """
    if name == "digits":
        from kerasnets.datasets.digits import load_digits

        return load_digits(image_size, channels)
    from kerasnets.datasets import cache, folders, tfds_source
    from kerasnets.datasets.prepare import prepare

    data = folders.data_folder(data_dir)
    folder = folders.prepared_folder(name, data) or prepare(name, data_dir=data)
    return cache.cached(
        folders.cache_folders(data),
        tfds_source.key(folder, image_size, channels),
        lambda: tfds_source.read(name, folder, image_size, channels),
    )
