"""What a network has to be fed is in its run folder, and the documented lines do it."""

import dataclasses
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from made_runs import make_run
from PIL import Image

from kerasnets import datasets, runs
from kerasnets.datasets import preprocessing
from kerasnets.errors import RunError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.recipe import Recipe
from kerasnets.training.fit import fit

DOCS = Path(__file__).parents[2] / "docs"
IMAGES = (0, 7, 200)  # rows of the test split


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    def network(recipe, shape, num_classes):
        if keras.config.image_data_format() == "channels_first":
            shape = (shape[2], *shape[:2])
        inputs = keras.Input(shape, name="images")
        x = keras.layers.ReLU()(keras.layers.Conv2D(4, 3)(inputs))
        x = keras.layers.Dense(num_classes)(keras.layers.Flatten()(x))
        return keras.Model(inputs, x)

    monkeypatch.setattr("kerasnets.training.compile.from_recipe", network)


def trained(path, **named):
    recipe = Recipe.for_paper(
        "resnet18",
        "digits",
        **{
            "image_size": 12,
            "limit": 300,
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.01,
            "normalize": "standardize",
            **named,
        },
    )
    return fit(recipe, path, device="cpu", engine="keras", verbosity=0)


def documented_lines() -> str:
    blocks = re.findall(
        r"```python\n(.*?)```", (DOCS / "using.md").read_text(), re.DOTALL
    )
    (lines,) = [block for block in blocks if "preprocessing.json" in block]
    return lines


@pytest.mark.parametrize("normalize", ["standardize", "unit"])
@pytest.mark.parametrize("channels", [None, 3])
def test_the_documented_lines_predict_as_evaluate_does(
    tmp_path, monkeypatch, capsys, channels, normalize
):
    monkeypatch.chdir(tmp_path)
    run = trained("artifacts/runs/mine", channels=channels, normalize=normalize)
    assert evaluate(run, device="cpu")["accuracy"] > 0.3
    rows = runs.read_csv(run.path / "predictions.csv")
    capsys.readouterr()
    files = datasets.load("digits", image_size=8).test.images  # their own size
    for row in IMAGES:
        Image.fromarray(files[row, ..., 0]).save("image.png")
        exec(documented_lines(), {})
        name, probability = capsys.readouterr().out.split()
        assert name == rows[row]["prediction"]  # a digit's name is its index
        assert float(probability) == pytest.approx(
            float(rows[row]["confidence"]), abs=1e-5
        )


def test_the_documented_lines_feed_channels_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = trained("artifacts/runs/mine")
    grey = run.model_file.read_bytes()
    taken = []
    steps = json.loads((run.path / "preprocessing.json").read_text())
    steps["data_format"] = "channels_first"
    (run.path / "preprocessing.json").write_text(json.dumps(steps))
    Image.new("L", (9, 14)).save("image.png")

    class Network:
        def predict(self, images, verbose):
            taken.append(images.shape)
            return np.zeros((1, 10))

    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **named: Network())
    exec(documented_lines(), {})
    assert taken == [(1, 1, 12, 12)]
    assert run.model_file.read_bytes() == grey


def test_the_record_says_what_was_done(tmp_path):
    run = trained(tmp_path / "run", channels=3)
    dataset = datasets.load("digits", image_size=12, channels=3)
    found = preprocessing.read(run)
    assert found == preprocessing.Preprocessing(
        input_name="images",
        data_format="channels_last",
        mode="RGB",
        height=12,
        width=12,
        resampling="bilinear",
        scale=1 / 255,
        mean=tuple(dataset.mean.tolist()),
        std=tuple(dataset.std.tolist()),
        output="logits",
        class_names=dataset.class_names,
    )
    keys = re.findall(
        r"^\| ([a-z_, ]+) \|", (DOCS / "run-folder.md").read_text(), re.MULTILINE
    )
    documented = {name for key in keys for name in key.split(", ")}
    assert {field.name for field in dataclasses.fields(found)} <= documented


def test_a_network_is_fed_as_it_was_trained_whatever_the_data_has_become(
    tmp_path, monkeypatch
):
    run = trained(tmp_path / "run")
    before = evaluate(run, device="cpu")
    dataset = datasets.load("digits", image_size=12)
    changed = dataclasses.replace(
        dataset, mean=dataset.mean + 1, std=dataset.std * 3, fingerprint="other"
    )
    monkeypatch.setattr(datasets, "load", lambda *args, **named: changed)
    after = evaluate(run, device="cpu")
    assert after["data_changed"]
    assert after["loss"] == before["loss"]


def test_a_damaged_record_is_refused(tmp_path):
    run = trained(tmp_path / "run")
    path = run.path / "preprocessing.json"
    path.write_text(path.read_text().replace('"L"', '"M"'))
    with pytest.raises(RunError, match=r"preprocessing.json is damaged") as raised:
        evaluate(run, device="cpu")
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("resize", "stretch"), ("background", "purple"), ("decode", "half")],
        *[("mode", "CMYK"), ("data_format", "NHWC"), ("resampling", "nearest")],
    ],
)
def test_a_rule_that_no_version_has_is_refused(name, value, tmp_path):
    run = make_run(tmp_path / "run")
    record = preprocessing.Preprocessing(
        *("images", "channels_last", "L", 8, 8, "bilinear", 1 / 255, (0.0,), (1.0,)),
        *("logits", ("a", "b")),
    )
    record.write(run)
    assert preprocessing.read(run) == record
    dataclasses.replace(record, **{name: value}).write(run)
    with pytest.raises(RunError, match=f"{name} must be '"):
        preprocessing.read(run)


def test_runs_without_the_record_are_evaluated_and_given_it_when_they_go_on(tmp_path):
    run = trained(tmp_path / "run")
    before = evaluate(run, device="cpu")
    runs.remove(run.path / "preprocessing.json")
    assert evaluate(run, device="cpu")["loss"] == before["loss"]
    longer = dataclasses.replace(run.recipe, epochs=3)
    run = fit(longer, run.path, resume=True, device="cpu", verbosity=0)
    assert preprocessing.read(run) is not None
