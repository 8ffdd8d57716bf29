"""A run on streamed images: the bits of one on decoded images, also after an
interruption inside an epoch; and one line where it cannot be."""

import keras
import numpy as np
import pytest
import small_run
from PIL import Image

from kerasnets.datasets import preprocessing, splits
from kerasnets.errors import DatasetError, RecipeError
from kerasnets.recipe import Recipe
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint
from kerasnets.training.fit import fit


class Interrupt(keras.callbacks.Callback):
    """Stands in for the end of the process inside the second epoch."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASNETS_CACHE", str(tmp_path / "cache"))
    for number in range(48):
        folder = tmp_path / "photos" / "aabc"[number % 4]
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 256, (12, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return Recipe.for_paper(
        "resnet18", tmp_path / "photos", image_size=8, batch_size=8, epochs=2
    )


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        (7, {}),
        (4, {"classes": "c,a", "class_weights": "balanced", "limit": 20, "mixup": 0.4}),
    ],
)
def test_a_streamed_run_ends_as_one_on_decoded_images(tmp_path, recipe, steps, named):
    recipe = recipe.replace(**named)
    whole = fingerprint(small_run.fit(tmp_path / "decoded", on=recipe))
    folder = tmp_path / "streamed"
    how = {"on": recipe, "stream": True, "checkpoint_every": Interval(steps=1)}
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(folder, callbacks=[Interrupt(steps)], workers=1, **how)
    run = small_run.fit(folder, resume=True, workers=2, **how)
    assert fingerprint(run) == whole


def test_a_run_of_some_classes_keeps_the_mean_that_it_began_with(
    tmp_path, recipe, monkeypatch
):
    """Earlier versions took validation images into the mean of some classes."""
    photos, split = tmp_path / "photos", tmp_path / "split"
    for name in ("train", "val", "test"):
        for folder in photos.iterdir():
            (split / name / folder.name).mkdir(parents=True)
    for number, file in enumerate(sorted(photos.rglob("*.jpg"))):
        name = ("train", "train", "val", "test")[number % 4]
        file.rename(split / name / file.parent.name / file.name)
    recipe = Recipe.for_paper(
        *("resnet18", split), image_size=8, batch_size=4, epochs=2, classes="a,b"
    )
    with monkeypatch.context() as before:
        before.setattr(splits, "statistics", lambda *_: (np.full(3, 0.2), np.ones(3)))
        whole = small_run.fit(tmp_path / "whole", on=recipe)
        with pytest.raises(KeyboardInterrupt):
            how = {"checkpoint_every": Interval(steps=1)}
            small_run.fit(tmp_path / "cut", on=recipe, callbacks=Interrupt(3), **how)
    resumed = small_run.fit(tmp_path / "cut", on=recipe, resume=True)
    assert fingerprint(resumed) == fingerprint(whole)
    assert preprocessing.read(resumed).mean == (0.2, 0.2, 0.2)


def test_only_files_can_be_streamed(tmp_path):
    with pytest.raises(RecipeError, match="only for your own images"):
        small_run.fit(tmp_path / "run", stream=True)
    assert not (tmp_path / "run").exists()


def test_what_contradicts_streaming_is_found_before_the_device(tmp_path, recipe):
    cropped = recipe.replace(augment="resized-crop", crop_from="file")
    with pytest.raises(DatasetError, match="contradicts stream=False"):
        fit(cropped, tmp_path / "run", stream=False, device="cuda:99")
