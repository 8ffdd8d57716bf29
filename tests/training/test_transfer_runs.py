"""Training that begins with weights of another task, as a user sees it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import keras
import narrow
import numpy as np
import pytest
import warm_python

from kerasnets import datasets, runs
from kerasnets.datasets import preprocessing
from kerasnets.errors import DatasetError, RunError, WeightsError
from kerasnets.networks import build_model, published
from kerasnets.networks.pretrained import torchvision_weights
from kerasnets.recipe import Recipe
from kerasnets.runs.trained import load_model
from kerasnets.training.fit import fit

SMALL = {"image_size": 16, "limit": 40, "batch_size": 10, "validation": 0.25}


NETWORK = "densenet121"


@pytest.fixture(scope="module", autouse=True)
def narrowed():
    with narrow.narrowed():
        yield


def recipe(source, network=NETWORK, **named) -> Recipe:
    named = {"classes": "5,6,7", "epochs": 2, "head_lr": 4.0, **SMALL, **named}
    return Recipe.for_paper(network, "digits", weights=str(source), **named)


def trained(asked: Recipe, path: Path, **options) -> runs.Run:
    return fit(asked, path, device="cpu", verbosity=0, **options)


def arrays(run: runs.Run) -> dict[str, np.ndarray]:
    model = load_model(run)
    weights = zip(model.weights, model.get_weights(), strict=True)
    return {variable.path: np.array(value) for variable, value in weights}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run of another stem than the paper's, on other classes."""
    begun = Recipe.for_paper(
        NETWORK,
        "digits",
        classes="0,1,2,3",
        stem="cifar",
        growth_rate=4,
        epochs=1,
        **SMALL,
    )
    return trained(begun, tmp_path_factory.mktemp("base") / "run")


class StopAt(keras.callbacks.Callback):
    """Stands in for Ctrl-C at a step, counted over all epochs."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_frozen_layers_keep_every_bit(base, tmp_path):
    asked = recipe(base.path, freeze="stages:3", epochs=1)
    assert (asked.stem, asked.growth_rate) == ("cifar", 4)
    assert asked.normalize == "weights"
    run = trained(asked, tmp_path / "run")
    before, after = arrays(base), arrays(run)
    for path, value in after.items():
        same = before[path].shape == value.shape and (before[path] == value).all()
        learns = path.startswith(("stage4", "final_norm", "classifier"))
        assert same != learns, path
    recorded = json.loads((run.path / "weights.json").read_text())
    assert recorded["new"] == {"classifier": "the classes differ"}
    assert recorded["sha256"] == runs.load(run.path).recipe.weights_sha256
    log = (run.path / "run.log").read_text()
    assert "loaded 41 layers" in log and "new classifier: the classes" in log
    assert len(recorded["loaded"]) == 41
    # What the network was trained with goes on.
    ours, theirs = (preprocessing.read(one) for one in (run, base))
    assert (ours.mean, ours.std) == (theirs.mean, theirs.std)
    assert ours.class_names == ("5", "6", "7")


UNFREEZING = {"freeze": "stages:3", "unfreeze_after": 1, "layer_decay": 0.5}


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """A run that was never interrupted, and what its weights came from."""
    folder = tmp_path_factory.mktemp("whole")
    source = folder / "source"
    shutil.copytree(base.path, source)
    return trained(recipe(source, **UNFREEZING), folder / "run"), source


@pytest.mark.parametrize("step", [2, 5])
def test_resumed_across_the_unfreezing_is_exact(base, whole, tmp_path, step):
    whole, source = whole
    if not source.exists():
        shutil.copytree(base.path, source)
    with pytest.raises(KeyboardInterrupt):
        asked = recipe(source, **UNFREEZING)
        trained(asked, tmp_path / "parts", callbacks=[StopAt(step)])
    # The checkpoint after the first step is all that is needed.
    shutil.rmtree(source)
    again = recipe(source, **UNFREEZING)
    parts = trained(again, tmp_path / "parts", resume=True)
    one, other = arrays(whole), arrays(parts)
    assert all((one[path] == other[path]).all() for path in one)
    for name in ("history.csv", "recipe.json", "weights.json", "preprocessing.json"):
        assert (whole.path / name).read_bytes() == (parts.path / name).read_bytes()
    first = "stage1_layer1_conv1/kernel"
    assert (one[first] != arrays(base)[first]).any()  # it did learn
    with pytest.raises(RunError, match="was made with freeze"):
        trained(recipe(source, freeze="stages:2"), parts.path, resume=True)
    # Without a checkpoint there is nothing to go on from.
    with pytest.raises(WeightsError, match="no weights"):
        trained(again, tmp_path / "new")


def written(folder, network="resnet18", **named):
    """A .safetensors file with torchvision's names, and what it holds."""
    from safetensors.numpy import save_file

    model = build_model(network, (16, 16, 3), num_classes=1000, seed=1, **named)
    weights = torchvision_weights(model)
    save_file(weights, folder / "file.safetensors")
    return folder / "file.safetensors", weights


UNDER_JAX = """
import sys
from pathlib import Path
import narrow
from kerasnets.recipe import Recipe
from kerasnets.training.fit import fit
recipe, path = Recipe.from_json(Path(sys.argv[1]).read_text()), sys.argv[2]
with narrow.narrowed():
    fit(recipe, path, device="cpu", verbosity=0)
"""


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="compares engines")
def test_engines_and_backends_agree(tmp_path):
    file, begun = written(tmp_path, stem="cifar")
    asked = recipe(
        file,
        "resnet18",
        stem="cifar",
        freeze="stages:3",
        unfreeze_after=1,
        epochs=2,
        layer_decay=0.5,
        learning_rate=1e-4,
        weight_decay=0.01,
    )
    found = {
        engine: arrays(trained(asked, tmp_path / engine, engine=engine))
        for engine in ("torch_graph", "keras")
    }
    pytest.importorskip("jax")
    (tmp_path / "recipe.json").write_text(asked.to_json())
    told = [str(tmp_path / "recipe.json"), str(tmp_path / "jax")]
    subprocess.run(
        [warm_python.executable("jax"), "-c", UNDER_JAX, *told],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    found["jax"] = arrays(runs.load(tmp_path / "jax"))
    for path, value in found["keras"].items():
        for other in ("torch_graph", "jax"):
            np.testing.assert_allclose(found[other][path], value, atol=2e-4, rtol=1e-3)
    kernel = begun["layer1.0.conv1.weight"].transpose(2, 3, 1, 0)
    assert (found["keras"]["stage1_block1_conv1/kernel"] != kernel).any()


def test_a_torchvision_file_brings_imagenets_normalization(tmp_path):
    few = {"growth_rate": 4, "stem": "cifar"}
    file, weights = written(tmp_path, NETWORK, **few)
    asked = recipe(file, freeze="all-but-head", epochs=1, channels=3, **few)
    run = trained(asked, tmp_path / "run")
    assert preprocessing.read(run).mean == published.MEAN
    assert preprocessing.read(run).std == published.STD
    recorded = json.loads((run.path / "weights.json").read_text())
    assert recorded["new"] == {"classifier": "1000 classes there, 3 here"}
    kernel = weights["features.conv0.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(arrays(run)["stem_conv/kernel"], kernel)
    grey = trained(recipe(file, epochs=1, **few), tmp_path / "grey")
    assert preprocessing.read(grey).mean == (pytest.approx(0.449),)
    named = recipe(file, epochs=1, normalize="unit", channels=3, **few)
    assert preprocessing.read(trained(named, tmp_path / "named")).mean == (0, 0, 0)
    with pytest.raises(WeightsError, match="these are other weights"):
        trained(recipe(file, weights_sha256="0" * 64, **few), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_file_that_holds_no_weights_leaves_no_run(tmp_path, content):
    file = tmp_path / "file.pth"
    file.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        trained(recipe(file, stem="cifar"), tmp_path / "run")
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_a_dataset_with_some_of_its_classes(tmp_path):
    asked = Recipe.for_paper("resnet18", "digits", classes="7, 2", **SMALL)
    some = datasets.load_for(asked)
    every = datasets.load("digits", image_size=16)
    parts = datasets.partition(some, asked)
    assert some.class_names == ("7", "2") and len(parts.train) == 30
    assert set(parts.train.labels) == set(parts.validation.labels) == {0, 1}
    numbers = np.array([7, 2])[parts.test.labels]
    np.testing.assert_array_equal(numbers, every.test.labels[parts.test.indices])
    assert len(parts.test) == np.isin(every.test.labels, [2, 7]).sum()
    assert some.fingerprint != every.fingerprint
    with pytest.raises(DatasetError, match="unknown class 'seven'"):
        datasets.load_for(asked.replace(classes="seven,2"))
