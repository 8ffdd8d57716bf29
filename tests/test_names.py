import pytest

from kerasnets.datasets.specs import DATASETS
from kerasnets.names import dataset_title, network_title
from kerasnets.networks.specs import NETWORKS


@pytest.mark.parametrize(
    ("name", "batch_norm", "title"),
    [
        ("vgg19", True, "VGG-19 BN"),
        ("vgg19", False, "VGG-19"),
        ("vgg19", None, "VGG-19"),
        ("resnet34", True, "ResNet-34"),
        ("resnet34", False, "ResNet-34 no BN"),
        ("densenet121", None, "DenseNet-121"),
        ("something_else", None, "something_else"),
    ],
)
def test_network_titles(name, batch_norm, title):
    assert network_title(name, batch_norm=batch_norm) == title


def test_titles_tell_the_networks_apart():
    titles = {network_title(name, bn) for name in NETWORKS for bn in (True, False)}
    assert len(titles) == 2 * len(NETWORKS)


def test_dataset_titles():
    assert dataset_title("cifar10") == "CIFAR-10"
    assert dataset_title("colorectal_histology") == "colorectal_histology"
    assert len({dataset_title(name) for name in DATASETS}) == len(DATASETS)
