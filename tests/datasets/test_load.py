"""Reading prepared datasets and the digits, whole and damaged."""

import os
import subprocess
import sys
from pathlib import Path

import made_dataset as made
import numpy as np
import pytest
from PIL import Image

from kerasnets import datasets
from kerasnets.errors import DatasetError

# Read before a fixture hides it from the tests.
REAL = Path(os.environ.get("TFDS_DATA_DIR", "/nowhere"))
TRAIN, TEST = made.grey(12), made.grey(4)


@pytest.fixture
def folder(tmp_path):
    splits = {"train": made.examples(TRAIN), "test": made.examples(TEST)}
    return made.write(tmp_path, splits)


def images_of(split) -> set[bytes]:
    # TFDS shuffles as it writes.
    return {image.tobytes() for image in split.images}


def test_a_prepared_dataset(folder, tmp_path):
    dataset = datasets.load("made", image_size=8, data_dir=tmp_path)
    assert dataset.name == "made"
    assert dataset.class_names == ("even", "odd")
    assert dataset.train.images.shape == (12, 8, 8, 1)
    assert (dataset.train.images.dtype, dataset.train.labels.dtype) == (
        np.uint8,
        np.int64,
    )
    assert images_of(dataset.train) == {image.tobytes() for image in TRAIN}
    assert images_of(dataset.test) == {image.tobytes() for image in TEST}
    rows = {image.tobytes(): index % 2 for index, image in enumerate(TRAIN)}
    for image, label in zip(dataset.train.images, dataset.train.labels, strict=True):
        assert label == rows[image.tobytes()]
    unit = np.stack(TRAIN) / 255
    np.testing.assert_allclose(
        [dataset.mean, dataset.std], [[unit.mean()], [unit.std()]]
    )
    assert dataset.note == ""


def test_the_older_file_format_reads_the_same(folder, tmp_path):
    before = datasets.load("made", image_size=8, data_dir=tmp_path)
    made.as_tfrecord(folder)
    after = datasets.load("made", image_size=8, data_dir=tmp_path)
    assert after.fingerprint == before.fingerprint


def test_resizing_is_pillows_bilinear(folder, tmp_path):
    dataset = datasets.load("made", image_size=5, data_dir=tmp_path)
    bilinear = Image.Resampling.BILINEAR
    expected = {
        np.asarray(Image.fromarray(image).resize((5, 5), bilinear)).tobytes()
        for image in TRAIN
    }
    assert images_of(dataset.train) == expected


def test_grey_images_are_repeated_for_three_channels(folder, tmp_path):
    one = datasets.load("made", data_dir=tmp_path)
    three = datasets.load("made", channels=3, data_dir=tmp_path)
    np.testing.assert_array_equal(
        three.train.images, np.repeat(one.train.images, 3, axis=-1)
    )
    assert three.fingerprint != one.fingerprint


def write_color(tmp_path, form="PNG", sizes=((6, 9), (12, 5)), **named):
    import tensorflow_datasets as tfds

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    splits = {split: made.examples(images, form) for split in ("train", "validation")}
    features = {
        "image": tfds.features.Image(),
        "label": tfds.features.ClassLabel(num_classes=2),
    }
    made.write(tmp_path, splits, features=features, **named)
    return images


def test_color_images_of_many_sizes_and_a_validation_split(tmp_path):
    write_color(tmp_path)
    dataset = datasets.load("made", image_size=7, data_dir=tmp_path)
    assert dataset.test.images.shape == (2, 7, 7, 3)
    assert dataset.class_names == ("0", "1")
    grey = datasets.load("made", image_size=7, channels=1, data_dir=tmp_path)
    assert grey.train.images.shape == (2, 7, 7, 1)


def test_color_becomes_grey_by_luminance(tmp_path):
    images = write_color(tmp_path, sizes=((6, 6), (6, 6)))
    grey = datasets.load("made", image_size=6, channels=1, data_dir=tmp_path)
    expected = {
        np.asarray(Image.fromarray(image).convert("L")).tobytes() for image in images
    }
    assert images_of(grey.train) == expected


def test_images_that_lost_their_original_pixels_are_noted(tmp_path):
    write_color(tmp_path, form="JPEG", name="cifar10")
    write_color(tmp_path, form="JPEG", name="photographs")
    assert "JPEG" in datasets.load("cifar10", data_dir=tmp_path).note
    # JPEG is how photographs come.
    assert datasets.load("photographs", data_dir=tmp_path).note == ""


def test_configurations_are_named_with_a_slash(tmp_path):
    splits = {"train": made.examples(TRAIN), "test": made.examples(TEST)}
    made.write(tmp_path, splits, config="small")
    assert len(datasets.load("made/small", data_dir=tmp_path).train) == 12
    with pytest.raises(DatasetError, match="Did you mean 'made/small'"):
        datasets.load("made", data_dir=tmp_path)


def test_the_label_is_found_without_supervised_keys(tmp_path):
    splits = {"train": made.examples(TRAIN), "test": made.examples(TEST)}
    made.write(tmp_path, splits, keys=None)
    assert len(datasets.load("made", data_dir=tmp_path).train) == 12


def shard(folder: Path) -> Path:
    (path,) = folder.glob("made-train.*")
    return path


def truncate(folder):
    os.truncate(shard(folder), shard(folder).stat().st_size // 2 - 1)


def overwrite(folder):
    with shard(folder).open("r+b") as file:
        file.seek(80)
        file.write(b"\xff" * 500)


def claim(count):
    def change(folder):
        splits = [
            {
                "name": name,
                "shardLengths": [str(length)],
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
            for name, length in (("train", count), ("test", 4))
        ]
        made.edit_info(folder, splits=splits)

    return change


def truncated_tfrecord(folder):
    made.as_tfrecord(folder)
    truncate(folder)


DAMAGE = {
    "truncated": (truncate, "made-train.*is damaged"),
    "truncated tfrecord": (truncated_tfrecord, "made-train.*truncated"),
    "overwritten": (overwrite, "made-train.*is damaged"),
    "empty": (lambda folder: shard(folder).write_bytes(b""), "made-train.*is damaged"),
    "missing": (lambda folder: shard(folder).unlink(), "made-train.*is missing"),
    "more than claimed": (claim(11), "has 12 of 11 images"),
    "fewer than claimed": (claim(13), "has 12 of 13 images"),
    "no JSON": (
        lambda folder: (folder / "dataset_info.json").write_text("{"),
        "dataset_info.json",
    ),
    "another JSON": (
        lambda folder: (folder / "dataset_info.json").write_text("[]"),
        "dataset_info.json",
    ),
    "no features": (
        lambda folder: (folder / "features.json").unlink(),
        "features.json",
    ),
    "unknown format": (
        lambda folder: made.edit_info(folder, fileFormat="riegeli"),
        "stored as riegeli",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_data_is_named_and_not_cached(folder, tmp_path, user_cache, kind):
    damage, message = DAMAGE[kind]
    damage(folder)
    with pytest.raises(DatasetError, match=message) as caught:
        datasets.load("made", data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob(".kerasnets/*"))
    assert not user_cache.exists()


def test_an_image_that_is_none(tmp_path):
    broken = made.examples(TRAIN)
    broken[3]["image"] = broken[3]["image"][:40]
    made.write(tmp_path, {"train": broken, "test": made.examples(TEST)})
    with pytest.raises(DatasetError, match="of the train split of made cannot be"):
        datasets.load("made", data_dir=tmp_path)


def test_datasets_that_are_no_image_classification(tmp_path):
    import tensorflow_datasets as tfds

    text = {"text": tfds.features.Text(), "label": tfds.features.Scalar(np.int64)}
    rows = {"train": [{"text": "one", "label": 1}] * 2}
    made.write(tmp_path, rows, name="text", features=text, keys=("text", "label"))
    with pytest.raises(DatasetError, match="text is not an image-classification"):
        datasets.load("text", data_dir=tmp_path)


@pytest.mark.parametrize(
    "name",
    ["", "../made", "*", "made/", "a b", "x" * 300, "a\0b", "made/1.0.0"],
)
def test_names_that_are_no_dataset(folder, tmp_path, name):
    with pytest.raises(DatasetError, match="unknown dataset"):
        datasets.load(name, data_dir=tmp_path)


@pytest.mark.parametrize("place", ["/etc", "/nowhere"])
def test_places_without_images(place):
    with pytest.raises(DatasetError, match=f"{place} (has no subfolders|is not there)"):
        datasets.load(place)


@pytest.mark.parametrize("named", [{"image_size": 0}, {"channels": 2}])
def test_impossible_sizes(named):
    with pytest.raises(DatasetError, match=f"{next(iter(named))} must be"):
        datasets.load("digits", **named)


def test_digits():
    dataset = datasets.load("digits", image_size=8)
    assert (len(dataset.train), len(dataset.test)) == (1437, 360)
    assert dataset.train.images.shape[1:] == (8, 8, 1)
    assert dataset.train.images.max() == 255
    share = (
        np.bincount(dataset.train.labels) / 1437
        - np.bincount(dataset.test.labels) / 360
    )
    assert np.abs(share).max() < 0.005
    # The same split and pixels on every machine.
    assert dataset.fingerprint == datasets.load("digits", image_size=8).fingerprint
    assert datasets.load("digits").train.images.shape[1:] == (32, 32, 1)


def test_loading_imports_neither_keras_nor_tensorflow(folder, tmp_path):
    code = (
        "import sys; from pathlib import Path; from kerasnets import Recipe, datasets\n"
        f"dataset = datasets.load('made', data_dir=Path({str(tmp_path)!r}))\n"
        "recipe = Recipe.for_paper('resnet18', 'made', validation=0.25, batch_size=2)\n"
        "assert len(datasets.partition(dataset, recipe).train)\n"
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )

    def loaded():
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return set(result.stdout.split())

    assert not {"keras", "torch", "tensorflow"} & loaded()
    # Once decoded, the arrays alone are enough.
    assert not {"tensorflow_datasets", "sklearn", "array_record"} & loaded()


@pytest.mark.skipif(
    not (REAL / "mnist").is_dir(),
    reason="TFDS_DATA_DIR has no prepared mnist",
)
def test_the_real_mnist():
    dataset = datasets.load("mnist", image_size=28, data_dir=REAL)
    assert (len(dataset.train), len(dataset.test)) == (60000, 10000)
    assert round(float(dataset.mean[0]), 4) == 0.1307
    assert round(float(dataset.std[0]), 4) == 0.3081
    # The share of the digit 1 that the paper's collapsed network scores.
    assert (dataset.test.labels == 1).sum() == 1135
