"""Weights of another task: what is loaded, adapted, made anew and skipped."""

import keras
import numpy as np
import pytest
from torch_twins import random_twin

from kerasnets.errors import WeightsError
from kerasnets.networks import build_model
from kerasnets.networks.pretrained import torchvision_weights
from kerasnets.networks.transfer import transfer


def arrays(name="resnet18", batch_norm=True):
    twin = random_twin(name, batch_norm)
    return {key: value.numpy() for key, value in twin.state_dict().items()}


def logits(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def test_another_number_of_classes_makes_the_head_anew():
    model = build_model("resnet18", num_classes=7, seed=0)
    head = keras.ops.convert_to_numpy(model.get_layer("classifier").kernel).copy()
    given = arrays()
    found = transfer(model, given)
    assert found.new == {"classifier": "10 classes there, 7 here"}
    assert found.skipped == ["fc.weight", "fc.bias"]
    assert len(found.loaded) == 40 and "stage4_block2_conv2_norm" in found.loaded
    now = keras.ops.convert_to_numpy(model.get_layer("classifier").kernel)
    np.testing.assert_array_equal(now, head)
    ours = torchvision_weights(model)
    for key in ours.keys() - {"fc.weight", "fc.bias"}:
        np.testing.assert_array_equal(ours[key], given[key])


def test_the_head_is_loaded_where_classes_are_the_same():
    model = build_model("resnet18", num_classes=10)
    given = arrays()
    assert not transfer(model, given).new
    np.testing.assert_array_equal(
        torchvision_weights(model)["fc.bias"], given["fc.bias"]
    )
    found = transfer(build_model("resnet18", num_classes=10), given, head=False)
    assert found.new == {"classifier": "the classes differ"}


@pytest.mark.parametrize("name", ["resnet18", "vgg11"])
def test_grey_images_give_what_three_equal_channels_gave(name):
    given = arrays(name, batch_norm=name == "resnet18")
    head = "compact" if name == "vgg11" else "imagenet"
    options = {"dropout": 0.0, "head": head, "seed": 0}
    colored = build_model(name, (32, 32, 3), **options)
    grey = build_model(name, (32, 32, 1), **options)
    transfer(colored, given)
    (how,) = transfer(grey, given).adapted.values()
    assert how == "kernel summed over three channels"
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype("float32")
    wanted = logits(colored, np.repeat(images, 3, 3))
    np.testing.assert_allclose(logits(grey, images), wanted, atol=1e-4)
    back = build_model(name, (32, 32, 3), **options)
    (how,) = transfer(back, torchvision_weights(grey)).adapted.values()
    assert how == "kernel divided among three channels"
    again = logits(back, np.repeat(images, 3, 3))
    np.testing.assert_allclose(again, wanted, atol=1e-4)


def test_another_stem_and_head_are_made_anew():
    found = transfer(build_model("resnet18", stem="cifar"), arrays())
    assert list(found.new) == ["stem_conv", "stem_conv_norm"]
    assert {"conv1.weight", "bn1.weight"} <= set(found.skipped)
    given = arrays("vgg11", batch_norm=False)
    found = transfer(build_model("vgg11", head="compact", num_classes=3), given)
    assert list(found.new) == ["fc1", "fc2", "classifier"]
    assert {"classifier.0.weight", "classifier.3.bias"} <= set(found.skipped)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop("layer3.0.conv1.weight"), "needs 'layer3.0.conv1.weight'"),
        (lambda w: w.update({"layer1.2.conv1.weight": np.ones(3)}), "not a parameter"),
        (lambda w: w.update({"bn1.bias": np.ones(3, "f4")}), "of shape"),
        (lambda w: w["layer1.0.bn1.weight"].fill(np.nan), "not finite"),
        (lambda w: w.update({"bn1.bias": np.array(["a"])}), "not an array of numbers"),
    ],
)
def test_weights_of_another_network_change_nothing(change, says):
    model = build_model("resnet18", num_classes=3, seed=0)
    before = [np.array(one) for one in model.get_weights()]
    given = {key: np.array(value) for key, value in arrays().items()}
    change(given)
    with pytest.raises(WeightsError, match=says) as error:
        transfer(model, given)
    assert "\n" not in str(error.value)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("norms", "says"),
    [(True, "weights are for batch_norm=False"), (False, "batch_norm=True")],
)
def test_weights_for_the_other_form_of_vgg_say_which(norms, says, shapes_only):
    given = dict.fromkeys(arrays("vgg11", not norms), np.zeros(0))
    with shapes_only, pytest.raises(WeightsError, match=says):
        transfer(build_model("vgg11", batch_norm=norms), given)
