"""The spread of the initial weights, against the formulas of the papers."""

import keras
import numpy as np
import pytest

from kerasnets.networks import build_model


def kernel(model, name):
    return keras.ops.convert_to_numpy(model.get_layer(name).kernel)


def bias(model, name):
    return keras.ops.convert_to_numpy(model.get_layer(name).bias)


def assert_normal(values, std):
    """Standard deviation within 2 %, and 4.5 % of values beyond 2 of them."""
    assert np.std(values) == pytest.approx(std, rel=0.02)
    assert np.mean(np.abs(values) > 2 * std) == pytest.approx(0.0455, rel=0.1)


def assert_uniform(values, limit):
    assert np.abs(values).max() <= limit
    assert np.std(values) == pytest.approx(limit / 3**0.5, rel=0.05)


@pytest.fixture(scope="module")
def vgg():
    return build_model("vgg11", head="compact", seed=1)


@pytest.fixture(scope="module")
def resnet():
    return build_model("resnet18", num_classes=100, seed=1)


@pytest.fixture(scope="module")
def densenet():
    return build_model("densenet121", num_classes=100, seed=1)


def test_vgg_is_he_normal_by_fan_out_and_narrow_normal(vgg):
    assert_normal(kernel(vgg, "stage3_conv1"), (2 / (9 * 256)) ** 0.5)
    assert_normal(kernel(vgg, "fc1"), 0.01)
    assert_normal(kernel(vgg, "fc2"), 0.01)
    assert np.std(kernel(vgg, "classifier")) == pytest.approx(0.01, rel=0.02)
    for name in ("stage1_conv1", "stage5_conv2", "fc1", "classifier"):
        assert not bias(vgg, name).any()


def test_resnet_is_he_normal_by_fan_out_and_torch_linear(resnet):
    assert_normal(kernel(resnet, "stage2_block1_conv1"), (2 / (9 * 128)) ** 0.5)
    assert_normal(kernel(resnet, "stage4_block1_shortcut"), (2 / 512) ** 0.5)
    assert_uniform(kernel(resnet, "classifier"), 512**-0.5)
    assert np.abs(bias(resnet, "classifier")).max() <= 512**-0.5
    assert np.ptp(bias(resnet, "classifier")) > 512**-0.5


def test_densenet_is_he_normal_by_fan_in_and_torch_linear(densenet):
    assert_normal(kernel(densenet, "stage3_layer2_conv1"), (2 / 288) ** 0.5)
    assert_normal(kernel(densenet, "stage3_layer2_conv2"), (2 / (9 * 128)) ** 0.5)
    assert_uniform(kernel(densenet, "classifier"), 1024**-0.5)
    assert not bias(densenet, "classifier").any()


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "densenet121"])
def test_glorot_everywhere(name):
    head = "compact" if name == "vgg11" else "imagenet"
    model = build_model(name, glorot=True, batch_norm=False, head=head, seed=1)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            *window, fan_in, fan_out = layer.kernel.shape
            fans = (fan_in + fan_out) * int(np.prod(window))
            limit = (6 / fans) ** 0.5
            values = kernel(model, layer.name)
            assert np.abs(values).max() <= limit * 1.0001
            assert np.std(values) == pytest.approx(limit / 3**0.5, rel=0.1)
            assert not bias(model, layer.name).any()


def test_glorot_normal_has_the_variance_of_the_uniform_one():
    model = build_model("resnet18", glorot="normal", seed=1)
    assert_normal(kernel(model, "stage4_block2_conv2"), (2 / (9 * 1024)) ** 0.5)
    assert_normal(kernel(model, "classifier"), (2 / 522) ** 0.5)
    vgg = build_model("vgg11", glorot="normal", head="compact", seed=1)
    assert_normal(kernel(vgg, "fc2"), (2 / 8192) ** 0.5)


def test_no_two_layers_start_alike(resnet):
    one, other = (kernel(resnet, f"stage1_block{b}_conv1") for b in (1, 2))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05


def test_a_seed_makes_the_start_reproducible():
    starts = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        model = build_model("resnet18", dropout=0.2)
        starts.append([keras.ops.convert_to_numpy(v).copy() for v in model.variables])
    for one, same in zip(starts[0], starts[1], strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(starts[0][0], starts[2][0])
