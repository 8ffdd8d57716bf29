"""The same image more than once: to the pixel, or nearly so by a perceptual hash.

The hash is pHash: the signs of an image's 64 lowest frequencies against their median,
from the discrete cosine transform of its grey thumbnail. It changes little when an
image is resized or compressed again. Drawings of a few strokes, such as digits, have
like hashes though their pixels differ: the thumbnails' difference decides, relative to
their contrast.

ImageHash computes the same bits from the same thumbnail, one image at a time, and needs
PyWavelets, 9.4 MB, for another hash; here a thousand thumbnails take one transform of
SciPy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.fft import dctn

SIDE = 32  # pixels of a thumbnail
_LOW = 8  # frequencies each way
_BITS = 4  # at most this many differ between near duplicates
# Of the contrast (standard deviation): most that near duplicates' thumbnails differ by
# (root mean square). In MNIST 149 pairs do; 28,831 do by 0.3.
_DIFFERENCE = 0.15
_FLAT = 16.0  # of 255: contrast that flatter images count as having
_BANDS = _BITS + 1  # one of which has no differing bit
_ROWS = 1000  # that are compared with others at once
MOST = 1_000_000  # near pairs, at which the search ends: of frames of one film, say
RECORDED = 10_000  # near pairs in the JSON


@dataclass(frozen=True)
class Member:
    """One of several like images."""

    name: str
    split: str
    label: int


Group = tuple[Member, ...]


@dataclass(frozen=True)
class Duplicates:
    """Groups of like images.

    Attributes:
        exact: groups with the same pixels, two images or more.
        near: pairs that look alike and are not in one such group; of these groups the
            first image stands for all.
    """

    exact: tuple[Group, ...]
    near: tuple[Group, ...]

    @property
    def across_classes(self) -> list[Group]:
        """Exact ones with two labels."""
        return [group for group in self.exact if _labels(group) > 1]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many groups there are, by kind and where they stand."""
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
    """Find like images.

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
    """Pairs of `rows` that look alike, sorted; `MOST` at most."""
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
    """Pairs that agree in a band of bits: two arrays of places, the smaller first."""
    edges = np.linspace(0, 64, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        band = (hashes >> np.uint64(low)) & mask
        order = np.argsort(band, kind="stable")
        band = band[order]
        # Neighbours in this order that are 1, 2, ... places apart, as far as any two
        # that far apart agree.
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
