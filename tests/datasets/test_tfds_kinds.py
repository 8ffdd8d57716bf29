"""Prepared TFDS datasets of every kind: other splits, labels, formats, pixel types."""

import json
import sys

import made_dataset as made
import numpy as np
import pytest

from kerasnets import datasets
from kerasnets.catalog.locations import declared_channels
from kerasnets.errors import DatasetError, InstallationError
from kerasnets.recipe import Recipe


def rows(count: int, label=lambda index: index % 2) -> list[dict]:
    """Examples that differ from each other and from those of any other count."""
    return [
        {**example, "label": label(index)}
        for index, example in enumerate(made.examples(made.grey(count)))
    ]


def unlabelled(count: int) -> list[dict]:
    return rows(count, lambda index: -1)


def pixels(subset) -> set[bytes]:
    return {subset.split.images[row].tobytes() for row in subset.indices}


def recipe(**named) -> Recipe:
    return Recipe.for_paper("resnet18", "made", image_size=8, **named)


def test_a_train_split_alone_gives_its_tenth_to_be_tested_on(tmp_path):
    made.write(tmp_path, {"train": rows(60)})
    dataset = datasets.load_for(recipe(), tmp_path)
    parts = datasets.partition(dataset, recipe())
    assert (len(parts.test), len(parts.train), len(parts.validation)) == (6, 49, 5)
    assert np.bincount(parts.test.labels).tolist() == [3, 3]
    three = [pixels(part) for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, three)) == len(set.union(*three)) == 60
    assert "6 of its 60 training images" in dataset.note and "seed 0" in dataset.note


def test_the_share_that_is_tested_on_and_the_seed(tmp_path):
    made.write(tmp_path, {"train": rows(60)})

    def tested(**named) -> set[bytes]:
        wanted = recipe(**named)
        dataset = datasets.load_for(wanted, tmp_path)
        return pixels(datasets.partition(dataset, wanted).test)

    assert len(tested(test_fraction=0.25)) == 15
    assert tested() == tested()
    assert tested() != tested(seed=1)
    # What is tested on is the same whatever else is asked for.
    assert tested() == tested(limit=20, validation=0.3) == tested(validation="test")


def test_pixels_that_are_tested_on_do_not_decide_the_normalization(tmp_path):
    made.write(tmp_path, {"train": rows(60)})
    dataset = datasets.load_for(recipe(test_fraction=0.5), tmp_path)
    rest = np.setdiff1d(np.arange(60), dataset.drawn)
    unit = dataset.train.images[rest] / 255
    np.testing.assert_allclose(
        [dataset.mean[0], dataset.std[0]], [unit.mean(), unit.std()]
    )


def test_the_labels_of_rows_are_those_of_the_images(tmp_path):
    made.write(tmp_path, {"train": rows(60)})
    wanted = {image.tobytes(): index % 2 for index, image in enumerate(made.grey(60))}
    dataset = datasets.load_for(recipe(), tmp_path)
    test = datasets.partition(dataset, recipe()).test
    for row, label in zip(test.indices, test.labels, strict=True):
        assert wanted[dataset.test.images[row].tobytes()] == label


@pytest.mark.parametrize("fraction", [0.001, 0.99])
def test_impossible_shares(tmp_path, fraction):
    made.write(tmp_path, {"train": rows(60)})
    with pytest.raises(DatasetError, match="has no test split, and a test fraction"):
        datasets.load_for(recipe(test_fraction=fraction), tmp_path)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1, float("nan")])
def test_shares_that_are_none(fraction):
    with pytest.raises(DatasetError, match="test_fraction must be between"):
        datasets.load("digits", test_fraction=fraction)


def test_a_share_is_refused_where_there_is_a_test_split(tmp_path):
    made.write(tmp_path, {"train": rows(60), "test": rows(8)})
    for name, data in (("made", tmp_path), ("digits", None)):
        with pytest.raises(DatasetError, match="has a test split of its own"):
            datasets.load(name, image_size=8, data_dir=data, test_fraction=0.2)


def test_a_test_split_without_labels_gives_way_to_validation(tmp_path):
    made.write(
        tmp_path, {"train": rows(12), "test": unlabelled(8), "validation": rows(6)}
    )
    dataset = datasets.load("made", image_size=8, data_dir=tmp_path)
    assert len(dataset.test) == 6 and dataset.test.labels.min() == 0
    assert dataset.note == (
        "its split test has no labels: the split validation is tested on"
    )
    again = datasets.load("made", image_size=8, data_dir=tmp_path)
    assert (again.note, again.fingerprint) == (dataset.note, dataset.fingerprint)


def test_splits_without_labels_or_images_give_way_to_a_draw(tmp_path):
    folder = made.write(tmp_path, {"train": rows(60), "test": unlabelled(8)})
    info = json.loads((folder / "dataset_info.json").read_text())
    made.edit_info(folder, splits=[*info["splits"], {"name": "validation"}])
    dataset = datasets.load("made", image_size=8, data_dir=tmp_path)
    assert len(dataset.drawn) == 6
    assert "its split test has no labels; 6 of its 60" in dataset.note


@pytest.mark.parametrize("split", ["train", "test"])
def test_some_images_without_a_label_are_refused(tmp_path, split):
    splits = {"train": rows(12), "test": rows(6)}
    splits[split][3]["label"] = -1
    made.write(tmp_path, splits)
    with pytest.raises(DatasetError, match="labels outside its 2 classes"):
        datasets.load("made", data_dir=tmp_path)


def test_without_anything_to_train_on(tmp_path):
    made.write(tmp_path, {"test": rows(6)})
    with pytest.raises(DatasetError, match="has the splits test; 'train' is needed"):
        datasets.load("made", data_dir=tmp_path)


def sixteen_bits(count: int) -> list[dict]:
    shades = np.random.default_rng(count).integers(0, 65536, (count, 8, 8), np.uint16)
    return made.examples(list(shades))


def test_sixteen_bit_images(tmp_path):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(8, 8, 1), dtype=np.uint16),
        "label": tfds.features.ClassLabel(num_classes=2),
    }
    splits = {"train": sixteen_bits(12), "test": sixteen_bits(6)}
    made.write(tmp_path, splits, features=features)
    images = datasets.load("made", image_size=8, data_dir=tmp_path).train.images
    assert images.max() > 240 and images.min() < 15 and 100 < images.mean() < 155


def test_a_second_image_is_no_matter(tmp_path):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(8, 8, 1)),
        "mask": tfds.features.Image(shape=(8, 8, 3)),
        "label": tfds.features.ClassLabel(num_classes=2),
    }
    splits = {
        name: [{**row, "mask": row["image"]} for row in rows(count)]
        for name, count in (("train", 12), ("test", 6))
    }
    made.write(tmp_path, splits, features=features)
    dataset = datasets.load("made", image_size=8, data_dir=tmp_path)
    assert dataset.train.images.shape == (12, 8, 8, 1)
    assert declared_channels("made", tmp_path) == 1


@pytest.mark.parametrize("form", ["parquet", "bagz"])
def test_other_file_formats_read_the_same(tmp_path, form):
    if form == "bagz":
        pytest.importorskip("bagz")
    data = tmp_path / "@2,*"  # which Bagz would take for several files
    folder = made.write(data, {"train": rows(12), "test": rows(6)})
    before = datasets.load("made", image_size=8, data_dir=data)
    made.as_format(folder, form)
    after = datasets.load("made", image_size=8, data_dir=data)
    assert after.fingerprint == before.fingerprint
    next(folder.glob("made-train*")).write_bytes(b"nothing of the kind")
    with pytest.raises(DatasetError, match=r"made-train.*is damaged") as caught:
        datasets.load("made", image_size=9, data_dir=data)
    assert "\n" not in str(caught.value)
    next(folder.glob("made-train*")).unlink()
    with pytest.raises(DatasetError, match=r"made-train.*is missing"):
        datasets.load("made", image_size=9, data_dir=data)


def test_a_format_whose_reader_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bagz", None)
    folder = made.write(tmp_path, {"train": rows(12), "test": rows(6)})
    for old in folder.glob("*.array_record-*"):
        old.rename(old.with_name(old.name.replace("array_record", "bagz")))
    made.edit_info(folder, fileFormat="bagz")
    with pytest.raises(InstallationError, match=r"cannot import bagz: .*install bagz"):
        datasets.load("made", data_dir=tmp_path)


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (3, 3)])
def test_channels_are_known_before_the_images_are_read(tmp_path, channels, expected):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(None, None, channels)),
        "label": tfds.features.ClassLabel(num_classes=2),
    }
    made.write(tmp_path, {"train": rows(6)}, features=features, config="small")
    assert declared_channels("made/small", tmp_path) == expected
    assert declared_channels("made", tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"featuresDict": 3}', "null"])
def test_channels_are_not_known_of_damaged_data(tmp_path, text):
    folder = made.write(tmp_path, {"train": rows(6)})
    (folder / "features.json").write_text(text)
    assert declared_channels("made", tmp_path) is None
