"""Prepared TFDS datasets as arrays, read without TensorFlow."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.locations import cache_name
from kerasnets.datasets.dataset import Dataset, Split, fingerprint, statistics
from kerasnets.datasets.download.package import tfds
from kerasnets.datasets.images import decode, empty_images
from kerasnets.datasets.sources.reported import reported
from kerasnets.datasets.sources.tfds_records import READERS
from kerasnets.errors import DatasetError, first_line, raise_unless_data, shown

_TEST_SPLITS = ("test", "validation")
# A format that TFDS knows, declared instead of one that it does not.
_STAND_IN = "array_record"
_RE_ENCODED = "the images were re-encoded as JPEG and are not the original pixels"


@dataclass(frozen=True)
class Form:
    """How images become arrays; see `kerasnets.datasets.images.decode`.

    Attributes:
        channels: None for the number that the dataset declares.
    """

    image_size: int
    channels: int | None
    resize: str = "squash"
    background: str | None = None

    def __str__(self) -> str:
        """The part of a cache's key."""
        words: list[object] = [self.image_size, self.channels]
        if (self.resize, self.background) != ("squash", None):
            words += [self.resize, self.background]
        return " ".join(map(str, words))


def key(name: str, folder: Path, form: Form) -> str:
    """Key of the decoded cache; it depends on the prepared files and on `form`."""
    digest = hashlib.sha256(f"2 {form}".encode())
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        state = path.stat()
        digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}".encode())
        if path.suffix in (".json", ".txt"):
            digest.update(path.read_bytes())
    return cache_name(name, folder) + digest.hexdigest()[:16]


def read(name: str, folder: Path, form: Form) -> Dataset:
    """Decode and resize every image of a prepared dataset.

    The test split is the one named "test" or, if that is missing or has no labels, the
    one named "validation". Without either, it is empty.

    Args:
        folder: the version folder, with dataset_info.json.

    Raises:
        DatasetError: the dataset is damaged, or not for image classification.
        InstallationError: a package needed to read it cannot be imported.
    """
    stored = Stored.of(name, folder)
    if "train" not in stored.splits:
        raise DatasetError(
            f"{name} has the splits {', '.join(stored.splits) or '(none)'}; 'train' is "
            "needed."
        )
    candidates = [split for split in _TEST_SPLITS if split in stored.splits]
    unlabelled = []
    while candidates and all(label < 0 for _, label in stored.examples(candidates[0])):
        unlabelled.append(candidates.pop(0))
    test_name = candidates[0] if candidates else None
    form = replace(form, channels=form.channels or stored.channels)
    formats: set[str] = set()

    def decoded(split: str) -> Split:
        count, examples = stored.splits[split], stored.examples(split)
        return _decode(name, split, count, examples, form, formats)

    train = decoded("train")
    test = (
        decoded(test_name) if test_name else Split(train.images[:0], train.labels[:0])
    )
    names = stored.class_names
    for split in (train, test):
        if not np.all((split.labels >= 0) & (split.labels < len(names))):
            raise DatasetError(f"{name} has labels outside its {len(names)} classes.")
    notes = [_RE_ENCODED] if name in DATASETS and "JPEG" in formats else []
    if unlabelled:
        notes.append(
            f"its split {' and '.join(unlabelled)} has no labels"
            + (f": the split {test_name} is tested on" if test_name else "")
        )
    mean, std = statistics(train.images)
    return Dataset(
        name,
        train,
        test,
        names,
        mean,
        std,
        fingerprint(names, train, test),
        "; ".join(notes),
    )


@dataclass(frozen=True)
class Stored:
    """A prepared dataset's encoded images.

    Attributes:
        class_names: by class index.
        channels: the declared number, 1 or 3.
        splits: numbers of images of the splits that are not empty.
        examples: yields encoded images of a split with their labels; -1 for no label.
    """

    class_names: tuple[str, ...]
    channels: int
    splits: dict[str, int]
    examples: Callable[[str], Iterator[tuple[bytes, int]]]

    @classmethod
    def of(cls, name: str, folder: Path) -> "Stored":
        """Open a version folder.

        Raises:
            DatasetError, InstallationError: as `read`; `examples` raises them too.
        """
        info, file_format = _info(folder)
        image_key, label_key = _keys(name, info)
        image, label = info.features[image_key], info.features[label_key]
        counts = {split: info.splits[split].num_examples for split in info.splits}
        return cls(
            class_names=tuple(str(one) for one in label.names),
            channels=1 if image.shape[-1] in (1, 2) else 3,
            splits={split: count for split, count in counts.items() if count},
            examples=lambda split: _examples(
                info, folder, file_format, split, image_key, label_key
            ),
        )


def _info(folder: Path) -> tuple[Any, str]:
    """TFDS's info about a prepared dataset, and the file format of its examples."""
    path = folder / "dataset_info.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        file_format = record.get("fileFormat") or "tfrecord"
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing.") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged.") from error
    if file_format not in READERS:
        raise DatasetError(
            f"{folder} is stored as {shown(file_format)}; {', '.join(READERS)} can be "
            "read."
        )
    package = tfds()
    try:
        with _as_known(folder, record, file_format, package) as readable:
            return package.builder_from_directory(readable).info, file_format
    except Exception as error:  # TFDS raises many kinds for many kinds of damage
        raise_unless_data(error)
        raise DatasetError(
            f"dataset_info.json or features.json in {folder} is damaged: "
            f"{first_line(error)}."
        ) from error


@contextlib.contextmanager
def _as_known(
    folder: Path, record: dict[str, Any], file_format: str, package: Any
) -> Iterator[Path]:
    """A folder whose dataset info TFDS can read: the same one, or a copy that declares
    another format if TFDS does not know the files' own."""
    if file_format in {known.value for known in package.core.FileFormat}:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="kerasnets-") as copy:
        for file in (*folder.glob("*.json"), *folder.glob("*.txt")):
            shutil.copyfile(file, Path(copy, file.name))
        text = json.dumps({**record, "fileFormat": _STAND_IN})
        Path(copy, "dataset_info.json").write_text(text, encoding="utf-8")
        yield Path(copy)


def _keys(name: str, info: Any) -> tuple[str, str]:
    """The features of the image and its class: TFDS's supervised keys, or else the only
    ones of their kind."""
    kinds = tfds().features
    features = info.features
    if isinstance(features, kinds.FeaturesDict):
        images, labels = (
            [key for key in features if isinstance(features[key], kind)]
            for kind in (kinds.Image, kinds.ClassLabel)
        )
        named = info.supervised_keys
        if not (named and len(named) == 2) and len(images) == len(labels) == 1:
            named = (images[0], labels[0])
        if named and len(named) == 2:
            image, label = named
            known = image in images and label in labels
            if known and features[image].np_dtype in (np.uint8, np.uint16):
                return image, label
    raise DatasetError(
        f"{name} is not an image-classification dataset: each example needs one image "
        "of whole numbers and one class label."
    )


def _examples(
    info: Any,
    folder: Path,
    file_format: str,
    split: str,
    image_key: str,
    label_key: str,
) -> Iterator[tuple[bytes, int]]:
    """Yield encoded images with their labels.

    TFDS's own readers need TensorFlow for TFRecord files, and check neither that every
    file exists nor that it is complete.
    """
    package = tfds()
    skip = package.decode.SkipDecoding()
    decoders = {
        key: skip
        for key in info.features
        if isinstance(info.features[key], package.features.Image)
    }
    stored = info.splits[split]
    shards = zip(stored.filepaths, stored.shard_lengths, strict=True)
    known = info.file_format.value
    for listed, length in shards:
        path = folder / Path(listed).relative_to(info.data_dir)
        path = path.with_name(path.name.replace(f".{known}", f".{file_format}"))
        found = 0
        try:
            for record in READERS[file_format](path):
                example = info.features.deserialize_example_np(
                    record, decoders=decoders
                )
                found += 1
                if found <= length:
                    yield example[image_key], int(example[label_key])
        except Exception as error:  # bare RuntimeError and many others
            raise_unless_data(error)
            reason = "is missing"
            if path.exists():
                reason = "is damaged" if os.access(path, os.R_OK) else "is not readable"
            raise DatasetError(f"{path} {reason}: {first_line(error)}.") from error
        if found != length:
            raise DatasetError(f"{path} has {found:,} of {length:,} images.")


def _decode(
    name: str,
    split: str,
    count: int,
    examples: Iterator[tuple[bytes, int]],
    form: Form,
    formats: set[str],
) -> Split:
    assert form.channels
    images = empty_images(count, form.image_size, form.channels)
    labels = np.empty(count, np.int64)
    for row, (data, label) in enumerate(reported(f"{name} {split}", count, examples)):
        try:
            images[row], stored = decode(
                data,
                form.image_size,
                form.channels,
                resize=form.resize,
                background=form.background,
            )
        except ValueError as error:
            raise DatasetError(
                f"image {row} of the {split} split of {name} cannot be decoded: "
                f"{error}."
            ) from error
        formats.add(stored)
        labels[row] = label
    return Split(images, labels)
