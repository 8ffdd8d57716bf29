"""Networks, datasets and durations as people write them in tables and figures."""

import re

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.places import is_place, place_name
from kerasnets.errors import shown

FAMILIES = {"vgg": "VGG", "resnet": "ResNet", "densenet": "DenseNet"}


def network_title(name: str, batch_norm: bool | None = None) -> str:
    """ "vgg19" -> "VGG-19", or "VGG-19 BN" with batch normalization.

    "BN" and "no BN" are said only where they differ from the original network: a VGG
    has no batch normalization of its own, a ResNet or DenseNet has. `batch_norm`
    None means the original. A name that is no network's is returned as it is.
    """
    spec = NETWORKS.get(name)
    if spec is None:
        return name
    title = f"{FAMILIES[spec.family]}-{spec.depth}"
    if batch_norm is None or batch_norm == spec.batch_norm:
        return title
    return f"{title} BN" if batch_norm else f"{title} no BN"


def dataset_title(name: str) -> str:
    """ "cifar10" -> "CIFAR-10"; the name itself for other TFDS datasets, and for own
    images that of the folder or manifest."""
    spec = DATASETS.get(name)
    if spec:
        return spec.title
    return shown(place_name(name)) if is_place(name) else name


def measured_name(name: str, dataset: str) -> str:
    """The name of a row or a run, followed by the dataset where it begins with the name
    of another: a study may train the paper's rows on other images.

    "mnist-vgg19-original" on the digits -> "mnist-vgg19-original (Digits)".
    """
    for other in DATASETS:
        if re.match(rf"(.*/)?{other}\b", name) and other != dataset:
            return f"{name} ({dataset_title(dataset)})"
    return name
