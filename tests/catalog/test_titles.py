import pytest

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.titles import dataset_title, measured_name, network_title
from kerasnets.text import file_size


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


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.0 kB"),
        (949, "0.9 kB"),
        (9_960, "10 kB"),
        (312_400_000, "312 MB"),
        (999_499_999, "999 MB"),
        (999_600_000, "1.0 GB"),
        (1_230_000_000_000, "1,230 GB"),
    ],
)
def test_file_sizes(size, text):
    assert file_size(size) == text


@pytest.mark.parametrize(
    ("name", "dataset", "measured"),
    [
        ("mnist-vgg19-original", "mnist", "mnist-vgg19-original"),
        ("mnist-vgg19-original", "digits", "mnist-vgg19-original (Digits)"),
        ("a/cifar10-densenet121", "mnist", "a/cifar10-densenet121 (MNIST)"),
        ("cifar10-x", "cifar100", "cifar10-x (CIFAR-100)"),
        ("cifar100-x", "cifar100", "cifar100-x"),
        ("fashion_mnist-x", "fashion_mnist", "fashion_mnist-x"),
        ("mine", "digits", "mine"),
    ],
)
def test_a_name_that_begins_with_another_dataset_says_what_was_measured(
    name, dataset, measured
):
    assert measured_name(name, dataset) == measured
