"""Facts about the datasets known by name, without heavy imports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset, before resizing.

    Attributes:
        title: name in prose.
        train, test: number of images in each split.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
        classes: number of classes.
        source: origin of the images.
        download_mb: size of the download in megabytes (10^6 bytes); 0 for data that is
            part of an installed package.
    """

    title: str
    train: int
    test: int
    image_size: int
    channels: int
    classes: int
    source: str
    download_mb: int


DATASETS = {
    "digits": DatasetSpec("Digits", 1437, 360, 8, 1, 10, "scikit-learn", 0),
    "mnist": DatasetSpec("MNIST", 60000, 10000, 28, 1, 10, "TFDS", 12),
    "fashion_mnist": DatasetSpec("Fashion-MNIST", 60000, 10000, 28, 1, 10, "TFDS", 31),
    "kmnist": DatasetSpec("Kuzushiji-MNIST", 60000, 10000, 28, 1, 10, "TFDS", 21),
    "cifar10": DatasetSpec("CIFAR-10", 50000, 10000, 32, 3, 10, "TFDS", 170),
    "cifar100": DatasetSpec("CIFAR-100", 50000, 10000, 32, 3, 100, "TFDS", 169),
}

# TFDS's other image-classification datasets of grey images.
GREY = (
    "binary_alpha_digits",
    "curated_breast_imaging_ddsm",
    "dsprites",
    "emnist",
    "mnist_corrupted",
    "pneumonia_mnist",
    "quickdraw_bitmap",
    "smallnorb",
)
