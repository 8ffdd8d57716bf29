"""Maps of explanations: by hand, by Captum, under two backends, and insane networks."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import narrow
import numpy as np
import pytest
import warm_python
from PIL import Image
from trained_run import make_run

import kerasnets
from kerasnets import datasets
from kerasnets.cli.commands import run as _run
from kerasnets.cli.use.explain import METHODS as OFFERED
from kerasnets.errors import RunError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.inference.explain import maps as formulas
from kerasnets.inference.explain.explain import explain, mistakes
from kerasnets.inference.explain.maps import METHODS, _feature_layer
from kerasnets.inference.explain.pictures import overlay
from kerasnets.networks import build_model
from kerasnets.runs.explanations import FOLDER, read_explanations
from kerasnets.runs.results import remove_results
from kerasnets.storage import digests

SHAPE = (16, 16, 1)


def network(
    seed: int = 0, layout: str = "channels_last", side: int = 16
) -> keras.Model:
    """Three convolutions with norms, the last with stride 2; the same weights under
    every backend."""
    first = layout == "channels_first"
    x = inputs = keras.Input((1, side, side) if first else (side, side, 1))
    for filters, stride in ((8, 1), (16, 1), (16, 2)):
        x = keras.layers.Conv2D(filters, 3, stride, padding="same", data_format=layout)(
            x
        )
        x = keras.layers.BatchNormalization(axis=1 if first else -1)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D(data_format=layout)(x)
    model = keras.Model(inputs, keras.layers.Dense(5)(x))
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        fan_in = np.prod(weight.shape[:-1])
        if "kernel" in weight.path:
            weight.assign(rng.normal(0, np.sqrt(2 / fan_in), weight.shape))
        elif "moving_variance" not in weight.path and "gamma" not in weight.path:
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return model


def images(side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).random((3, side, side, 1)).astype("float32")


def maps(model, method, given=None, classes=(1, 4, 2)) -> np.ndarray:
    given = images() if given is None else given
    more = {
        "integrated-gradients": {"black": np.zeros(given.shape[1:], "float32")},
        "occlusion": {"grey": np.full(1, 0.5, "float32")},
    }.get(method, {})
    return METHODS[method](model, given, np.array(classes), **more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    recipe = kerasnets.Recipe.for_paper(
        "resnet18",
        "digits",
        image_size=8,
        epochs=1,
        limit=200,
        batch_size=25,
        learning_rate=0.05,
        stem="cifar",
    )
    path = tmp_path_factory.mktemp("explained") / "runs" / "run"
    with narrow.narrowed():
        run = kerasnets.fit(recipe, path, device="cpu", verbosity=0)
    evaluate(run, device="cpu")
    return run


def test_grad_cam_of_a_network_that_pools_is_the_class_activation_map():
    # Zhou et al. 2016: there the gradient is the class's weight by the map's pixels.
    inputs = keras.Input(SHAPE)
    small = keras.layers.ReLU(name="maps")(
        keras.layers.Conv2D(6, 3, strides=2, padding="same")(inputs)
    )
    dense = keras.layers.Dense(5)
    pooled = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(small)))
    found = maps(pooled, "grad-cam")
    features = np.asarray(
        keras.ops.convert_to_numpy(keras.Model(inputs, small)(images()))
    )
    weights = keras.ops.convert_to_numpy(dense.kernel)[:, [1, 4, 2]].T / 64
    by_hand = np.maximum((features * weights[:, None, None]).sum(axis=3), 0)
    for one, other in zip(found, by_hand, strict=True):
        enlarged = Image.fromarray(other).resize((16, 16), Image.Resampling.BILINEAR)
        assert one == pytest.approx(np.asarray(enlarged), abs=1e-6)


def test_grad_cam_plus_is_its_formula():
    inputs = keras.Input(SHAPE)
    small = keras.layers.ReLU()(
        keras.layers.Conv2D(6, 3, strides=2, padding="same")(inputs)
    )
    dense = keras.layers.Dense(5)
    model = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(small)))
    found = maps(model, "grad-cam++")
    features = np.asarray(
        keras.ops.convert_to_numpy(keras.Model(inputs, small)(images()))
    )
    weights = keras.ops.convert_to_numpy(dense.kernel)[:, [1, 4, 2]].T / 64
    for row in range(3):
        whole = np.zeros((8, 8))
        for k in range(6):
            g = weights[row, k]
            alpha = g**2 / (2 * g**2 + features[row, ..., k].sum() * g**3)
            whole += 64 * alpha * max(g, 0) * features[row, ..., k]
        enlarged = Image.fromarray(np.maximum(whole, 0).astype("float32")).resize(
            (16, 16), Image.Resampling.BILINEAR
        )
        assert found[row] == pytest.approx(np.asarray(enlarged), rel=1e-4, abs=1e-6)


def test_integrated_gradients_add_up_to_what_the_logit_gains():
    model = network()
    found = maps(model, "integrated-gradients")
    both = np.concatenate([images(), np.zeros((1, *SHAPE), "float32")])
    logits = keras.ops.convert_to_numpy(model(both, training=False))
    gained = logits[[0, 1, 2], [1, 4, 2]] - logits[3, [1, 4, 2]]
    assert found.sum(axis=(1, 2)) == pytest.approx(gained, rel=0.02, abs=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Captum is PyTorch's")
def test_captum_finds_the_same():
    attr = pytest.importorskip("captum.attr", reason="Captum is not installed")
    import torch

    model = network()

    def forward(rows):
        return model(rows, training=False)

    given = torch.from_numpy(images())
    target = torch.tensor([1, 4, 2])
    theirs = attr.IntegratedGradients(forward).attribute(
        given, target=target, n_steps=50, method="gausslegendre"
    )
    ours = maps(model, "integrated-gradients")
    assert ours == pytest.approx(theirs.detach().numpy()[..., 0], abs=1e-5)
    theirs = attr.Occlusion(forward).attribute(
        given, (2, 2, 1), strides=(1, 1, 1), baselines=0.5, target=target
    )
    ours = maps(model, "occlusion")
    assert ours == pytest.approx(theirs.detach().numpy()[..., 0], abs=1e-5)


# Not Grad-CAM++, whose weights are never negative: its maps keep much of the image.
@pytest.mark.parametrize("method", ["grad-cam", "integrated-gradients", "occlusion"])
def test_random_weights_destroy_the_map(method, learned):
    from scipy.stats import spearmanr

    # Adebayo et al. 2018: a map that survives shows edges, not the network.
    model, given, classes = learned
    own = maps(model, method, given, classes)
    # One random network may by chance speak for a class where there is ink.
    alike = [
        spearmanr(one.ravel(), other.ravel()).statistic
        for seed in (1, 2, 3)
        for one, other in zip(
            own, maps(network(seed, side=8), method, given, classes), strict=True
        )
        if np.ptp(one) and np.ptp(other)
    ]
    assert len(alike) >= 12
    assert abs(np.mean(alike)) < 0.5
    assert maps(model, method, given, classes) == pytest.approx(own, abs=1e-6)


@pytest.fixture(scope="module")
def learned():
    """A network that tells pairs of digits apart, images and its predictions."""
    data = datasets.load("digits", image_size=8)
    given = data.test.images[:12] / np.float32(255)
    model = network(side=8)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    train = data.train.images[:500] / np.float32(255)
    labels = data.train.labels[:500] // 2
    model.fit(train, labels, epochs=2, shuffle=False, verbose=0)
    return model, given, model.predict(given, verbose=0).argmax(axis=1)


def test_channels_first_gives_the_same_map():
    # Keras with TensorFlow adds the bias to the wrong axis of maps whose width is their
    # number, here 8.
    last, first = network(side=10), network(layout="channels_first", side=10)
    first.set_weights(last.get_weights())
    given = images(10)
    for method in METHODS:
        found = maps(first, method, given.transpose(0, 3, 1, 2))
        assert found == pytest.approx(maps(last, method, given), abs=1e-5), method


_MAPS = """
import sys, numpy as np
sys.path[:0] = [{here!r}]
import test_explain as t
t.formulas._STEPS = 5
model, given = t.network(side=8), t.images(8)
np.savez({out!r}, **{{m: t.maps(model, m, given) for m in t.METHODS}})
"""


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="compared with torch")
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_other_backends_find_the_same(backend, tmp_path, monkeypatch):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    monkeypatch.setattr(
        formulas, "_STEPS", 5
    )  # of the integral: JAX compiles none of them
    here, out = Path(__file__).parent, tmp_path / "maps.npz"
    paths = [str(here), str(here.parent), *sys.path]
    result = subprocess.run(
        [
            warm_python.executable(backend),
            "-c",
            _MAPS.format(here=str(here), out=str(out)),
        ],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(paths),
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    theirs = np.load(out)
    for method in METHODS:
        ours = maps(network(side=8), method, images(8))
        scale = np.abs(ours).max()
        assert theirs[method] / scale == pytest.approx(ours / scale, abs=1e-4), method


def test_mistakes_are_explained_and_shown_in_the_report(trained, capsys, tmp_path):
    status = _run(["explain", str(trained.path), "--device", "cpu"])
    assert status == 0, capsys.readouterr().err
    folder = trained.path / FOLDER
    rows = read_explanations(folder)
    assert 1 <= len(rows) <= 12
    assert all(row.label != row.prediction == row.explained for row in rows)
    confidences = [row.confidence for row in rows]
    assert confidences == sorted(confidences, reverse=True)
    with Image.open(folder / rows[0].file) as picture:
        assert picture.size == (448, 224)
    assert digests.verify(trained.path).findings == ()
    page = tmp_path / "report.html"
    words = ["report", str(trained.path.parent), "--no-diagnose", "--out", str(page)]
    assert _run(words) == 0, capsys.readouterr().err
    html = page.read_text(encoding="utf-8")
    assert "What the mistakes depend on" in html
    assert f"true {rows[0].label}, predicted {rows[0].prediction}" in html
    # Another call's pictures take the place of these; further training ends them all.
    status = _run(["explain", str(trained.path), "--class", "3", "--device", "cpu"])
    assert status == 0
    assert {row.explained for row in read_explanations(folder)} == {"3"}
    assert len(list(folder.glob("*.png"))) == len(rows)
    remove_results(trained)
    assert not folder.exists()
    evaluate(trained, device="cpu")


def test_images_are_explained_to_a_folder(trained, digit_files, capsys, tmp_path):
    out = tmp_path / "maps"
    words = ["explain", str(trained.path), str(digit_files[0]), str(digit_files[1])]
    words += ["--method", "occlusion", "--out", str(out), "--device", "cpu"]
    assert _run(words) == 0
    assert len(list(out.glob("*.png"))) == 2
    assert str(digit_files[0]) in capsys.readouterr().out
    assert [row.method for row in read_explanations(out)] == ["occlusion"] * 2


def test_the_python_call_gives_maps_of_the_networks_size(trained, digit_files):
    classifier = kerasnets.load(trained, device="cpu")
    (one,) = explain(classifier, digit_files[0], method="integrated-gradients")
    assert one.map.shape == one.pixels.shape[:2] == (8, 8)
    assert one.explained == one.prediction
    found = mistakes(classifier, class_name="7")
    test = datasets.load("digits", image_size=8).test
    row = int(found[0].name.removeprefix("test-"))
    assert np.array_equal(found[0].pixels, test.images[row])
    assert found[0].label == str(test.labels[row]) != found[0].prediction
    with pytest.raises(RunError, match="unknown method 'gradcam'"):
        explain(classifier, digit_files[0], method="gradcam")


def test_an_overlay_is_the_image_beside_itself():
    pixels = np.full((8, 8, 3), 100, np.uint8)
    map_ = np.full((8, 8), -1.0, np.float32)
    map_[:4, :4] = 2
    drawn = overlay(pixels, map_)
    assert drawn.shape == (224, 448, 3)
    assert (drawn[:, :224] == 100).all()
    assert (drawn[180:, 404:] == 100).all()
    assert (drawn[:90, 224:314] != 100).any(axis=2).all()


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [
        ("resnet34", 224, "stage4_block3_relu"),
        ("vgg11", 224, "stage5_conv2_relu"),
        ("densenet121", 224, "final_relu"),
        ("resnet50", 32, "stage2_block4_relu"),
    ],
)
def test_maps_are_of_the_last_layer_that_is_fine_enough(name, size, layer):
    head = {"head": "compact"} if name == "vgg11" else {}
    model = build_model(name, (size, size, 3), 2, seed=0, **head)
    assert _feature_layer(model).name == layer


def test_the_commands_methods_are_those_that_there_are():
    assert tuple(OFFERED) == tuple(METHODS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--method gradcam", "Did you mean 'grad-cam'"),
        ("--class 11 IMAGE", "unknown class '11'"),
        ("nowhere.png", "there is no file nowhere.png"),
        ("IMAGE", "no feature maps of more than one pixel"),
        ("", "is not evaluated"),
        ("IMAGE --method occlusion --out full", "contains other files"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    arguments, says, digit_files, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "001-mine.png").write_text("years of work")
    before = sorted(tmp_path.rglob("*"))
    words = arguments.replace("IMAGE", str(digit_files[0])).split()
    status = _run(["explain", "run", *words, "--device", "cpu"])
    out, err = capsys.readouterr()
    assert (status, out, len(err.splitlines())) == (2, "", 1), err
    assert says in err
    assert sorted(tmp_path.rglob("*")) == before
