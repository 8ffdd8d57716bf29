"""Prepared TFDS datasets as arrays; the only file that reads through TFDS.

Reading array_record files needs no TensorFlow.
"""

import hashlib
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasnets.datasets.dataset import Dataset, Split, fingerprint, statistics
from kerasnets.datasets.images import as_array
from kerasnets.datasets.specs import DATASETS
from kerasnets.errors import DatasetError

_CHUNK = 1000
_TEST_SPLITS = ("test", "validation")
_RE_ENCODED = "the images were re-encoded as JPEG and are not the original pixels"


def key(folder: Path, image_size: int, channels: int | None) -> str:
    """Name of the decoded cache: changes when the prepared files do."""
    digest = hashlib.sha256(f"1 {image_size} {channels}".encode())
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        state = path.stat()
        digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}".encode())
        if path.suffix in (".json", ".txt"):
            digest.update(path.read_bytes())
    return f"{folder.parent.name}-{folder.name}-{digest.hexdigest()[:16]}"


def read(name: str, folder: Path, image_size: int, channels: int | None) -> Dataset:
    """Decode and resize every image of a prepared dataset.

    Args:
        folder: the version folder, with dataset_info.json.
        channels: None for as many as the dataset declares.

    Raises:
        DatasetError: it is damaged, or is not an image-classification dataset.
    """
    _check_files(folder)
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder_from_directory(folder)
        image_key, label_key = builder.info.supervised_keys or ("image", "label")
        features = builder.info.features
        image, label = features[image_key], features[label_key]
    except Exception as error:  # TFDS raises many kinds for many kinds of damage
        raise DatasetError(f"{folder} cannot be read: {_first_line(error)}.") from error
    if not isinstance(image, tfds.features.Image) or not isinstance(
        label, tfds.features.ClassLabel
    ):
        raise DatasetError(f"{name} is not an image-classification dataset.")
    splits = builder.info.splits
    held_out = next((split for split in _TEST_SPLITS if split in splits), None)
    if "train" not in splits or held_out is None:
        raise DatasetError(
            f"{name} has the splits {', '.join(splits)}; 'train' and one of "
            f"{' or '.join(_TEST_SPLITS)} are needed."
        )
    channels = channels or (1 if image.shape[-1] == 1 else 3)
    formats: set[str] = set()

    def decoded(split: str) -> Split:
        examples = _examples(builder, split, image_key, label_key, folder)
        count = splits[split].num_examples
        return _decode(name, split, count, examples, image_size, channels, formats)

    train, test = decoded("train"), decoded(held_out)
    names = tuple(str(one) for one in label.names)
    mean, std = statistics(train.images)
    note = _RE_ENCODED if name in DATASETS and "JPEG" in formats else ""
    return Dataset(
        name, train, test, names, mean, std, fingerprint(names, train, test), note
    )


def _check_files(folder: Path) -> None:
    """TFDS checks neither that every shard is there nor that it is whole."""
    try:
        info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
        splits = {one["name"]: len(one["shardLengths"]) for one in info["splits"]}
        if info["fileFormat"] != "array_record":
            raise DatasetError(
                f"{folder} is in the format {info['fileFormat']}, which needs "
                "TensorFlow; prepare it as array_record."
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{folder / 'dataset_info.json'} is damaged.") from error
    for split, count in splits.items():
        found = len(list(folder.glob(f"*-{split}.array_record-*-of-{count:05d}")))
        if found != count:
            raise DatasetError(
                f"{folder} has {found} of the {count} files of its {split} split."
            )


def _examples(
    builder: Any, split: str, image_key: str, label_key: str, folder: Path
) -> Iterator[tuple[bytes, int]]:
    import tensorflow_datasets as tfds

    try:
        source = builder.as_data_source(
            split=split, decoders={image_key: tfds.decode.SkipDecoding()}
        )
        for begin in range(0, len(source), _CHUNK):
            rows = range(begin, min(begin + _CHUNK, len(source)))
            for example in source.__getitems__(list(rows)):
                yield example[image_key], int(example[label_key])
    except Exception as error:  # array_record raises bare RuntimeError and others
        raise DatasetError(
            f"the {split} split in {folder} is damaged: {_first_line(error)}."
        ) from error


def _decode(
    name: str,
    split: str,
    count: int,
    examples: Iterator[tuple[bytes, int]],
    image_size: int,
    channels: int,
    formats: set[str],
) -> Split:
    images = np.empty((count, image_size, image_size, channels), np.uint8)
    labels = np.empty(count, np.int64)
    done = 0
    for done, (data, label) in enumerate(_reported(name, split, count, examples), 1):
        try:
            with Image.open(io.BytesIO(data)) as image:
                formats.add(image.format or "")
                images[done - 1] = as_array(image, image_size, channels)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise DatasetError(
                f"image {done - 1} of the {split} split of {name} cannot be decoded: "
                f"{_first_line(error)}."
            ) from error
        labels[done - 1] = label
    if done != count:
        raise DatasetError(f"the {split} split of {name} has {done} of {count} images.")
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
