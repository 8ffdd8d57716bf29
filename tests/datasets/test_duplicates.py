"""Images that are there more than once."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.fftpack import dct

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


def test_hashes_are_those_of_imagehash():
    images = [scene(seed) for seed in range(20)]
    symmetric = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(symmetric).ellipse((8, 8, 55, 55), fill=(200, 30, 90))
    thumbnails = [as_array(one, SIDE, 3) for one in (*images, symmetric)]
    hashes = perceptual_hashes(np.stack(thumbnails))
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(-1, 64)
    for thumbnail, found in zip(thumbnails, bits, strict=True):
        # phash of ImageHash 4.3 with its defaults
        grey = np.asarray(Image.fromarray(thumbnail).convert("L"))
        low = dct(dct(grey, axis=0), axis=1)[:8, :8]
        np.testing.assert_array_equal(found, (low > np.median(low)).ravel())


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


def stroke(seed: int) -> Image.Image:
    """A slanted line, as the digit 1 is written."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (28, 28))
    top, bottom = rng.uniform(9, 19, 2)
    line = [(top, rng.uniform(3, 6)), (bottom, rng.uniform(21, 25))]
    ImageDraw.Draw(image).line(line, fill=255, width=int(rng.integers(2, 5)))
    return image.resize((28, 28), Image.Resampling.BILINEAR)


def test_strokes_are_not_alike_because_they_are_mostly_black():
    images = [stroke(seed) for seed in range(300)]
    hashes = perceptual_hashes(np.stack([as_array(one, SIDE, 3) for one in images]))
    close = hashes[:, None] ^ hashes
    bits = np.unpackbits(close.view(np.uint8).reshape(300, 300, 8), axis=2).sum(2)
    by_hash = ((bits <= 4).sum() - 300) // 2
    found = found_among(images, ["train"] * 300, [0] * 300)
    assert by_hash > 100
    assert len(found.near) < by_hash / 10


def test_faded_copies_are_alike_where_unrelated_images_differ_more():
    images = list(map(scene, range(200)))
    images += [
        image.point(lambda value: round(0.75 * value + 30)) for image in images[:20]
    ]
    pairs = {(str(number), str(number + 200)) for number in range(20)}
    assert set(names(found_among(images, ["train"] * 220, [0] * 220).near)) == pairs
    # Too few images show how far apart unrelated ones are.
    few = [images[0], images[200]]
    assert not found_among(few, ["train"] * 2, [0] * 2).near


def test_planted_duplicates_across_splits_are_found(tmp_path):
    from kerasnets.datasets.inspection import inspect

    for number in range(30):
        folder = tmp_path / "train" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        scene(number).save(folder / f"{number}.png")
    changed = {
        "same": scene(0),
        "compressed": scene(1),
        "smaller": scene(2).resize((70, 52)),
        "brighter": scene(3).point(lambda value: min(255, value + 4)),
        "other label": scene(4),
        "other": scene(99),
    }
    for name, label in zip(changed, "ababba", strict=True):
        folder = tmp_path / "test" / label
        folder.mkdir(parents=True, exist_ok=True)
        ending = "jpg" if name == "compressed" else "png"
        changed[name].save(folder / f"{name}.{ending}", quality=60)
    found = inspect(str(tmp_path)).duplicates
    counts = found.counts()
    assert counts["exact"] == {"all": 2, "across_splits": 2, "across_classes": 1}
    assert counts["near"] == {"all": 3, "across_splits": 3, "across_classes": 0}
    near = {one.name.rpartition("/")[2] for pair in found.near for one in pair}
    assert near == {
        *("1.png", "2.png", "3.png"),
        *("compressed.jpg", "smaller.png", "brighter.png"),
    }
