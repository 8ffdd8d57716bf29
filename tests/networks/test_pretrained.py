import re

import keras
import narrow
import numpy as np
import pytest
import torch
from torch_twins import random_twin

from kerasnets.catalog.networks import NETWORKS
from kerasnets.errors import WeightsError
from kerasnets.networks import build_model
from kerasnets.networks.pretrained import load_torchvision_weights, torchvision_names


@pytest.fixture
def short():
    with narrow.shortened():
        yield


def logits_of_both(model, twin, pixels):
    images = np.random.default_rng(0).normal(size=(2, *pixels, 3)).astype("float32")
    with torch.no_grad():
        wanted = twin(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    last = model.input_shape[-1] == 3
    given = images if last else images.transpose(0, 3, 1, 2)
    return keras.ops.convert_to_numpy(model(given, training=False)), wanted


@pytest.mark.parametrize(
    ("name", "batch_norm", "pixels", "data_format"),
    [
        ("vgg11", False, (64, 96), "channels_first"),
        ("vgg11", True, (64, 32), "channels_last"),
        ("resnet18", True, (32, 32), "channels_last"),
        ("resnet18", True, (64, 64), "channels_first"),
        ("resnet50", True, (33, 65), "channels_last"),
        ("densenet121", True, (64, 64), "channels_last"),
    ],
)
def test_logits_are_those_of_torch(name, batch_norm, pixels, data_format, short):
    twin = random_twin(name, batch_norm)
    shape = (*pixels, 3) if data_format == "channels_last" else (3, *pixels)
    model = build_model(name, shape, batch_norm=batch_norm, data_format=data_format)
    load_torchvision_weights(model, twin.state_dict())
    got, wanted = logits_of_both(model, twin, pixels)
    assert np.ptp(wanted) > 1e-3
    np.testing.assert_allclose(got, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "batch_norm"),
    [
        (name, batch_norm)
        for name, network in NETWORKS.items()
        # torchvision has ResNets and DenseNets with batch norm only.
        for batch_norm in ((True,) if network.batch_norm else (False, True))
    ],
)
def test_names_are_torchvisions(name, batch_norm, shapes_only):
    models = pytest.importorskip("torchvision").models
    with torch.device("meta"):
        suffix = "_bn" if batch_norm and not NETWORKS[name].batch_norm else ""
        theirs = getattr(models, name + suffix)(weights=None, num_classes=10)
    with shapes_only:
        model = build_model(name, batch_norm=batch_norm)
    ours = {key: np.prod(v.shape) for v, key, _ in torchvision_names(model)}
    assert ours == {
        key: value.numel()
        for key, value in theirs.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def arrays(name="resnet18"):
    return {
        key: value.numpy()
        for key, value in random_twin(name, NETWORKS[name].batch_norm)
        .state_dict()
        .items()
    }


@pytest.mark.parametrize(
    ("name", "batch_norm"),
    [
        ("vgg11", False),
        ("vgg11", True),
        ("resnet18", True),
        ("resnet50", True),
        ("densenet121", True),
    ],
)
def test_every_weight_is_named_once(name, batch_norm, shapes_only):
    with shapes_only:
        model = build_model(name, batch_norm=batch_norm)
    named = list(torchvision_names(model))
    assert len({key for _, key, _ in named}) == len(named)
    # Beside the weights, a model counts the random state of its dropouts.
    weights = {id(v) for v in model.weights if v.name != "seed_generator_state"}
    assert {id(v) for v, _, _ in named} == weights


def test_old_densenet_names_are_understood(short):
    twin = random_twin("densenet121", True)
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", key): value
        for key, value in twin.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    model = build_model("densenet121")
    load_torchvision_weights(model, old)
    got, wanted = logits_of_both(model, twin, (32, 32))
    np.testing.assert_allclose(got, wanted, atol=1e-4)


def _lacking(state, *keys):
    return {key: value for key, value in state.items() if key not in keys}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda s: _lacking(s, "layer1.0.bn2.running_var", "fc.bias"),
            "needs 'layer1.0.bn2.running_var', which is missing",
        ),
        (
            lambda s: {**s, "fc.weight": np.zeros((1000, 512), "float32")},
            r"'fc.weight' has shape \(1000, 512\); resnet18 needs \(10, 512\)",
        ),
        (
            lambda s: {**s, "conv1.weight": np.zeros((64, 3, 3, 3), "float32")},
            r"'conv1.weight' has shape \(64, 3, 3, 3\); .* needs \(64, 3, 7, 7\)",
        ),
        (
            lambda s: {**s, "bn1.weight": np.zeros((64, 1, 1), "float32")},
            r"'bn1.weight' has shape \(64, 1, 1\); resnet18 needs \(64,\)",
        ),
        (
            lambda s: {**s, "layer5.0.conv1.weight": np.zeros(1)},
            "'layer5.0.conv1.weight' is not a parameter of resnet18",
        ),
        (lambda s: {**s, "fc.bias": ["a"] * 10}, "'fc.bias' is not an array of num"),
        (lambda s: {}, "needs 'conv1.weight', which is missing"),
        (lambda s: arrays("densenet121"), "needs 'conv1.weight'"),
    ],
)
def test_misfits_are_refused_and_nothing_is_changed(change, says):
    model = build_model("resnet18")
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.weights]
    with pytest.raises(WeightsError, match=says) as error:
        load_torchvision_weights(model, change(arrays()))
    assert "\n" not in str(error.value)
    for old, variable in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(variable))


def test_other_variants_are_refused(short):
    state = arrays("resnet18")
    for options, says in (
        ({"batch_norm": False}, "needs 'conv1.bias', which is missing"),
        ({"stem": "cifar"}, r"'conv1.weight' has shape \(64, 3, 7, 7\)"),
        ({"input_shape": (32, 32, 1)}, r"resnet18 needs \(64, 1, 7, 7\)"),
    ):
        with pytest.raises(WeightsError, match=says):
            load_torchvision_weights(build_model("resnet18", **options), state)
    compact = build_model("vgg11", head="compact")
    with pytest.raises(WeightsError, match=r"'classifier.0.weight' .* \(64, 512\)"):
        load_torchvision_weights(compact, arrays("vgg11"))


def test_other_models_are_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="mine")
    with pytest.raises(WeightsError, match="'mine' is not a network of kerasnets"):
        load_torchvision_weights(model, {})


def test_half_precision_and_missing_counters_are_welcome():
    twin = random_twin("resnet18", True)
    half = {
        key: value.bfloat16()
        for key, value in twin.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    model = build_model("resnet18")
    load_torchvision_weights(model, half)
    expected = half["fc.weight"].float().numpy().T
    kernel = model.get_layer("classifier").kernel
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(kernel), expected)
