"""Images that are there more than once."""

import numpy as np
from PIL import Image

from kerasnets.datasets import duplicates
from kerasnets.datasets.duplicates import SIDE, find, perceptual_hashes
from kerasnets.datasets.images import as_array


def scene(seed: int) -> Image.Image:
    """Smooth blobs, as photographs have them."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((120, 90), Image.Resampling.BICUBIC)


def found_among(images, splits, labels):
    return find(
        names=[str(number) for number in range(len(images))],
        splits=splits,
        labels=labels,
        pixels=[image.tobytes() for image in images],
        thumbnails=np.stack([as_array(image, SIDE, 3) for image in images]),
    )


def names(groups):
    return [tuple(one.name for one in group) for group in groups]


def test_the_same_pixels_and_those_that_look_alike():
    first = scene(0)
    brighter = first.point(lambda value: min(255, value + 3))
    smaller = first.resize((60, 45))
    images = [first, scene(1), first, smaller, brighter, *map(scene, range(2, 40))]
    count = len(images)
    splits = ["train", "train", "test"] + ["train"] * (count - 3)
    labels = [0, 0, 0, 1] + [0] * (count - 4)
    found = found_among(images, splits, labels)
    assert names(found.exact) == [("0", "2")]
    assert set(names(found.near)) == {("0", "3"), ("0", "4"), ("3", "4")}
    counts = found.counts()
    assert counts["exact"] == {"all": 1, "across_splits": 1, "across_classes": 0}
    assert counts["near"] == {"all": 3, "across_splits": 0, "across_classes": 2}
    assert found.across_classes == []


def test_every_near_pair_of_hashes_is_a_candidate():
    """Bands find what a comparison of all with all finds."""
    from kerasnets.datasets.duplicates import _candidates

    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**63, 40, dtype=np.uint64)
    flips = [
        np.uint64(sum(1 << int(b) for b in rng.choice(64, 4, False))) for _ in base
    ]
    hashes = np.concatenate([base, base ^ np.array(flips)])
    pairs = set()
    for a, b in _candidates(hashes):
        pairs.update(zip(a.tolist(), b.tolist(), strict=True))
    assert {(row, row + 40) for row in range(40)} <= pairs


def test_hashes_are_those_of_images_not_of_their_size():
    images = [scene(5), scene(5).resize((300, 300)), scene(6)]
    thumbnails = np.stack([as_array(image, SIDE, 3) for image in images])
    a, b, c = perceptual_hashes(thumbnails)
    assert bin(int(a ^ b)).count("1") <= 4 < bin(int(a ^ c)).count("1")


def test_the_search_ends_where_everything_looks_alike(monkeypatch):
    monkeypatch.setattr(duplicates, "MOST", 50)
    monkeypatch.setattr(duplicates, "RECORDED", 20)
    first = scene(0)
    images = [first.point(lambda value, n=n: max(0, value - n)) for n in range(8)]
    images += [image.resize((100, 80)) for image in images]
    found = found_among(images, ["train"] * 16, [0] * 16)
    assert len(set(found.near)) == found.counts()["near"]["all"] == 50
    assert len(found.to_json(["a"])["near"]) == 20
