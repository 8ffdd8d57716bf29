import itertools

import keras
import narrow
import numpy as np
import pytest

from kerasnets.catalog.networks import NETWORKS, minimum_size
from kerasnets.errors import RecipeError
from kerasnets.networks import build_model

# The smallest of each family, by its quickest head.
SMALL = {
    "vgg11": {"head": "compact"},
    "resnet18": {},
    "densenet121": {},
}


@pytest.fixture
def short():
    with narrow.shortened():
        yield


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def images(model, number=4):
    shape = (number, *model.input_shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def logits(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize(
    ("name", "batch_norm", "channels"),
    [
        *itertools.product(NETWORKS, (False, True), (3,)),
        *itertools.product(SMALL, (True,), (1,)),
    ],
)
def test_parameters_and_depth_are_counted_exactly(
    name, batch_norm, channels, shapes_only
):
    with shapes_only:
        model = build_model(name, (32, 32, channels), batch_norm=batch_norm)
    first = next(layer for layer in model.layers if hasattr(layer, "kernel"))
    size = {"vgg": 3}.get(NETWORKS[name].family, 7)
    assert first.kernel.shape[:3] == (size, size, channels)
    fewer = (3 - channels) * size * size * first.filters
    assert count(model) == NETWORKS[name].parameters[batch_norm] - fewer
    assert model.name == name
    weighted = [
        layer
        for layer in model.layers
        if hasattr(layer, "kernel") and "shortcut" not in layer.name
    ]
    assert len(weighted) == NETWORKS[name].depth


def test_compact_head_has_39_million(shapes_only):
    with shapes_only:
        model = build_model("vgg19", head="compact")
    dense = (512 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 10 + 10)
    assert count(model) == 20_024_384 + dense


@pytest.mark.parametrize("name", [*SMALL, "resnet50"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_step_lowers_the_loss(name, batch_norm, short):
    assert_learns(name, batch_norm, channels=3, **SMALL.get(name, {}))


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_a_step_lowers_the_loss_with_the_cifar_stem(name, short):
    assert_learns(name, True, channels=3, pixels=8, stem="cifar")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "batch_norm", "channels"),
    list(itertools.product(NETWORKS, (False, True), (1, 3))),
)
def test_every_network_learns(name, batch_norm, channels):
    assert_learns(name, batch_norm, channels)


def assert_learns(name, batch_norm, channels, pixels=32, **options):
    """Loss of one batch, before and after a step so short that it must go down."""
    keras.utils.set_random_seed(0)
    shape = (pixels, pixels, channels)
    model = build_model(name, shape, batch_norm=batch_norm, dropout=0, **options)
    x = images(model, 8)
    model.compile(
        optimizer=keras.optimizers.SGD(0.0001, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    before, after = (float(model.train_on_batch(x, np.arange(8))) for _ in range(2))
    assert np.isfinite(after)
    assert after < before


@pytest.mark.parametrize("name", SMALL)
def test_both_data_formats_give_the_same_logits(name, short):
    options = {**SMALL[name], "batch_norm": True}
    last = build_model(name, (33, 40, 3), data_format="channels_last", **options)
    first = build_model(name, (3, 33, 40), data_format="channels_first", **options)
    first.set_weights(last.get_weights())
    x = images(last)
    np.testing.assert_allclose(
        logits(last, x), logits(first, x.transpose(0, 3, 1, 2)), atol=1e-4
    )
    labels = np.arange(len(x))
    first.compile("sgd", "sparse_categorical_crossentropy")
    assert np.isfinite(first.train_on_batch(x.transpose(0, 3, 1, 2), labels))


def test_data_format_follows_keras():
    keras.config.set_image_data_format("channels_first")
    try:
        assert build_model("resnet18", (3, 32, 32)).input_shape == (None, 3, 32, 32)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", SMALL)
def test_a_saved_model_is_the_same_model(name, tmp_path, short):
    model = build_model(name, (40, 33, 3), dropout=0.1, **SMALL[name])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    x = images(model)
    np.testing.assert_array_equal(logits(model, x), logits(loaded, x))


def test_mixed_precision_gives_float32_logits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model("resnet18")
        assert model.get_layer("stem_conv").compute_dtype == "bfloat16"
        assert model.output.dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


def dropouts(name, **options):
    layers = build_model(name, **options).layers
    return [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)]


def test_dropout_is_where_and_what_the_original_has(shapes_only, short):
    with shapes_only:
        assert dropouts("vgg11") == [0.5, 0.5]
        assert dropouts("vgg11", dropout=0.3) == [0.3, 0.3]
        assert dropouts("vgg11", dropout=0) == []
        assert dropouts("resnet18") == dropouts("densenet121") == []
        assert dropouts("resnet18", dropout=0.2) == [0.2]
        assert dropouts("densenet121", dropout=0.2) == [0.2]


def test_batch_norm_has_torchvisions_constants():
    layer = build_model("resnet18").get_layer("stem_conv_norm")
    assert layer.epsilon == 1e-5
    assert layer.momentum == 0.9


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg11", {"stage1_conv1", "stage5_conv2_relu", "fc1", "fc2", "classifier"}),
        ("resnet50", {"stem_conv", "stage2_block1_conv1_norm", "stage4_block3_relu"}),
        ("densenet121", {"stage3_layer24_conv2", "transition1_conv", "final_norm"}),
    ],
)
def test_layer_names_say_where_a_layer_is(name, expected, shapes_only):
    with shapes_only:
        model = build_model(name)
    assert expected <= {layer.name for layer in model.layers}


@pytest.mark.parametrize("name", SMALL)
def test_layer_names_do_not_depend_on_what_was_built_before(name, shapes_only):
    with shapes_only:
        first, again = (build_model(name, (64, 64, 3)) for _ in range(2))
    assert [a.name for a in first.layers] == [b.name for b in again.layers]


def test_growth_rate_sets_the_width(shapes_only):
    with shapes_only:
        model = build_model("densenet121", growth_rate=12)
        assert model.get_layer("stem_conv").kernel.shape == (7, 7, 3, 24)
        assert model.get_layer("stage1_layer1_conv2").kernel.shape == (3, 3, 48, 12)


@pytest.mark.parametrize(
    ("name", "options", "maps"),
    [
        ("resnet18", {"stem": "imagenet"}, 1),
        ("resnet18", {"stem": "cifar"}, 4),
        ("densenet121", {"stem": "imagenet"}, 1),
        ("densenet121", {"stem": "cifar"}, 4),
    ],
)
def test_cifar_stem_leaves_larger_maps(name, options, maps, shapes_only):
    with shapes_only:
        model = build_model(name, **options)
    assert model.get_layer("global_pool").input.shape[1:3] == (maps, maps)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("vgg11", "imagenet"),
        ("resnet18", "imagenet"),
        ("resnet18", "cifar"),
        ("densenet121", "imagenet"),
        ("densenet121", "cifar"),
    ],
)
def test_the_smallest_image_is_stated_and_works(name, stem, short):
    smallest = minimum_size(name, stem)
    options = {**SMALL[name], "stem": stem, "batch_norm": True}
    model = build_model(name, (smallest, smallest + 3, 2), **options)
    assert np.isfinite(logits(model, images(model))).all()
    if smallest > 1:
        says = f"{name} with the {stem} stem needs images of at least {smallest}x"
        with pytest.raises(RecipeError, match=says):
            build_model(name, (smallest, smallest - 1, 3), **options)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("resnt34", {}, "unknown network 'resnt34'. Did you mean 'resnet34'?"),
        ("", {}, "unknown network ''"),
        ("vgg11", {"head": "small"}, "unknown head 'small'. Allowed: imagenet, comp"),
        ("vgg11", {"stem": "cifar"}, "stem 'cifar' is for ResNet and DenseNet"),
        ("resnet18", {"head": "compact"}, "head 'compact' is for VGG networks"),
        ("resnet18", {"stem": "cifra"}, "Did you mean 'cifar'?"),
        ("resnet18", {"growth_rate": 12}, "only DenseNet networks have one"),
        ("densenet121", {"growth_rate": 0}, "growth_rate must be a whole number >= 1"),
        ("densenet121", {"growth_rate": 1.5}, "growth_rate must be a whole number"),
        ("vgg11", {"dropout": 1}, "dropout must be a number in [0, 1), not 1"),
        ("vgg11", {"dropout": "a"}, "dropout must be a number in [0, 1), not 'a'"),
        ("vgg11", {"dropout": float("nan")}, "dropout must be"),
        ("vgg11", {"num_classes": 1}, "num_classes must be a whole number >= 2, not 1"),
        ("vgg11", {"num_classes": 2.5}, "num_classes must be a whole number"),
        ("vgg11", {"input_shape": (32, 32)}, "three whole numbers >= 1 (height, width"),
        ("vgg11", {"input_shape": (32, 32, 0)}, "three whole numbers >= 1"),
        ("vgg11", {"input_shape": (None, None, 3)}, "three whole numbers >= 1"),
        ("vgg11", {"data_format": "channel_last"}, "Did you mean 'channels_last'?"),
    ],
)
def test_mistakes_are_refused_in_one_line(name, options, says):
    with pytest.raises(RecipeError) as error:
        build_model(name, **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
