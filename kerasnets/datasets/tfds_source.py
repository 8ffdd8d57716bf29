"""Prepared TFDS datasets as arrays, read without TensorFlow."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.datasets.dataset import Dataset, Split, fingerprint, statistics
from kerasnets.datasets.folders import cache_name
from kerasnets.datasets.images import decode, empty_images
from kerasnets.datasets.records import READERS
from kerasnets.datasets.specs import DATASETS
from kerasnets.errors import DatasetError

_CHUNK = 1000
_TEST_SPLITS = ("test", "validation")
_RE_ENCODED = "the images were re-encoded as JPEG and are not the original pixels"


def key(name: str, folder: Path, image_size: int, channels: int | None) -> str:
    """Name of the decoded cache: changes when the prepared files do."""
    digest = hashlib.sha256(f"1 {image_size} {channels}".encode())
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        state = path.stat()
        digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}".encode())
        if path.suffix in (".json", ".txt"):
            digest.update(path.read_bytes())
    return cache_name(name, folder) + digest.hexdigest()[:16]


def read(name: str, folder: Path, image_size: int, channels: int | None) -> Dataset:
    """Decode and resize every image of a prepared dataset.

    Args:
        folder: the version folder, with dataset_info.json.
        channels: None for as many as the dataset declares.

    Raises:
        DatasetError: it is damaged, or is not an image-classification dataset.
    """
    info = _info(folder)
    image_key, label_key = _keys(name, info)
    image, label = info.features[image_key], info.features[label_key]
    test_name = next((split for split in _TEST_SPLITS if split in info.splits), None)
    if "train" not in info.splits or test_name is None:
        raise DatasetError(
            f"{name} has the splits {', '.join(info.splits) or '(none)'}; 'train' and "
            f"one of {' or '.join(_TEST_SPLITS)} are needed."
        )
    channels = channels or (1 if image.shape[-1] == 1 else 3)
    formats: set[str] = set()

    def decoded(split: str) -> Split:
        examples = _examples(info, split, image_key, label_key)
        count = info.splits[split].num_examples
        return _decode(name, split, count, examples, image_size, channels, formats)

    train, test = decoded("train"), decoded(test_name)
    names = tuple(str(one) for one in label.names)
    for split in (train, test):
        if not np.all((split.labels >= 0) & (split.labels < len(names))):
            raise DatasetError(
                f"{name} has images of none of its {len(names)} classes."
            )
    mean, std = statistics(train.images)
    note = _RE_ENCODED if name in DATASETS and "JPEG" in formats else ""
    return Dataset(
        name, train, test, names, mean, std, fingerprint(names, train, test), note
    )


def _info(folder: Path) -> Any:
    """TFDS's facts about a prepared dataset."""
    try:
        json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder / 'dataset_info.json'} is damaged.") from error
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(folder).info
    except Exception as error:  # TFDS raises many kinds for many kinds of damage
        raise DatasetError(
            f"dataset_info.json or features.json in {folder} is damaged: "
            f"{_first_line(error)}."
        ) from error


def _keys(name: str, info: Any) -> tuple[str, str]:
    """The features that hold the image and its class: those that TFDS calls input and
    target, or else the only ones of their kind."""
    from tensorflow_datasets.core.features import ClassLabel, FeaturesDict, Image

    features = info.features
    if isinstance(features, FeaturesDict):
        images, labels = (
            [key for key in features if isinstance(features[key], kind)]
            for kind in (Image, ClassLabel)
        )
        named = info.supervised_keys
        if not named and len(images) == len(labels) == 1:
            named = (images[0], labels[0])
        if named and len(named) == 2:
            image, label = named
            known = image in images and label in labels
            if known and features[image].np_dtype == np.uint8:
                return image, label
    raise DatasetError(
        f"{name} is not an image-classification dataset: one 8-bit image and one class "
        "label an example are needed."
    )


def _examples(
    info: Any, split: str, image_key: str, label_key: str
) -> Iterator[tuple[bytes, int]]:
    """Encoded images with their labels.

    TFDS's own readers need TensorFlow for the older of the two formats, and check
    neither that every file is there nor that it is whole.
    """
    import tensorflow_datasets as tfds

    stored = info.splits[split]
    file_format = info.file_format.value
    if file_format not in READERS:
        raise DatasetError(
            f"{info.full_name} is stored as {file_format}; {' and '.join(READERS)} can "
            "be read."
        )
    decoders = {image_key: tfds.decode.SkipDecoding()}
    shards = zip(stored.filepaths, stored.shard_lengths, strict=True)
    for path, length in shards:
        found = 0
        try:
            for record in READERS[file_format](Path(path)):
                example = info.features.deserialize_example_np(
                    record, decoders=decoders
                )
                found += 1
                if found <= length:
                    yield example[image_key], int(example[label_key])
        except Exception as error:  # bare RuntimeError and many others
            reason = "is missing" if not Path(path).exists() else "is damaged"
            raise DatasetError(f"{path} {reason}: {_first_line(error)}.") from error
        if found != length:
            raise DatasetError(f"{path} has {found:,} of {length:,} images.")


def _decode(
    name: str,
    split: str,
    count: int,
    examples: Iterator[tuple[bytes, int]],
    image_size: int,
    channels: int,
    formats: set[str],
) -> Split:
    images = empty_images(count, image_size, channels)
    labels = np.empty(count, np.int64)
    for row, (data, label) in enumerate(_reported(name, split, count, examples)):
        try:
            images[row], form = decode(data, image_size, channels)
        except ValueError as error:
            raise DatasetError(
                f"image {row} of the {split} split of {name} cannot be decoded: "
                f"{error}."
            ) from error
        formats.add(form)
        labels[row] = label
    return Split(images, labels)


def _reported(name: str, split: str, count: int, examples: Iterator) -> Iterator:
    """Pass examples on, showing progress on standard error after the first second."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=True)
    task = progress.add_task(f"decoding {name} {split}", total=count)
    began = time.perf_counter()
    said = False
    with progress:
        for done, example in enumerate(examples):
            if not said and time.perf_counter() - began > 1:
                said = True
                if console.is_terminal:
                    progress.disable = False
                    progress.start()
                else:
                    console.print(f"decoding {name} {split}: {count:,} images, once")
            if done % _CHUNK == 0:
                progress.update(task, completed=done)
            yield example


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
