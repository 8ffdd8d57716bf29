"""Preparing from small archives in the published formats, over a local server."""

import subprocess
import sys
import time
from importlib.util import find_spec

import archives_server as published
import numpy as np
import pytest

from kerasnets import datasets
from kerasnets.catalog import locations
from kerasnets.datasets.download import builders
from kerasnets.datasets.download.prepare import prepare
from kerasnets.errors import DatasetError

FASHION = ("T-shirt/top", "Trouser", "Pullover")
ARCHIVES = {
    "mnist": (published.mnist_archives, ("0", "1", "2")),
    "fashion_mnist": (published.mnist_archives, FASHION),
    "kmnist": (published.mnist_archives, ("o", "ki", "su")),
    "cifar10": (published.cifar10_archives, tuple(published.CIFAR10_NAMES[:3])),
    "cifar100": (published.cifar100_archives, tuple(published.FINE_NAMES[:3])),
}
IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def serve():
    servers = []

    def start(files):
        servers.append(published.Server(files))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def mnist(serve):
    return serve(published.mnist_archives())


def as_set(images, labels):
    # TFDS shuffles as it writes.
    pairs = zip(images, labels, strict=True)
    return {(image.tobytes(), int(label)) for image, label in pairs}


@pytest.mark.parametrize("name", ARCHIVES)
def test_prepared_data_is_what_was_published(serve, tmp_path, name):
    make, names = ARCHIVES[name]
    folder = prepare(name, data_dir=tmp_path, mirror=serve(make()).mirror())
    assert folder.parent == tmp_path / name
    size, channels = (32, 3) if name.startswith("cifar") else (28, 1)
    dataset = datasets.load(name, image_size=size, data_dir=tmp_path)
    assert dataset.class_names[:3] == names
    assert dataset.note == ""
    shape = (28, 28) if channels == 1 else (32, 32, 3)
    for split, count in ((dataset.train, 30), (dataset.test, 20)):
        labels = published.labels(count, len(dataset.class_names))
        pixels = published.pixels(count, *shape)
        assert as_set(split.images, split.labels) == as_set(pixels, labels)


def test_tfds_itself_reads_what_was_prepared(serve, tmp_path):
    import tensorflow_datasets as tfds

    server = serve(published.cifar100_archives())
    folder = prepare("cifar100", data_dir=tmp_path, mirror=server.mirror())
    official = tfds.builder("cifar100", data_dir=tmp_path, file_format="array_record")
    assert official.info.features["coarse_label"].names == published.COARSE_NAMES
    for builder in (official, tfds.builder_from_directory(folder)):
        rows = list(builder.as_data_source("test"))
        images, labels = published.pixels(20, 32, 32, 3), published.labels(20, 100)
        assert as_set(
            [row["image"] for row in rows], [row["label"] for row in rows]
        ) == as_set(images, labels)
        assert sorted(row["id"] for row in rows) == [
            f"test_{index:05d}".encode() for index in range(20)
        ]


def test_a_prepared_dataset_is_not_downloaded_again(mnist, tmp_path):
    first = prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror())
    asked = len(mnist.requests)
    assert prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror()) == first
    assert len(mnist.requests) == asked


def check_failure(data, mirror, *words):
    """Preparing fails with one line that has these words, and leaves nothing that
    looks prepared or is unfinished."""
    with pytest.raises(DatasetError) as caught:
        prepare("mnist", data_dir=data, mirror=mirror)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert locations.prepared_folder("mnist", data) is None
    left = [path.name for path in data.rglob("*")]
    assert not [name for name in left if "incomplete" in name or ".tmp." in name]


def test_a_wrong_checksum_is_refused(mnist, tmp_path):
    mirror = mnist.mirror(**{IMAGES: b"other"})
    check_failure(tmp_path, mirror, mnist.url + IMAGES, "checksum", "tries again")


def test_a_server_that_dies_midway_then_a_retry(mnist, tmp_path):
    mnist.stop_after = 100
    check_failure(tmp_path, mnist.mirror(), mnist.url.rstrip("/"), "broke off")
    assert mnist.requests[-1] == IMAGES  # nothing else was, or is, under way
    mnist.stop_after = None
    folder = prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror())
    assert locations.prepared_folder("mnist", tmp_path) == folder


def test_a_server_that_stalls_midway_then_a_retry(mnist, tmp_path, monkeypatch):
    module = sys.modules[prepare.__module__]
    monkeypatch.setattr(module, "_TIMEOUT_S", (4, 0.5))
    mnist.stop_after, mnist.stalls = 100, True
    began = time.monotonic()
    check_failure(tmp_path, mnist.mirror(), "stopped sending", "tries again")
    assert time.monotonic() - began < 60
    mnist.stop_after, mnist.stalls = None, False
    folder = prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror())
    assert locations.prepared_folder("mnist", tmp_path) == folder


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_server_that_refuses(mnist, tmp_path, status):
    mnist.status = status
    check_failure(tmp_path, mnist.mirror(), str(status), mnist.url, "TFDS_DATA_DIR")


def test_no_network(mnist, tmp_path):
    mirror = mnist.mirror()
    mnist.close()
    check_failure(
        tmp_path, mirror, mnist.url, "cannot be reached", "kerasnets prepare mnist"
    )


@pytest.mark.parametrize(
    "images", [b"\x00\x00\x08\x03", published.idx(published.pixels(4, 28, 28))[:-9]]
)
def test_archives_of_another_format_are_refused(serve, tmp_path, images):
    server = serve({**published.mnist_archives(), IMAGES: images})
    check_failure(tmp_path, server.mirror(), server.url.rstrip("/"))


def test_images_and_labels_must_fit(serve, tmp_path):
    few = published.idx(published.pixels(4, 28, 28))
    server = serve({**published.mnist_archives(), IMAGES: few})
    check_failure(tmp_path, server.mirror(), "4 images, but 30 labels")


def test_what_a_killed_process_left_is_removed(mnist, tmp_path):
    unfinished = tmp_path / "mnist" / "incomplete.ABCDEF_3.0.1"
    download = tmp_path / "downloads" / "mnist" / "archive.tmp.0123"
    for folder in (unfinished, download):
        folder.mkdir(parents=True)
        (folder / "half").write_bytes(b"half")
    assert locations.prepared_folder("mnist", tmp_path) is None
    prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror())
    assert not unfinished.exists()
    assert not download.exists()


def test_a_killed_preparation_is_never_read_as_whole(mnist, tmp_path):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from kerasnets.datasets.download import archives\n"
        "from kerasnets.datasets.download.builders import Mirror\n"
        "from kerasnets.datasets.download.prepare import prepare\n"
        "def read(*paths):\n"
        "    yield from list(whole(*paths))[:5]\n"
        "    os._exit(9)\n"
        "whole, archives.read_idx = archives.read_idx, read\n"
        f"prepare('mnist', data_dir=Path({str(tmp_path)!r}), mirror={mnist.mirror()!r})"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert locations.prepared_folder("mnist", tmp_path) is None
    folder = prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror())
    names = [path.name for path in folder.parent.iterdir()]
    assert names == [folder.name]


def test_two_processes_take_turns(mnist, tmp_path):
    code = (
        "from pathlib import Path\n"
        "from kerasnets.datasets.download.builders import Mirror\n"
        "from kerasnets.datasets.download.prepare import prepare\n"
        f"prepare('mnist', data_dir=Path({str(tmp_path)!r}), mirror={mnist.mirror()!r})"
    )
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    # Both look whether each archive is there, at most; one downloads it.
    assert 2 <= mnist.requests.count(IMAGES) <= 3
    assert len(datasets.load("mnist", data_dir=tmp_path).train) == 30


def test_nothing_but_the_result_goes_to_standard_output(mnist, tmp_path, capsys):
    prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror())
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "mnist" in said.err


def test_unknown_names(tmp_path):
    why = "TFDS cannot make it: " if find_spec("tensorflow") else "has prepared in"
    with pytest.raises(DatasetError, match=f"Did you mean 'cifar10'.*{why}"):
        prepare("cifar_10", data_dir=tmp_path)
    with pytest.raises(DatasetError, match="digits comes with"):
        prepare("digits", data_dir=tmp_path)


def test_a_data_folder_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DatasetError, match=r"cannot be written.*TFDS_DATA_DIR"):
        prepare("mnist", data_dir=file)


def test_the_addresses_are_those_that_tfds_has_checksums_of(tmp_path):
    import tensorflow_datasets as tfds

    for name in builders.NAMES:
        urls = builders.urls(builders.builder(name, tmp_path))
        assert set(urls) == set(tfds.builder_cls(name).url_infos)


def test_the_builder_makes_no_second_class_of_its_name():
    # Registering it would shadow TFDS's own.
    import tensorflow_datasets as tfds

    assert tfds.builder_cls("mnist").__module__.startswith("tensorflow_datasets")


def test_statistics_of_the_written_images(mnist, tmp_path):
    prepare("mnist", data_dir=tmp_path, mirror=mnist.mirror())
    dataset = datasets.load("mnist", image_size=28, data_dir=tmp_path)
    unit = published.pixels(30, 28, 28) / 255
    np.testing.assert_allclose(dataset.mean, [unit.mean()])
    np.testing.assert_allclose(dataset.std, [unit.std()])
