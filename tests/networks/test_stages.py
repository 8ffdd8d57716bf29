"""What is frozen, and the rates of the rest."""

import keras
import pytest

from kerasnets.catalog.networks import NETWORKS, frozen_stages
from kerasnets.errors import RecipeError
from kerasnets.networks import build_model
from kerasnets.networks.stages import freeze, rates


def learning(model) -> list[str]:
    return [layer.name for layer in model.layers if layer.trainable_weights]


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "densenet121"])
def test_stages_are_frozen_from_the_images_on(name, shapes_only):
    with shapes_only:
        model = build_model(name, batch_norm=True)
    every = learning(model)
    freeze(model, "all-but-head")
    assert learning(model) == ["classifier"]
    freeze(model, "stages:2")
    assert (
        learning(model)[0]
        == "stage3_"
        + {
            "vgg11": "conv1",
            "resnet18": "block1_conv1",
            "densenet121": "layer1_conv1_norm",
        }[name]
    )
    left = learning(model)
    freeze(model, f"stages:{NETWORKS[name].stages}")
    after = {"vgg11": ["fc1", "fc2", "classifier"]}.get(name, ["classifier"])
    assert learning(model) == after
    freeze(model, "none")
    assert learning(model) == every
    # A transition belongs to the stage before it: its norm ends the stage's block.
    assert left == [one for one in every if not _before_third_stage(one)]


def _before_third_stage(layer: str) -> bool:
    return layer.startswith(("stem", "stage1", "stage2", "transition1", "transition2"))


def test_frozen_norms_keep_their_statistics():
    model = build_model("resnet18", (16, 16, 3), stem="cifar")
    freeze(model, "stages:1")
    frozen = model.get_layer("stage1_block1_conv1_norm")
    learns = model.get_layer("stage2_block1_conv1_norm")
    before = [keras.ops.copy(one.moving_mean.value) for one in (frozen, learns)]
    model(keras.random.normal((4, 16, 16, 3)), training=True)
    assert bool(keras.ops.all(frozen.moving_mean.value == before[0]))
    assert not bool(keras.ops.all(learns.moving_mean.value == before[1]))


@pytest.mark.parametrize("what", ["stages:0", "stages:5", "stages:x", "head", ""])
def test_what_cannot_be_frozen_is_refused(what):
    with pytest.raises(RecipeError, match="of which resnet18 has 1 to 4"):
        frozen_stages("resnet18", what)


def test_rates_fall_from_the_head_to_the_stem(shapes_only):
    with shapes_only:
        model = build_model("resnet18")
        vgg = build_model("vgg11")
    assert rates(model, 1, 1) == {}
    found = rates(model, 10, 0.5)

    def factor(network, factors, layer):
        return factors.get(id(network.get_layer(layer).kernel), 1)

    layers = ("classifier", "stage4_block2_conv2", "stage1_block1_conv1", "stem_conv")
    factors = [factor(model, found, layer) for layer in layers]
    assert factors == [10, 0.5, 0.5**4, 0.5**5]
    found = rates(vgg, 1, 0.5)
    layers = ("classifier", "fc2", "fc1", "stage5_conv1", "stage1_conv1")
    factors = [factor(vgg, found, layer) for layer in layers]
    assert factors == [1, 0.5, 0.5, 0.25, 0.5**6]
