"""Duplicate images: identical pixels, or near duplicates by a perceptual hash.

The hash is pHash: whether each of the 64 lowest frequencies of the grey thumbnail's
discrete cosine transform exceeds their median. It changes little when an image is
resized or recompressed. Line drawings such as digits have similar hashes even if their
pixels differ, so pairs are confirmed by the difference of their thumbnails: it must be
small, or so much smaller than between other images of the dataset that chance does not
explain it. How far apart unrelated images are depends on the dataset: CIFAR-10's copies
of one photograph differ more than neighbouring digits 1 of MNIST.

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
# A difference of thumbnails is their root mean square difference as a share of the
# smaller contrast (standard deviation). Near duplicates differ at most this much, ...
_DIFFERENCE = 0.15
_FLAT = 16.0  # of 255: minimum contrast assumed
# ... or so little that at most this many unrelated images are expected to be as near.
_CHANCE = 0.1
_SAMPLE = 500  # images that stand for all unrelated ones
_FEWEST = 40  # images from which chance is estimated
_NEAREST = 5  # the distance to this neighbour in the sample sets an image's scale
_NEIGHBOURS = 20  # in the sample, from which the dimension is estimated
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
    surroundings = _Surroundings(thumbnails, rows)
    found: set[tuple[int, int]] = set()
    for a, b in _candidates(hashes):
        close = np.bitwise_xor(hashes[a], hashes[b])
        few = np.unpackbits(close.view(np.uint8).reshape(-1, 8), axis=1).sum(1) <= _BITS
        a, b = a[few], b[few]
        for part in np.split(np.arange(len(a)), range(_ROWS, len(a), _ROWS)):
            alike = part[surroundings.alike(a[part], b[part])]
            pairs = zip(rows[a[alike]].tolist(), rows[b[alike]].tolist(), strict=True)
            found.update(pairs)
            if len(found) >= MOST:
                return sorted(found)[:MOST]
    return sorted(found)


class _Surroundings:
    """How far each image is from unrelated ones.

    The number of unrelated images within a distance grows with a power of it, the
    dimension of the dataset. A sample gives both: the distances to the nearest images,
    and how fast their number grows (Levina and Bickel, 2004).

    Args:
        thumbnails: uint8 [all, SIDE, SIDE, 3].
        rows: int64 [N], the images concerned, whose positions the methods take.
    """

    def __init__(self, thumbnails: np.ndarray, rows: np.ndarray) -> None:
        self._thumbnails, self._rows = thumbnails, rows
        parts = np.split(np.arange(len(rows)), range(_ROWS, len(rows), _ROWS))
        deviations = [self._pixels(part).std(axis=1) for part in parts]
        self._contrast = np.maximum(np.concatenate(deviations), _FLAT)
        self.limits = np.full(len(rows), _DIFFERENCE, np.float32)
        if len(rows) < _FEWEST:
            return
        size = min(_SAMPLE, len(rows))
        sample = np.random.default_rng(0).choice(len(rows), size, replace=False)
        pixels = self._pixels(sample)
        near = np.concatenate([self._nearest(part, sample, pixels) for part in parts])
        # The inverse of the dimension. An image's own is uncertain, so it counts where
        # it allows less.
        growth = np.log(near[:, -1:] / near[:, :-1]).mean(axis=1)
        growth = np.maximum(growth, np.median(growth))
        # This many images are within the distance to the neighbour.
        expected = _NEAREST * len(rows) / size
        by_chance = near[:, _NEAREST - 1] * (_CHANCE / expected) ** growth
        self.limits = np.maximum(self.limits, by_chance)

    def _pixels(self, positions: np.ndarray) -> np.ndarray:
        """float32 [images, values]."""
        chosen = self._thumbnails[self._rows[positions]]
        return chosen.reshape(len(positions), SIDE * SIDE * 3).astype(np.float32)

    def _nearest(
        self, positions: np.ndarray, sample: np.ndarray, pixels: np.ndarray
    ) -> np.ndarray:
        """Differences from the nearest images of the sample, ascending [images, k]."""
        own = self._pixels(positions)
        squares = np.square(own).sum(axis=1)[:, None] + np.square(pixels).sum(axis=1)
        apart = np.sqrt(np.maximum(squares - 2 * own @ pixels.T, 0) / own.shape[1])
        contrast = np.minimum.outer(self._contrast[positions], self._contrast[sample])
        apart = np.maximum(apart / contrast, 1e-3)
        apart[positions[:, None] == sample] = np.inf
        return np.sort(np.partition(apart, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS])

    def alike(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Whether each pair of positions is near enough: bool [pairs]."""
        apart = np.sqrt(np.square(self._pixels(a) - self._pixels(b)).mean(axis=1))
        apart /= np.minimum(self._contrast[a], self._contrast[b])
        return apart <= np.minimum(self.limits[a], self.limits[b])


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
