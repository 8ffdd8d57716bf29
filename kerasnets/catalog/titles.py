"""Titles of networks and datasets for tables and figures."""

import re

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.places import is_place, place_name
from kerasnets.errors import shown

FAMILIES = {"vgg": "VGG", "resnet": "ResNet", "densenet": "DenseNet"}


def network_title(name: str, batch_norm: bool | None = None) -> str:
    """The title of a network: "vgg19" -> "VGG-19", or "VGG-19 BN" with batch norm.

    "BN" and "no BN" are added only if they differ from the original network: VGG has no
    batch norm, ResNet and DenseNet have. `batch_norm` None means the original. Unknown
    names are returned unchanged.
    """
    spec = NETWORKS.get(name)
    if spec is None:
        return name
    title = f"{FAMILIES[spec.family]}-{spec.depth}"
    if batch_norm is None or batch_norm == spec.batch_norm:
        return title
    return f"{title} BN" if batch_norm else f"{title} no BN"


def dataset_title(name: str) -> str:
    """The title of a dataset: "cifar10" -> "CIFAR-10"; the name itself for other TFDS
    datasets, and the name of the folder or manifest for own images."""
    spec = DATASETS.get(name)
    if spec:
        return spec.title
    return shown(place_name(name)) if is_place(name) else name


def measured_name(name: str, dataset: str) -> str:
    """The name of a row or run, followed by the dataset if it begins with the name of
    another one, as a study may train the paper's rows on other images.

    "mnist-vgg19-original" on the digits -> "mnist-vgg19-original (Digits)".
    """
    for other in DATASETS:
        if re.match(rf"(.*/)?{other}\b", name) and other != dataset:
            return f"{name} ({dataset_title(dataset)})"
    return name
