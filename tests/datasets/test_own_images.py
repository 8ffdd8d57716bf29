"""A folder or a manifest of images as a dataset."""

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasnets import datasets
from kerasnets.datasets.splits import partition
from kerasnets.errors import DatasetError, RecipeError
from kerasnets.recipe import Recipe

CLASSES = ("a & b", "c", "é")


def image(seed: int, size=(10, 8)) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def write(top, *, splits=("",), count=10, ending="png"):
    """`count` different images a class and split."""
    seed = 0
    for split in splits:
        for name in CLASSES:
            (top / split / name).mkdir(parents=True, exist_ok=True)
            for _ in range(count):
                seed += 1
                image(seed).save(top / split / name / f"{seed:03}.{ending}")
    return top


def recipe(top, **named) -> Recipe:
    return Recipe.for_paper("resnet18", top, **named)


def parts_of(top, **named):
    made = recipe(top, **named)
    return partition(datasets.load_for(made), made)


def test_defaults_are_those_for_own_images(tmp_path):
    made = recipe(write(tmp_path))
    assert (made.image_size, made.channels, made.resize) == (32, None, "crop")
    assert datasets.load_for(made).train.images.shape[1:] == (32, 32, 3)
    assert (made.normalize, made.background) == ("standardize", "white")
    assert (made.optimizer, made.learning_rate) == ("sgd", 0.001)
    assert made.dataset == str(tmp_path)
    image(0, (300, 20)).save(tmp_path / "c" / "large.png")
    assert recipe(tmp_path).image_size == 224
    assert Recipe.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("longest", "size"), [(32, 32), (33, 64), (192, 192), (193, 224)]
)
def test_the_image_size_fits_the_largest(tmp_path, longest, size):
    write(tmp_path)
    image(0, (9, longest)).save(tmp_path / "c" / "0.png")
    (tmp_path / "c" / "damaged.png").write_bytes(b"nothing")
    assert recipe(tmp_path).image_size == size


def test_grey_images_stay_grey(tmp_path):
    write(tmp_path)
    for file in tmp_path.rglob("*.png"):
        Image.open(file).convert("L").save(file)
    assert datasets.load_for(recipe(tmp_path)).train.images.shape[-1] == 1
    assert datasets.load_for(recipe(tmp_path, channels=3)).train.images.shape[-1] == 3


def test_a_fifth_is_drawn_to_test_on(tmp_path):
    parts = parts_of(write(tmp_path))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (22, 2, 6)
    assert np.bincount(parts.test.labels).tolist() == [2, 2, 2]
    again, other = parts_of(tmp_path), parts_of(tmp_path, seed=1)
    assert (again.test.indices == parts.test.indices).all()
    assert (other.test.indices != parts.test.indices).any()
    assert len(parts_of(tmp_path, test_fraction=0.5).test) == 15


def test_given_splits_are_kept(tmp_path):
    top = write(tmp_path, splits=("train", "test", "val"), count=4)
    made = recipe(top)
    assert made.validation == "split"
    parts = partition(datasets.load_for(made), made)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [
        12
    ] * 3
    for name in ("train", "validation", "test"):
        part = getattr(parts, name)
        stored = {one.tobytes() for one in part.split.images[part.indices]}
        assert len(stored) == 12
    with pytest.raises(DatasetError, match="has a validation split"):
        parts_of(top, validation=0.2)
    with pytest.raises(DatasetError, match="has a test split of its own"):
        parts_of(top, test_fraction=0.2)


def test_validation_images_are_wanted_but_missing(tmp_path):
    with pytest.raises(DatasetError, match="has no validation split"):
        parts_of(write(tmp_path), validation="split")
    with pytest.raises(RecipeError, match="own images"):
        Recipe.for_paper("resnet18", "mnist", validation="split")


@pytest.mark.parametrize("seed", range(5))
def test_the_same_content_never_stands_on_both_sides(tmp_path, seed):
    write(tmp_path, count=5)
    for name in CLASSES:
        for number, file in enumerate(sorted((tmp_path / name).iterdir())):
            for copy in range(number):
                shutil.copy(file, tmp_path / name / f"copy{copy}-{file.name}")
    parts = parts_of(tmp_path, seed=seed, validation=0.25, test_fraction=0.3)
    seen = [
        {part.split.images[row].tobytes() for row in part.indices}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert all(seen)
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert sum(map(len, (parts.train, parts.validation, parts.test))) == 45


def test_what_is_tested_on_is_not_trained_on(tmp_path):
    top = write(tmp_path, splits=("train", "test", "val"), count=4)
    shutil.copy(next((top / "test" / "c").iterdir()), top / "train" / "c" / "leak.png")
    shutil.copy(next((top / "val" / "c").iterdir()), top / "train" / "c" / "two.png")
    dataset = datasets.load_for(recipe(top))
    assert dataset.files["repeated"] == 2
    assert "2 left out as they are in another split too" in dataset.note
    assert len(dataset.train) == 24


def test_one_image_in_two_classes_stops(tmp_path):
    write(tmp_path)
    shutil.copy(tmp_path / "c" / "011.png", tmp_path / "é" / "same.png")
    with pytest.raises(DatasetError, match=r"c/011.png \(c\) and é/same.png \(é\)"):
        datasets.load_for(recipe(tmp_path))


def test_every_unreadable_file_is_named_or_left_out(tmp_path):
    write(tmp_path)
    (tmp_path / "c" / "bad.jpg").write_bytes(b"not an image")
    whole = (tmp_path / "é" / "021.png").read_bytes()
    (tmp_path / "é" / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "é" / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatasetError) as caught:
        datasets.load_for(recipe(tmp_path))
    for name in ("3 of 33 images", "c/bad.jpg", "é/half.png", "é/gone.png"):
        assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    dataset = datasets.load_for(recipe(tmp_path, on_corrupt="skip"))
    assert (len(dataset.train), dataset.files["unreadable"]) == (30, 3)
    assert "3 unreadable ones left out" in dataset.note


def test_a_class_without_readable_images_stops(tmp_path):
    write(tmp_path)
    for file in (tmp_path / "c").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match="no train image of c"):
        datasets.load_for(recipe(tmp_path, on_corrupt="skip"))


def test_pipes_do_not_hang(tmp_path):
    import os

    write(tmp_path)
    os.mkfifo(tmp_path / "c" / "pipe.png")
    with pytest.raises(DatasetError, match=r"pipe.png \(it is not a file\)"):
        datasets.load_for(recipe(tmp_path))


def test_decoded_images_are_kept_until_a_file_changes(tmp_path, user_cache):
    top = write(tmp_path / "photos")
    first = datasets.load_for(recipe(top))
    (kept,) = user_cache.iterdir()
    again = datasets.load_for(recipe(top))
    assert again.fingerprint == first.fingerprint
    for name in ("note", "class_names", "files"):
        assert getattr(again, name) == getattr(first, name)
    assert list(user_cache.iterdir()) == [kept]
    image(99).save(top / "c" / "011.png")
    changed = datasets.load_for(recipe(top))
    assert changed.fingerprint != first.fingerprint
    assert changed.files["sha256"] != first.files["sha256"]
    assert {path.name for path in top.iterdir()} == set(CLASSES)


@pytest.mark.parametrize("stream", [False, True])
def test_a_shared_cache_gives_each_its_own_records(
    tmp_path, user_cache, monkeypatch, stream
):
    """A folder and a manifest of its files share one cache."""
    top = write(tmp_path / "photos", count=3)
    (top / "c" / "notes.txt").write_text("")
    lines = [f"photos/{p.relative_to(top)},{p.parent.name}" for p in top.rglob("*.png")]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))

    def load(name):
        return datasets.load(str(tmp_path / name), stream=stream)

    folder = load("photos")
    monkeypatch.setattr("kerasnets.datasets.sources.image_files.read", None)
    shared = load("list.csv")
    assert len(list(user_cache.glob("files-*"))) == 1
    monkeypatch.undo()
    monkeypatch.setenv("KERASNETS_CACHE", str(tmp_path / "another cache"))
    alone = load("list.csv")
    for name in ("name", "note", "files", "fingerprint", "class_names"):
        assert getattr(shared, name) == getattr(alone, name)
    assert (folder.name, shared.name) == ("photos", "list")
    assert (folder.files["ignored"], shared.files["ignored"]) == (1, 0)
    assert folder.note.startswith("9 image files, 1 other file ignored; ")
    assert folder.files["sha256"] != shared.files["sha256"]


def test_what_is_known_of_repeated_images_is_kept_too(tmp_path):
    top = write(tmp_path, splits=("train", "val", "test"), count=3)
    shutil.copy(top / "train" / "c" / "004.png", top / "train" / "c" / "copy.png")
    first, again = (datasets.load_for(recipe(top)) for _ in range(2))
    for name in ("held_out", "groups"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert getattr(again, name) is not None


def test_a_moved_folder_is_the_same_dataset(tmp_path):
    old = write(tmp_path / "old")
    made = recipe(old)
    before = datasets.load_for(made)
    old.rename(tmp_path / "new")
    after = datasets.load_for(made, tmp_path / "new")
    assert after.fingerprint == before.fingerprint
    assert after.files["sha256"] == before.files["sha256"]
    with pytest.raises(DatasetError, match="is not there"):
        datasets.load_for(made)


def test_folder_and_manifest_are_the_same_dataset(tmp_path):
    top = write(tmp_path)
    lines = [f'"{p.relative_to(top)}","{p.parent.name}"' for p in top.rglob("*.png")]
    (top / "list.csv").write_text("\n".join(["path,label", *reversed(lines)]))
    by_folder = datasets.load_for(recipe(top))
    by_manifest = datasets.load_for(recipe(top / "list.csv"))
    assert by_manifest.fingerprint == by_folder.fingerprint
    assert (by_manifest.drawn == by_folder.drawn).all()


def test_numbered_files_are_a_dataset_of_the_same_order(tmp_path):
    digits = datasets.load("digits", image_size=8)
    for split in ("train", "test"):
        images = getattr(digits, split)
        for row, (pixels, label) in enumerate(
            zip(images.images, images.labels, strict=True)
        ):
            folder = tmp_path / split / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            if row < 200:
                Image.fromarray(pixels[..., 0]).save(folder / f"{row:05}.png")
    made = recipe(tmp_path, image_size=8, resize="squash")
    found = datasets.load_for(made)
    np.testing.assert_array_equal(found.train.images, digits.train.images[:200])
    np.testing.assert_array_equal(found.train.labels, digits.train.labels[:200])
    np.testing.assert_array_equal(found.test.images, digits.test.images[:200])


@pytest.mark.parametrize("classes", [2, 1000])
def test_few_and_many_classes(tmp_path, classes):
    for label in range(classes):
        for number in range(3):
            folder = tmp_path / f"{label:04}"
            folder.mkdir(exist_ok=True)
            shade = (label % 256, label // 256, number)
            Image.new("RGB", (2, 2), shade).save(folder / f"{number}.bmp")
    parts = parts_of(tmp_path, test_fraction=0.34, validation=0.3, image_size=4)
    assert len(np.unique(parts.train.labels)) == classes
    assert len(np.unique(parts.test.labels)) == classes


def test_resize_and_background_decide_the_pixels(tmp_path):
    top = write(tmp_path)
    Image.new("RGBA", (9, 4), (0, 0, 0, 0)).save(top / "c" / "clear.png")
    made = recipe(top, image_size=8)
    forms = [
        {"resize": "squash"},
        {"resize": "crop"},
        {"resize": "pad"},
        {"background": "black"},
    ]
    prints = {datasets.load_for(made.replace(**form)).fingerprint for form in forms}
    assert len(prints) == len(forms)


def test_a_folder_that_cannot_be_written_is_read(tmp_path):
    """Nothing is written to it; root could, whatever the permissions."""
    top = write(tmp_path / "photos", count=3)
    before = [(one, one.stat().st_mtime_ns) for one in (top, *sorted(top.rglob("*")))]
    for folder in (*top.iterdir(), top):
        folder.chmod(0o555)
    assert len(datasets.load_for(recipe(top)).train) == 9
    for folder in (top, *top.iterdir()):
        folder.chmod(0o755)
    after = [(one, one.stat().st_mtime_ns) for one in (top, *sorted(top.rglob("*")))]
    assert after == before


def test_old_recipes_mean_what_was_done_then():
    made = Recipe.for_paper("resnet18", "mnist")
    record = dataclasses.asdict(made)
    for name in ("resize", "background", "on_corrupt"):
        del record[name]
    assert Recipe.from_record(record) == made
    assert made.departures() == {}
