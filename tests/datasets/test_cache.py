"""The decoded cache: whole or absent, rebuilt when damaged or outdated."""

import json
import logging
import os
import subprocess
import sys

import made_dataset as made
import numpy as np
import pytest

from kerasnets import datasets
from kerasnets.datasets.sources import tfds
from kerasnets.errors import DatasetError

TRAIN, TEST = made.grey(12), made.grey(4)


@pytest.fixture
def data(tmp_path):
    """A data folder with one prepared dataset."""
    folder = tmp_path / "data"
    splits = {"train": made.examples(TRAIN), "test": made.examples(TEST)}
    made.write(folder, splits)
    return folder


@pytest.fixture
def decodings(monkeypatch):
    """Grows with every dataset that is decoded."""
    names = []
    read = tfds.read

    def counted(name, *rest):
        names.append(name)
        return read(name, *rest)

    monkeypatch.setattr(tfds, "read", counted)
    return names


def load(data, **named):
    return datasets.load("made", data_dir=data, **named)


def only_cache(parent):
    (folder,) = parent.iterdir()
    return folder


def test_images_are_decoded_once_and_mapped(data, decodings):
    first, second = load(data), load(data)
    assert decodings == ["made"]
    assert isinstance(second.train.images, np.memmap)
    assert not second.train.images.flags.writeable
    assert second.fingerprint == first.fingerprint
    assert second.class_names == first.class_names
    np.testing.assert_array_equal(second.mean, first.mean)
    np.testing.assert_array_equal(second.std, first.std)
    assert only_cache(data / ".kerasnets").name.startswith("made-1.0.0-")


def test_each_size_and_number_of_channels_has_its_own(data, decodings):
    for named in ({}, {"image_size": 4}, {"channels": 3}):
        load(data, **named)
        load(data, **named)
    assert len(decodings) == 3


def test_other_prepared_files_make_another(data, decodings):
    load(data)
    made.edit_info(data / "made" / "1.0.0", description="prepared again")
    load(data)
    assert len(decodings) == 2


def cut(folder):
    os.truncate(folder / "train_images.npy", 1000)


def remove_images(folder):
    (folder / "test_images.npy").unlink()


def spoil_meta(folder):
    (folder / "meta.json").write_text('{"name": "ma')


def empty_meta(folder):
    (folder / "meta.json").write_text("{}")


def remove_meta(folder):
    (folder / "meta.json").unlink()


def spoil_header(folder):
    with (folder / "train_labels.npy").open("r+b") as file:
        file.write(b"xxxxxx")


def flip_image(folder):
    flip(folder / "train_images.npy", -1)


def flip_label(folder):
    flip(folder / "test_labels.npy", -8)


def flip_mean(folder):
    path = folder / "meta.json"
    flip(path, path.read_text().index("mean") + 10)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def make_of_earlier_version(folder):
    path = folder / "meta.json"
    meta = json.loads(path.read_text())
    del meta["sha256"]
    path.write_text(json.dumps(meta))


def replace_by_list(folder):
    (folder / "meta.json").write_text("[]")


@pytest.mark.parametrize(
    "damage",
    [
        *(cut, remove_images, spoil_meta, empty_meta, remove_meta, spoil_header),
        *(flip_image, flip_label, flip_mean, make_of_earlier_version, replace_by_list),
    ],
)
def test_a_damaged_cache_is_made_anew_with_a_warning(data, decodings, caplog, damage):
    images = np.array(load(data).train.images)
    damage(only_cache(data / ".kerasnets"))
    with caplog.at_level(logging.WARNING):
        after = load(data)
    assert len(caplog.records) == 1
    assert "damaged" in caplog.text
    np.testing.assert_array_equal(after.train.images, images)
    load(data)
    assert len(decodings) == 2


def test_a_read_only_data_folder_uses_the_users_cache(data, user_cache, decodings):
    data.chmod(0o555)
    try:
        load(data)
        load(data)
    finally:
        data.chmod(0o755)
    assert decodings == ["made"]
    assert only_cache(user_cache).name.startswith("made-")
    assert not (data / ".kerasnets").exists()


def test_no_folder_to_write_to(data, decodings, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("KERASNETS_CACHE", str(file / "cache"))
    (data / ".kerasnets").write_text("")
    with pytest.raises(DatasetError, match=r"cannot be written.*KERASNETS_CACHE"):
        load(data)
    assert decodings == []  # which may take minutes


@pytest.mark.parametrize(
    "error",
    # The second is what NumPy says of an array that it writes past Python.
    [OSError(28, "No space left on device"), OSError("9 requested and 3 written")],
)
def test_a_full_disk_leaves_nothing(data, user_cache, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(np, "save", full)
    says = "No space left on device|9 requested and 3 written"
    with pytest.raises(DatasetError, match=says):
        load(data)
    assert list((data / ".kerasnets").iterdir()) == []
    assert list(user_cache.iterdir()) == []


def test_what_killed_processes_left_is_removed_once_it_is_old(data):
    caches = data / ".kerasnets"
    old, new = caches / ".tmp-old", caches / ".tmp-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "train_images.npy").write_bytes(b"half")
    os.utime(old, (0, 0))
    load(data)
    assert not old.exists()
    assert new.exists()


def test_processes_that_decode_at_once(data):
    code = (
        "from pathlib import Path; from kerasnets import datasets\n"
        f"print(datasets.load('made', data_dir=Path({str(data)!r})).fingerprint)"
    )
    several = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = {process.communicate()[0] for process in several}
    assert said == {load(data).fingerprint + "\n"}
    folder = only_cache(data / ".kerasnets")
    assert json.loads((folder / "meta.json").read_text())["name"] == "made"
