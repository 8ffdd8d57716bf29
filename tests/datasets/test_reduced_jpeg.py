"""JPEG files decoded smaller where the target is small, and parts of files."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasnets import datasets
from kerasnets.datasets.images import decode_file, read_file
from kerasnets.datasets.images import jpeg as jpegs
from kerasnets.datasets.images.jpeg import reduction_to
from kerasnets.datasets.pipeline.batches import training_batches
from kerasnets.datasets.pipeline.resized_crop import draw_crops
from kerasnets.datasets.splits import partition
from kerasnets.errors import DatasetError, RecipeError
from kerasnets.recipe import Recipe

CLASSES = ("a", "b")


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **named) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **named)
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path):
    for number in range(24):
        folder = tmp_path / "photos" / CLASSES[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image = photo(400, 300 + 2 * number, number)
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 3 else 1
        image.save(folder / f"{number}.jpg", exif=exif)
    return tmp_path / "photos"


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [(640, 480), (484, 644), (130, 2000)])
def test_reduced_pixels_are_nearly_those_in_full(resize, size):
    data = jpeg(photo(*size))
    full = decode_file(data, 32, 3, resize=resize)
    reduced = decode_file(data, 32, 3, resize=resize, decode="reduced")
    apart = np.abs(full.astype(int) - reduced)
    assert apart.mean() < 2 and apart.max() < 40
    found = read_file(data, reduction=reduction_to(32, resize))
    assert found.size == size
    sides = found.image.size
    assert sides != size if min(size) > 200 else True
    needed = max(sides) if resize == "pad" else min(sides)
    assert needed >= 64


def test_a_side_that_does_not_divide_is_decoded_in_full():
    data = jpeg(photo(643, 481))
    assert read_file(data, reduction=reduction_to(32, "crop")).image.size == (643, 481)


def test_an_image_that_is_not_much_larger_is_decoded_in_full():
    data = jpeg(photo(250, 200))
    np.testing.assert_array_equal(
        decode_file(data, 101, 3), decode_file(data, 101, 3, decode="reduced")
    )


@pytest.mark.parametrize("named", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_faster_decoder_gives_the_pixels_of_pillow(monkeypatch, mode, named):
    pytest.importorskip("simplejpeg")
    data = jpeg(photo(97, 61).convert(mode), **named)
    fast = read_file(data).image
    damaged = data[: len(data) // 2] + b"\xff\xd9"
    with_damage = read_file(damaged).image
    monkeypatch.setattr(jpegs, "simplejpeg", None)
    np.testing.assert_array_equal(fast, read_file(data).image)
    np.testing.assert_array_equal(with_damage, read_file(damaged).image)


def test_new_runs_on_own_images_reduce_and_earlier_ones_do_not(photos):
    made = Recipe.for_paper("resnet18", photos)
    assert made.decode == "reduced"
    assert Recipe.for_paper("resnet18", "mnist").decode == "full"
    assert Recipe.for_paper("resnet18", photos, protocol="cifar10").decode == "full"
    record = made.to_json().replace('"decode": "reduced",', "")
    assert Recipe.from_json(record).decode == "full"
    with pytest.raises(RecipeError, match="your own images"):
        Recipe.for_paper("resnet18", "mnist", decode="reduced")


@pytest.mark.parametrize("decode", ["full", "reduced"])
def test_streamed_images_are_decoded_ones(photos, decode):
    made = Recipe.for_paper("resnet18", photos, image_size=32, decode=decode)
    decoded, streamed = (datasets.load_for(made, stream=one) for one in (False, True))
    assert streamed.fingerprint == decoded.fingerprint
    np.testing.assert_array_equal(streamed.train.images[:], decoded.train.images)


def test_the_fingerprint_tells_the_decodings_apart(photos):
    found = {
        datasets.load_for(
            Recipe.for_paper("resnet18", photos, image_size=32, decode=decode)
        ).fingerprint
        for decode in ("full", "reduced")
    }
    assert len(found) == 2


def test_crops_from_files_are_those_parts(photos):
    made = Recipe.for_paper(
        "resnet18", photos, image_size=32, crop_from="file", batch_size=4, decode="full"
    )
    dataset = datasets.load_for(made)
    batches = training_batches(made, dataset, partition(dataset, made).train, workers=0)
    host, part = batches._host, partition(dataset, made).train
    changes = host.changes(0, 1)
    pixels = host(0, 1)
    for place, row in enumerate(part.indices[host.positions(0, 1)].tolist()):
        file = Image.open(dataset.train.images.paths[row])
        upright = Image.open(file.filename)
        if upright.getexif()[0x0112] == 6:
            upright = upright.transpose(Image.Transpose.ROTATE_270)
        top, left, bottom, right = changes.crops.box(place, *upright.size[::-1])
        cut = upright.resize(
            (32, 32), Image.Resampling.BILINEAR, (left, top, right, bottom)
        )
        if changes.flipped[place]:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        np.testing.assert_array_equal(pixels[place], cut)
    helped = training_batches(made, dataset, partition(dataset, made).train, workers=2)
    for ours, theirs in zip(helped[1], batches[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_crops_of_reduced_files_show_the_same_part(photos):
    pixels = {}
    for decode in ("full", "reduced"):
        made = Recipe.for_paper(
            "resnet18", photos, image_size=16, crop_from="file", decode=decode
        ).replace(batch_size=8)
        dataset = datasets.load_for(made)
        subset = partition(dataset, made).train
        host = training_batches(made, dataset, subset, workers=0)._host
        pixels[decode] = host(0, 0).astype(int)
    apart = np.abs(pixels["full"] - pixels["reduced"])
    assert 0 < apart.mean() < 2


def test_crops_fit_images_of_any_size():
    crops = draw_crops(200, np.random.default_rng(0))
    for index in range(200):
        for height, width in ((1, 1), (3, 900), (900, 3), (375, 500)):
            top, left, bottom, right = crops.box(index, height, width)
            assert 0 <= top < bottom <= height and 0 <= left < right <= width
    areas = [
        (bottom - top) * (right - left) / (375 * 500)
        for top, left, bottom, right in (crops.box(i, 375, 500) for i in range(200))
    ]
    assert min(areas) >= 0.07 and 0.4 < np.mean(areas) < 0.6


def test_what_contradicts_crops_from_files_is_one_line(photos):
    with pytest.raises(RecipeError, match="resized-crop"):
        Recipe.for_paper("resnet18", photos, crop_from="file", augment="flip")
    made = Recipe.for_paper("resnet18", photos, crop_from="file")
    with pytest.raises(DatasetError, match="contradicts"):
        datasets.load_for(made, stream=False)
