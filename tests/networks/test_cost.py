"""Parameters and multiply-accumulates, against hand counts and published figures."""

import keras
import pytest

from kerasnets import build_model
from kerasnets.errors import RunError
from kerasnets.networks.cost import model_cost, network_cost
from kerasnets.recipe import Recipe


def test_a_small_network_counted_by_hand():
    inputs = keras.Input((9, 7, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(6, 3, strides=2, groups=2)(x)
    x = keras.layers.Dropout(0.5, seed=1)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    cost = model_cost(model)
    convolutions = 9 * 7 * (3 * 3 * 3 * 8), 4 * 3 * (3 * 3 * 4 * 6)
    assert cost.macs == sum(convolutions) + (4 * 3 * 6) * 10
    assert cost.flops == 2 * cost.macs
    assert cost.parameters == (216 + 8) + 2 * 8 + (216 + 6) + (720 + 10)


def test_channels_first_counts_the_same():
    shapes = {"channels_last": (32, 32, 3), "channels_first": (3, 32, 32)}
    costs = {
        model_cost(build_model("resnet18", shape, data_format=data_format))
        for data_format, shape in shapes.items()
    }
    assert len(costs) == 1


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet18", 1.81), ("resnet34", 3.66), ("densenet121", 2.83), ("vgg11", 7.61)],
)
def test_torchvisions_published_gigaflops_at_224_pixels(name, published):
    # The "GFLOPS" of torchvision's table of classification weights.
    model = build_model(name, (224, 224, 3), num_classes=1000)
    assert round(model_cost(model).macs / 1e9, 2) == published


def test_layers_without_a_rule_are_not_passed_over():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.DepthwiseConv2D(3)(inputs))
    with pytest.raises(ValueError, match="no rule"):
        model_cost(model)


def test_the_recorded_parameters_tell_how_many_channels_the_images_have():
    recipe = Recipe.for_paper("resnet18", "my_images")
    assert recipe.channels is None
    grey, colored = 11_175_370, 11_181_642
    first = network_cost(recipe, 10, grey)
    second = network_cost(recipe, 10, colored)
    assert (first.parameters, second.parameters) == (grey, colored)
    assert second.macs - first.macs == 16 * 16 * 7 * 7 * 2 * 64
    with pytest.raises(RunError, match="12 are recorded"):
        network_cost(recipe, 10, 12)
