"""Duplicate images: identical pixels, or near duplicates by a perceptual hash.

The hash is pHash: whether each of the 64 lowest frequencies of the grey thumbnail's
discrete cosine transform exceeds their median. It changes little when an image is
resized or recompressed. Line drawings such as digits have similar hashes even if their
pixels differ, so pairs are confirmed by the difference of their thumbnails relative to
the contrast.

The package ImageHash computes the same bits from the same thumbnail, one image at a
time, and needs PyWavelets (9.4 MB) for another hash; SciPy transforms a thousand
thumbnails at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.fft import dctn

SIDE = 32  # pixels of a thumbnail
_LOW = 8  # frequencies per direction
_BITS = 4  # maximum number of differing bits of near duplicates
# Maximum difference of near duplicates' thumbnails (root mean square), as a share of
# their contrast (standard deviation). MNIST has 149 such pairs; with 0.3, 28,831.
_DIFFERENCE = 0.15
_FLAT = 16.0  # of 255: minimum contrast assumed
_BANDS = _BITS + 1  # at least one of them has no differing bit
_ROWS = 1000  # pairs compared at a time
MOST = 1_000_000  # near pairs at which the search ends (frames of a film, for example)
RECORDED = 10_000  # near pairs in the JSON


@dataclass(frozen=True)
class Member:
    """One of several duplicate images."""

    name: str
    split: str
    label: int


Group = tuple[Member, ...]


@dataclass(frozen=True)
class Duplicates:
    """Groups of duplicate images.

    Attributes:
        exact: groups of at least two images with identical pixels.
        near: pairs that look alike but are not identical; the first image of an exact
            group represents the group.
    """

    exact: tuple[Group, ...]
    near: tuple[Group, ...]

    @property
    def across_classes(self) -> list[Group]:
        """Exact groups with more than one label."""
        return [group for group in self.exact if _labels(group) > 1]

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of groups by kind: all, across splits, across classes."""
        return {
            kind: {
                "all": len(groups),
                "across_splits": sum(_splits(group) > 1 for group in groups),
                "across_classes": sum(_labels(group) > 1 for group in groups),
            }
            for kind, groups in (("exact", self.exact), ("near", self.near))
        }

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        return {
            "counts": self.counts(),
            **{
                kind: [
                    [
                        {
                            "name": one.name,
                            "split": one.split,
                            "class": class_names[one.label],
                        }
                        for one in group
                    ]
                    for group in groups
                ]
                for kind, groups in (
                    ("exact", self.exact),
                    ("near", self.near[:RECORDED]),
                )
            },
        }


def _labels(group: Group) -> int:
    return len({one.label for one in group})


def _splits(group: Group) -> int:
    return len({one.split for one in group})


def find(
    *,
    names: Sequence[str],
    splits: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    pixels: Sequence[bytes],
    thumbnails: np.ndarray,
) -> Duplicates:
    """Find duplicate images.

    Args:
        names, splits, labels: of each image.
        pixels: a digest of each image's pixels.
        thumbnails: uint8 [N, SIDE, SIDE, 3].
    """

    def member(row: int) -> Member:
        return Member(names[row], splits[row], int(labels[row]))

    groups: dict[bytes, list[int]] = {}
    for row, digest in enumerate(pixels):
        groups.setdefault(digest, []).append(row)
    first = np.array([rows[0] for rows in groups.values()], np.int64)
    exact = [rows for rows in groups.values() if len(rows) > 1]
    near = _near(first, thumbnails)
    return Duplicates(
        exact=tuple(tuple(map(member, rows)) for rows in exact),
        near=tuple((member(a), member(b)) for a, b in near),
    )


def _near(rows: np.ndarray, thumbnails: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of `rows` that look alike, sorted; at most `MOST`."""
    if len(rows) < 2:
        return []
    hashes = perceptual_hashes(thumbnails[rows])
    found: set[tuple[int, int]] = set()
    for a, b in _candidates(hashes):
        close = np.bitwise_xor(hashes[a], hashes[b])
        few = np.unpackbits(close.view(np.uint8).reshape(-1, 8), axis=1).sum(1) <= _BITS
        a, b = rows[a[few]], rows[b[few]]
        for part in np.split(np.arange(len(a)), range(_ROWS, len(a), _ROWS)):
            first, second = (
                thumbnails[one[part]]
                .reshape(len(part), SIDE * SIDE * 3)
                .astype(np.float32)
                for one in (a, b)
            )
            apart = np.sqrt(np.square(first - second).mean(axis=1))
            contrast = np.minimum(first.std(axis=1), second.std(axis=1))
            alike = part[apart <= _DIFFERENCE * np.maximum(contrast, _FLAT)]
            found.update(zip(a[alike].tolist(), b[alike].tolist(), strict=True))
            if len(found) >= MOST:
                return sorted(found)[:MOST]
    return sorted(found)


def _candidates(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs that agree in a band of bits: two arrays of indices, smaller one first."""
    edges = np.linspace(0, 64, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        band = (hashes >> np.uint64(low)) & mask
        order = np.argsort(band, kind="stable")
        band = band[order]
        # Compare entries 1, 2, ... positions apart in this order, until no two agree.
        for apart in range(1, len(order)):
            (places,) = np.nonzero(band[apart:] == band[:-apart])
            if not len(places):
                break
            yield order[places], order[places + apart]


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """uint64 [N], of uint8 [N, SIDE, SIDE, 3]."""
    parts = np.split(thumbnails, range(_ROWS, len(thumbnails), _ROWS))
    return np.concatenate([_hashes(part) for part in parts])


def _hashes(thumbnails: np.ndarray) -> np.ndarray:
    # As Pillow converts to mode "L".
    grey = thumbnails @ np.array([19595, 38470, 7471]) + 2**15 >> 16
    low = dctn(grey, axes=(1, 2))[:, :_LOW, :_LOW].reshape(len(grey), -1)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64).reshape(-1)
