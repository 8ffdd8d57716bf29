"""Labelled image files, from a folder of classes or a manifest, as arrays."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kerasnets.catalog.image_files import SPLITS, ImageFiles
from kerasnets.catalog.image_headers import read_bytes
from kerasnets.catalog.places import place_name
from kerasnets.compute.threads import allowed_cores
from kerasnets.datasets.dataset import (
    Dataset,
    Fingerprint,
    Images,
    Split,
    fingerprint,
    statistics,
)
from kerasnets.datasets.images import empty_images
from kerasnets.datasets.sources.reported import in_order, reported
from kerasnets.datasets.streamed_images import (
    Form,
    StreamedImages,
    empty_levels,
    levels_of,
    states,
)
from kerasnets.errors import DatasetError, option, shown

_NAMED = 10  # maximum number of files listed in a message


def key(files: ImageFiles, form: Form) -> str:
    """Key of the decoded cache; it depends on the files' states and on `form`, but not
    on their names, so that a manifest of a folder's files shares the folder's cache;
    see `named`."""
    digest = hashlib.sha256(f"2 {form} {files.class_names}".encode(errors="replace"))
    for path, label, split in zip(files.paths, files.labels, files.splits, strict=True):
        digest.update(os.fsencode(path.absolute()) + b"\0")
        digest.update(f"{label} {split} {_state(path)}".encode())
    return f"files-{digest.hexdigest()[:24]}"


def _state(path: Path) -> tuple[int, ...]:
    try:
        state = path.stat()
    except OSError:
        return ()
    return (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


def read(files: ImageFiles, form: Form, *, stream: bool = False) -> Dataset:
    """Decode and resize every image.

    Training and validation images are rows of the train split, the latter listed in
    `held_out`. The test split is empty if there is none. An image repeated in several
    splits is kept in the first of test, validation and train that has it.

    Args:
        stream: decode images on demand instead of keeping them; the dataset is the same
            otherwise.

    Raises:
        DatasetError: files cannot be read (the message counts them all) and are not to
            be skipped; the same image is in two classes; or a class has no images left.
    """
    count, size, channels = len(files.paths), form.image_size, form.channels
    # The pixels of each image or, if streamed, its histograms.
    kept_of = (
        empty_levels(count, size, channels)
        if stream
        else empty_images(count, size, channels)
    )
    states_before = states(files.paths) if stream else np.zeros((0, 2), np.int64)
    labels = np.array(files.labels, np.int64)
    splits = np.array([SPLITS.index(split) for split in files.splits])
    digests: list[bytes] = []
    unreadable: dict[int, str] = {}
    several = 0
    print_ = _Print(files.class_names, labels, splits, (size, size, channels))
    for row, found in enumerate(_decoded(files, form, range(count), stream)):
        digests.append(found.sha256)
        several += found.frames
        if found.pixels is None:
            unreadable[row] = found.obstacle
            continue
        kept_of[row] = found.pixels if found.levels is None else found.levels
        if stream:
            print_.add(row, found.pixels)
    if unreadable and form.on_corrupt == "stop":
        raise DatasetError(_cannot_be_read(files, unreadable))
    groups = _numbered(np.array(digests))
    readable = np.ones(len(labels), bool)
    readable[list(unreadable)] = False
    _check_labels(files, labels, groups, readable)
    kept = _without_repeated(splits, groups, readable)
    _check_classes(files, labels, splits, kept)
    # Training and validation rows come first, as files are sorted by split.
    rows = kept.nonzero()[0]
    for to, row in enumerate(rows.tolist()):
        if to != row:
            kept_of[to] = kept_of[row]
    labels, splits, groups = labels[rows], splits[rows], groups[rows]
    if stream and len(rows) < count:  # the fingerprint excludes omitted images
        print_ = _Print(files.class_names, labels, splits, (size, size, channels))
        for place, found in enumerate(_decoded(files, form, rows.tolist(), stream)):
            if found.pixels is None:
                why = {int(rows[place]): found.obstacle}
                raise DatasetError(_cannot_be_read(files, why))
            print_.add(place, found.pixels)

    def images(begin: int, end: int) -> Images:
        if not stream:
            return kept_of[begin:end]
        chosen = rows[begin:end]
        paths = [os.fspath(files.paths[row].absolute()) for row in chosen.tolist()]
        return StreamedImages(paths, states_before[chosen], form, kept_of[begin:end])

    first_tested = int((splits != _TEST).sum())
    train = Split(images(0, first_tested), labels[:first_tested])
    test = Split(images(first_tested, len(rows)), labels[first_tested:])
    held_out = (splits[:first_tested] == _VALIDATION).nonzero()[0]
    learned = (splits[:first_tested] == _TRAIN).nonzero()[0]
    groups = _numbered(groups[:first_tested])
    repeated = int(readable.sum()) - len(rows)
    mean, std = statistics(train.images, learned if len(held_out) else None)
    return Dataset(
        name=place_name(str(files.place)),
        train=train,
        test=test,
        class_names=files.class_names,
        mean=mean,
        std=std,
        fingerprint=(
            print_.hexdigest()
            if stream
            else fingerprint(files.class_names, train, test)
        ),
        note=_note(files, several, len(unreadable), repeated),
        held_out=held_out if len(held_out) else None,
        groups=groups if int(groups.max(initial=-1)) + 1 < len(groups) else None,
        files={
            "place": shown(files.place.absolute()),
            "count": len(rows),
            "ignored": files.ignored,
            "unreadable": len(unreadable),
            "repeated": repeated,
            "sha256": _sha256(files, digests),
        },
        contents=b"".join(digests),
    )


def named(dataset: Dataset, files: ImageFiles) -> Dataset:
    """A dataset from the cache under the names of `files`, which may be others than
    those of the same files when they were decoded."""
    assert dataset.files is not None
    assert dataset.contents is not None
    before, contents = dataset.files, dataset.contents
    digests = [contents[at : at + 32] for at in range(0, len(contents), 32)]
    count = len(files.paths)
    rest = dataset.note.removeprefix(_counted(count, before["ignored"]))
    return dataclasses.replace(
        dataset,
        name=place_name(str(files.place)),
        note=_counted(count, files.ignored) + rest,
        files={
            **before,
            "place": shown(files.place.absolute()),
            "ignored": files.ignored,
            "sha256": _sha256(files, digests),
        },
    )


class _Print:
    """The fingerprint of images in order, those of the test split last.

    Args:
        labels, splits: of each image.
        shape: of an image.
    """

    def __init__(
        self,
        class_names: tuple[str, ...],
        labels: np.ndarray,
        splits: np.ndarray,
        shape: tuple[int, int, int],
    ) -> None:
        self._whole = Fingerprint(class_names)
        self._tested, self._shape = labels[splits == _TEST], shape
        self._first_tested = len(labels) - len(self._tested)
        self._in_test = False
        self._whole.begin_split(labels[: self._first_tested], shape)

    def add(self, row: int, image: np.ndarray) -> None:
        if row >= self._first_tested:
            self._begin_test()
        self._whole.add(image)

    def hexdigest(self) -> str:
        self._begin_test()
        return self._whole.hexdigest()

    def _begin_test(self) -> None:
        if not self._in_test:
            self._in_test = True
            self._whole.begin_split(self._tested, self._shape)


def _numbered(values: np.ndarray) -> np.ndarray:
    """A number for each distinct value, int64 [N]."""
    return np.unique(values, return_inverse=True)[1].reshape(-1)


_TRAIN, _VALIDATION, _TEST = map(SPLITS.index, ("train", "validation", "test"))


@dataclass(frozen=True)
class _Decoded:
    """A decoded file.

    Attributes:
        sha256: digest of its content.
        frames: whether it has more than one image.
        pixels: uint8 [H, W, C]; None if it cannot be read.
        levels: histograms [C, 256], if requested.
        obstacle: why it cannot be read, or "".
    """

    sha256: bytes
    frames: bool = False
    pixels: np.ndarray | None = None
    levels: np.ndarray | None = None
    obstacle: str = ""


def _decoded(
    files: ImageFiles, form: Form, rows: Sequence[int], levels: bool
) -> Iterator[_Decoded]:
    """Decode these files, in order."""
    # Pillow releases the GIL while decoding.
    with ThreadPoolExecutor(allowed_cores()) as pool:
        found = in_order(pool, partial(_decode, files, form, levels), rows)
        yield from reported(place_name(str(files.place)), len(rows), found)


def _decode(files: ImageFiles, form: Form, levels: bool, row: int) -> _Decoded:
    try:
        data = read_bytes(files.paths[row])
    except OSError as error:
        obstacle = error.strerror or "it cannot be read"
        return _Decoded(hashlib.sha256(b"%d" % row).digest(), obstacle=obstacle)
    sha256 = hashlib.sha256(data).digest()
    try:
        found = form.read(data)
        pixels = form.squared(found.image)
    except ValueError as error:
        return _Decoded(sha256, obstacle=str(error))
    return _Decoded(sha256, found.frames, pixels, levels_of(pixels) if levels else None)


def _cannot_be_read(files: ImageFiles, unreadable: dict[int, str]) -> str:
    lines = [
        f"{shown(files.names[row])} ({shown(why)})"
        for row, why in list(unreadable.items())[:_NAMED]
    ]
    more = len(unreadable) - _NAMED
    if more > 0:
        lines.append(f"and {more:,} more, which 'kerasnets inspect' lists")
    return (
        f"{len(unreadable):,} of {len(files.paths):,} images cannot be read: "
        f"{'; '.join(lines)}. Repair or remove them; training skips them with "
        f"{option('on_corrupt', 'skip')}."
    )


def _check_labels(
    files: ImageFiles, labels: np.ndarray, groups: np.ndarray, readable: np.ndarray
) -> None:
    """Refuse an image that is in two classes, as one of the labels is wrong."""
    rows = readable.nonzero()[0]
    order = rows[np.lexsort((labels[rows], groups[rows]))]
    same = groups[order][1:] == groups[order][:-1]
    unlike = (same & (labels[order][1:] != labels[order][:-1])).nonzero()[0]
    if len(unlike):
        pairs = [
            " and ".join(
                f"{shown(files.names[row])} ({shown(files.class_names[labels[row]])})"
                for row in order[place : place + 2]
            )
            for place in unlike[:_NAMED]
        ]
        more = len(unlike) - _NAMED
        raise DatasetError(
            f"the same image is in two classes: {'; '.join(pairs)}"
            + (f"; and {more:,} more" if more > 0 else "")
            + ". Remove it from one of them."
        )


def _without_repeated(
    splits: np.ndarray, groups: np.ndarray, readable: np.ndarray
) -> np.ndarray:
    """A mask, bool [N], of the files to keep."""
    tested = groups[readable & (splits == _TEST)]
    kept = readable & ((splits == _TEST) | ~np.isin(groups, tested))
    validated = groups[kept & (splits == _VALIDATION)]
    return kept & ((splits != _TRAIN) | ~np.isin(groups, validated))


def _check_classes(
    files: ImageFiles, labels: np.ndarray, splits: np.ndarray, kept: np.ndarray
) -> None:
    for split, name in enumerate(SPLITS):
        if name == "validation" or not files.has(name):
            continue
        left = np.bincount(
            labels[kept & (splits == split)], minlength=len(files.class_names)
        )
        if not left.all():
            empty = shown(files.class_names[int(left.argmin())])
            raise DatasetError(
                f"{shown(files.place)} has no {name} image of {empty} that can be "
                "read and is in no other split."
            )


def _note(files: ImageFiles, several: int, unreadable: int, repeated: int) -> str:
    notes = [_counted(len(files.paths), files.ignored)]
    for count, one, many in (
        (
            several,
            "with several images, of which the first is taken",
            "with several images each, of which the first is taken",
        ),
        (unreadable, "unreadable one left out", "unreadable ones left out"),
        (
            repeated,
            "left out as it is in another split too",
            "left out as they are in another split too",
        ),
    ):
        if count:
            notes.append(f"{count:,} {one if count == 1 else many}")
    return ", ".join(notes)


def _counted(images: int, ignored: int) -> str:
    """The beginning of a note."""
    others = (
        f", {ignored:,} other file{'s' * (ignored != 1)} ignored" if ignored else ""
    )
    return f"{images:,} image files{others}"


def _sha256(files: ImageFiles, digests: list[bytes]) -> str:
    """Digest of names, classes, splits and content."""
    whole = hashlib.sha256()
    for name, label, split, digest in zip(
        files.names, files.labels, files.splits, digests, strict=True
    ):
        words = (name, files.class_names[label], split)
        whole.update(b"\0".join(os.fsencode(word) for word in words) + b"\0" + digest)
    return whole.hexdigest()
