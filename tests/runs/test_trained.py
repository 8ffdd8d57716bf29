"""A model file from elsewhere can run no code."""

import json
import zipfile
from pathlib import Path

import keras
import narrow
import numpy as np
import pytest
from backend_here import not_under
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasnets import build_model
from kerasnets.errors import RunError
from kerasnets.runs import trained
from kerasnets.runs.records import class_names, environment
from kerasnets.runs.trained import load_model


def save(run, build):
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, build(keras, inputs)).save(run.model_file)


def test_a_lambda_does_not_run(run, tmp_path):
    trace = tmp_path / "it ran"
    save(
        run,
        lambda keras, x: keras.layers.Lambda(
            lambda value, path=str(trace): (Path(path).touch(), value)[1],
            output_shape=(8, 8, 1),
        )(x),
    )
    trace.unlink(missing_ok=True)
    with pytest.raises(RunError, match="is refused: it has Lambda"):
        load_model(run)
    assert not trace.exists()


def rewrite(run, change):
    """Change the configuration inside model.keras."""
    with zipfile.ZipFile(run.model_file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(run.model_file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "hostile",
    [
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "os", "class_name": "system", "config": {"command": "true"}},
        {
            "module": "keras.layers",
            "class_name": "StringLookup",
            "config": {"vocabulary": "/etc/passwd"},
        },
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {}},
        {"module": "x", "class_name": "two\nlines", "config": {}},
    ],
    ids=lambda hostile: ascii(hostile["class_name"]),
)
def test_other_classes_than_ours_are_refused_wherever_they_are(run, hostile):
    rewrite(run, lambda config: config["config"]["layers"][1].update(hidden=[hostile]))
    with pytest.raises(RunError, match="is refused") as caught:
        load_model(run)
    assert len(str(caught.value).splitlines()) == 1


def test_a_configuration_that_is_too_large_is_not_unpacked(run):
    with zipfile.ZipFile(run.model_file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (trained._LARGEST_CONFIG + 1))
    with pytest.raises(RunError, match="cannot be read as a Keras model"):
        load_model(run)


@pytest.mark.parametrize(
    ("network", "named"),
    [
        ("vgg11", {"head": "compact", "glorot": True, "batch_norm": True}),
        ("vgg11", {"input_shape": (32, 32, 3)}),
        ("vgg11", {"input_shape": (64, 64, 3)}),
        ("resnet18", {"dropout": 0.2}),
        ("resnet50", {"stem": "cifar", "batch_norm": False}),
        ("densenet121", {"growth_rate": 4, "dropout": 0.2}),
    ],
)
def test_every_network_is_made_of_classes_that_are_known(tmp_path, network, named):
    with narrow.shortened():
        model = build_model(network, num_classes=2, **named)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", model.to_json())
    assert trained._classes(tmp_path / "model.keras") <= trained._CLASSES


def test_an_environment_without_class_names_is_one_line(run):
    assert "class_names" not in environment(run)
    with pytest.raises(RunError, match="has no class names"):
        class_names(run)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_model_is_loaded_or_one_line(run, data):
    whole = run.model_file.read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    run.model_file.write_bytes(damaged)
    try:
        load_model(run)
    except RunError as error:
        assert len(str(error).splitlines()) == 1
    finally:
        run.model_file.write_bytes(whole)


@not_under("tensorflow")
def test_an_adaptive_pool_of_one_pixel_becomes_copies(run):
    """As runs of earlier versions have it. TensorFlow cannot compute it as it was."""
    inputs = keras.Input((2, 2, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 2)(inputs))
    x = keras.layers.AdaptiveAveragePooling2D((2, 3), name="head_pool")(x)
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, outputs)
    images = np.random.default_rng(0).normal(size=(3, 2, 2, 1)).astype("float32")
    model.save(run.model_file)
    loaded = load_model(run)
    assert type(loaded.get_layer("head_pool")) is keras.layers.UpSampling2D
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )
    assert [w.path for w in loaded.weights] == [w.path for w in model.weights]
