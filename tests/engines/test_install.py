"""The PyTorch engine computes what Keras computes, on the same variables."""

import contextlib

import keras
import narrow
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the engine is the PyTorch backend's"
)

torch = pytest.importorskip("torch")

from kerasnets.benchmark.contenders.plain_torch import plain_network  # noqa: E402
from kerasnets.catalog.networks import NETWORKS  # noqa: E402
from kerasnets.engines import install  # noqa: E402
from kerasnets.engines.torch_graph.convolution.small_maps import SmallMapConv  # noqa: E402
from kerasnets.engines.torch_graph.convolution.whole_maps import WholeMapConv  # noqa: E402
from kerasnets.networks import build_model  # noqa: E402
from kerasnets.networks.pretrained import (  # noqa: E402
    load_torchvision_weights,
    torchvision_names,
)

# Every family with every option that changes its graph, at sizes that leave 1x1, 2x2
# and larger maps behind.
CASES = [
    ("vgg11", 32, {"head": "compact", "dropout": 0.3}),
    ("vgg11", 64, {"head": "compact", "batch_norm": True}),
    ("resnet18", 32, {}),
    ("resnet18", 64, {"dropout": 0.2, "glorot": True}),
    ("resnet18", 32, {"batch_norm": False}),
    ("resnet18", 16, {"stem": "cifar"}),
    ("resnet50", 64, {}),
    ("densenet121", 32, {"growth_rate": 8}),
    ("densenet121", 64, {"growth_rate": 8, "batch_norm": False}),
    ("densenet121", 16, {"growth_rate": 8, "stem": "cifar", "dropout": 0.2}),
]


@pytest.fixture(scope="module", autouse=True)
def short():
    with narrow.shortened():
        yield


def has_batch_norm(case) -> bool:
    name, _, options = case
    return options.get("batch_norm", NETWORKS[name].batch_norm)


def made(name: str, size: int, options: dict, data_format: str = "channels_last"):
    keras.utils.set_random_seed(3)
    shape = (size, size, 2) if data_format == "channels_last" else (2, size, size)
    model = build_model(name, shape, num_classes=5, data_format=data_format, **options)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.optimizer.build(model.trainable_variables)
    return model


@contextlib.contextmanager
def without_engine(model):
    """Keras's own call and steps."""
    lowered = model.call, model.train_step, model.optimizer.apply
    del model.call, model.train_step, model.optimizer.apply
    yield
    model.call, model.train_step, model.optimizer.apply = lowered


def images(model, count: int):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, *model.input_shape[1:])).astype(keras.config.floatx())
    return x, rng.integers(0, 5, count)


def gradients(model, x, y):
    """Loss, and the gradients of all weights as one float64 vector."""
    model.zero_grad()
    loss = model.compute_loss(y=y, y_pred=model(x, training=True))
    loss.backward()
    grads = [w.value.grad.numpy().ravel() for w in model.trainable_weights]
    return float(loss.detach()), np.concatenate(grads).astype("float64")


@pytest.fixture
def float64():
    """Keras in float64, where the same computation agrees more closely than float32
    can tell."""
    before = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])


def keras_order(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def assert_close(ours, theirs, tolerance):
    scale = max(np.abs(theirs).max(), 1e-6)
    assert np.abs(ours - theirs).max() / scale < tolerance


LAST, FIRST = "channels_last", "channels_first"


@pytest.mark.parametrize(
    ("name", "size", "data_format"),
    [
        ("resnet18", 32, LAST),
        ("resnet18", 64, LAST),
        ("resnet50", 64, LAST),
        ("densenet121", 32, LAST),
        ("densenet121", 64, LAST),
        ("resnet50", 64, FIRST),
        ("densenet121", 32, FIRST),
        # Of the same kinds of layers and maps as the two above.
        *(
            pytest.param(*case, FIRST, marks=pytest.mark.slow)
            for case in (("resnet18", 32), ("resnet18", 64), ("densenet121", 64))
        ),
    ],
)
def test_batch_norm_gradients_are_plain_torchs(name, size, data_format, float64):
    # Not Keras's: its batch norm computes in float32 whatever it is given.
    twin = plain_network(name, batch_norm=True, channels=2, num_classes=5).double()
    lowered = made(name, size, {}, data_format)
    load_torchvision_weights(lowered, twin.state_dict())
    install.install(lowered)
    x, y = images(lowered, 8)
    loss, ours = gradients(lowered, x, y)
    pixels = torch.from_numpy(x)
    if data_format == "channels_last":
        pixels = pixels.permute(0, 3, 1, 2)
    # The last layer is float32 under every policy.
    logits = twin(pixels).float()
    expected_loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))
    expected_loss.backward()
    names = {id(v): key for v, key, _ in torchvision_names(lowered)}
    parameters = dict(twin.named_parameters())
    theirs = np.concatenate(
        [
            keras_order(parameters[names[id(w)]].grad.numpy()).ravel()
            for w in lowered.trainable_weights
        ]
    )
    assert loss == pytest.approx(float(expected_loss.detach()), rel=1e-5)
    assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)


@pytest.mark.parametrize(
    ("name", "size", "options"), [case for case in CASES if not has_batch_norm(case)]
)
def test_other_gradients_are_keras_own(name, size, options, float64):
    plain, lowered = (made(name, size, options) for _ in range(2))
    install.install(lowered)
    x, y = images(plain, 8)
    assert_close(lowered.predict(x, verbose=0), plain.predict(x, verbose=0), 1e-6)
    loss, ours = gradients(lowered, x, y)
    expected_loss, theirs = gradients(plain, x, y)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(theirs)


@pytest.mark.parametrize(("name", "size", "options"), CASES)
def test_in_float32_it_is_as_near_the_truth_as_keras(name, size, options):
    plain, lowered = (made(name, size, options) for _ in range(2))
    install.install(lowered)
    x, y = images(plain, 8)
    assert_close(lowered.predict(x, verbose=0), plain.predict(x, verbose=0), 1e-4)
    loss, ours = gradients(lowered, x, y)
    expected_loss, theirs = gradients(plain, x, y)
    assert loss == pytest.approx(expected_loss, rel=1e-3)
    assert np.linalg.norm(ours - theirs) < 0.05 * np.linalg.norm(theirs)


def test_with_batch_norm_it_departs_no_more_than_round_off_does():
    """Training with batch norm magnifies round-off; ours is as near to Keras's losses
    as Keras's own are on images that differ by 1e-7."""

    def losses(lowered: bool, noise: float = 0.0) -> np.ndarray:
        model = made("resnet18", 32, {})
        if lowered:
            install.install(model)
        rng = np.random.default_rng(0)
        found = []
        for _ in range(6):
            x, y = images(model, 32)
            x = (x + noise * rng.standard_normal(x.shape)).astype("float32")
            found.append(float(model.train_on_batch(x, y)))
        return np.array(found)

    expected = losses(False)
    departure = np.abs(losses(True) - expected)
    usual = np.abs(losses(False, 1e-7) - expected)
    assert departure[0] < 1e-5
    assert departure.max() < 10 * usual.max() + 1e-5


def test_three_steps_move_the_statistics_alike():
    plain, lowered = (made("resnet18", 64, {"dropout": 0.2}) for _ in range(2))
    install.install(lowered)
    x, y = images(plain, 16)
    for _ in range(3):
        plain.train_on_batch(x, y)
        lowered.train_on_batch(x, y)
    for ours, theirs in zip(lowered.variables, plain.variables, strict=True):
        if "moving" in ours.path:
            assert_close(np.asarray(ours), np.asarray(theirs), 5e-3)
        if "seed" in ours.path:
            assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def stepped(build, optimizer, lowered: bool, steps: int = 3):
    """Every variable after a few steps, by path, and the model."""
    model = build()
    model.compile(
        optimizer(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.optimizer.build(model.trainable_variables)
    if lowered:
        install.install(model)
    x, y = images(model, 8)
    for _ in range(steps):
        model.train_on_batch(x, y)
    return model, [
        np.asarray(v, "float64") for v in model.variables + model.optimizer.variables
    ]


def assert_same_steps(build):
    """Keras's own steps with SGD and the engine's change `build()` alike."""

    def optimizer():
        return keras.optimizers.SGD(0.05, 0.9)

    _, ours = stepped(build, optimizer, lowered=True)
    _, theirs = stepped(build, optimizer, lowered=False)
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine, other, 1e-4)


def small_net():
    """Every kind of kernel that the engine keeps the gradient of: on 2x2 and 1x1 maps,
    strided, pointwise, and before copies of one pixel. No batch norm, which would
    magnify round-off."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((4, 4, 256))
    x = keras.layers.Conv2D(256, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.Conv2D(256, 3, 2)(keras.layers.ZeroPadding2D(1)(x))
    x = keras.layers.ReLU()(keras.layers.Conv2D(256, 3, padding="same")(x))
    x = keras.layers.Conv2D(256, 3, 2)(keras.layers.ZeroPadding2D(1)(x))
    x = keras.layers.Conv2D(64, 3, padding="same", use_bias=False)(x)
    x = keras.layers.Conv2D(8, 1)(x)
    x = keras.layers.Flatten()(keras.layers.AdaptiveAveragePooling2D((2, 3))(x))
    x = keras.layers.Dense(16, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(5)(x))


@pytest.fixture(params=[False, True], ids=["taps", "whole maps"])
def whole_maps(request, monkeypatch):
    """Convolutions on 2x2 maps tap by tap, or as one product."""
    if request.param:
        monkeypatch.setattr(
            "kerasnets.engines.torch_graph.convolution.whole_maps._MAPS", 1
        )


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.05, momentum=0.9),
        lambda: keras.optimizers.SGD(0.05),
        lambda: keras.optimizers.SGD(0.05, momentum=0.9, weight_decay=0.1),
        lambda: keras.optimizers.SGD(
            keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.05, 0.0]),
            momentum=0.9,
        ),
        lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=0.1),
        lambda: keras.optimizers.SGD(0.05, gradient_accumulation_steps=2),
        lambda: keras.optimizers.Adam(0.001),
        lambda: keras.optimizers.RMSprop(0.001, momentum=0.5),
    ],
    ids=[
        *("momentum", "plain", "decay", "schedule", "nesterov", "clip"),
        *("accumulate", "adam", "rmsprop"),
    ],
)
def test_steps_are_keras_own(optimizer, whole_maps):
    model, ours = stepped(small_net, optimizer, lowered=True)
    _, theirs = stepped(small_net, optimizer, lowered=False)
    assert len(ours) == len(theirs)
    # Steps divided by the gradient's own size show the round-off of the smallest.
    scaled = isinstance(model.optimizer, keras.optimizers.RMSprop)
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine, other, 5e-4 if scaled else 1e-4)


def test_momentum_where_no_gradient_reaches_still_moves_the_weights(whole_maps):
    """A kernel's outer taps may have a momentum from elsewhere."""
    results = []
    for lowered in (True, False):
        model, _ = stepped(
            small_net, lambda: keras.optimizers.SGD(0.1, 0.9), lowered, steps=0
        )
        for momentum in model.optimizer.momentums:
            momentum.assign(np.full(momentum.shape, 0.01))
        x, y = images(model, 8)
        model.train_on_batch(x, y)
        results.append([np.asarray(v) for v in model.trainable_variables])
    for mine, other in zip(*results, strict=True):
        assert_close(mine, other, 1e-4)


class Shrunk(keras.layers.Layer):
    """The identity, whose loss is of another layer's kernel."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def call(self, x):
        self.add_loss(0.01 * keras.ops.sum(self.of.kernel**2))
        return x


@pytest.mark.parametrize("how", ["regularizer", "layer"])
def test_a_kernel_that_gets_two_gradients_takes_one_step(how):
    def build():
        keras.utils.set_random_seed(5)
        inputs = keras.Input((2, 2, 64))
        regularizer = "l2" if how == "regularizer" else None
        conv = keras.layers.Conv2D(
            256, 3, padding="same", kernel_regularizer=regularizer
        )
        x = conv(inputs)
        if how == "layer":
            x = Shrunk(conv)(x)
        return keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(x)))

    assert_same_steps(build)


def test_a_step_of_the_users_own_sees_all_gradients():
    seen = []

    class Mine(keras.Model):
        def train_step(self, data):
            logs = super().train_step(data)
            seen.append([w.value.grad is not None for w in self.trainable_weights])
            return logs

    def build():
        model = small_net()
        return Mine(model.inputs, model.outputs)

    stepped(build, lambda: keras.optimizers.SGD(0.05, 0.9), lowered=True, steps=1)
    assert all(seen[0])


def test_gradients_are_where_torch_has_them_outside_of_training_steps():
    model, _ = stepped(small_net, lambda: keras.optimizers.SGD(0.05, 0.9), True)
    x, y = images(model, 8)
    gradients(model, x, y)
    assert all(weight.value.grad is not None for weight in model.trainable_weights)


@pytest.mark.parametrize("change", ["step", "assign", "statistics", "plain"])
@pytest.mark.parametrize("name", ["vgg11", "resnet18", "densenet121"])
def test_what_is_kept_for_inference_follows_the_weights(name, change):
    head = {"head": "compact"} if name == "vgg11" else {}
    model = made(name, 32, {"batch_norm": True, **head})
    install.install(model)
    x, y = images(model, 4)
    before = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    if change == "step":
        model.train_on_batch(x, y)
    elif change == "assign":
        for weight in model.trainable_weights:
            weight.assign(weight * 1.5)
    elif change == "statistics":
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_variance.assign(layer.moving_variance * 4)
    else:
        with without_engine(model):
            model.train_function = None
            model.train_on_batch(x, y)
    ours = model.predict(x, verbose=0)
    assert np.abs(ours - before).max() > 1e-4
    with without_engine(model):
        assert_close(ours, model.predict(x, verbose=0), 1e-4)


def test_a_layer_used_twice_gets_both_gradients():
    def build():
        keras.utils.set_random_seed(5)
        inputs = keras.Input((1, 1, 64))
        twice = keras.layers.Conv2D(64, 3, padding="same")
        x = keras.layers.Flatten()(twice(twice(inputs)))
        return keras.Model(inputs, keras.layers.Dense(5)(x))

    assert_same_steps(build)


@pytest.mark.slow
def test_compiled_it_computes_the_same_and_compiles_twice():
    """Once for training, once for inference; an epoch's short last batch, a second
    epoch and the change between the two compile nothing more."""
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    x, y = images(made("resnet18", 32, {}), 11)
    results = []
    for compiled in (False, True):
        model = made("resnet18", 32, {})
        install.install(model, compiled=compiled)
        history = model.fit(
            x, y, batch_size=4, epochs=2, shuffle=False, verbose=0
        ).history
        results.append([history["loss"], model.predict(x, batch_size=4, verbose=0)])
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-2)
    assert counters["stats"]["unique_graphs"] == 2
    assert not counters["graph_break"]


def test_math_on_cuda_is_fast_for_the_run_alone():
    from kerasnets.compute.settings.of_torch import fast_math

    def settings():
        return (
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.benchmark,
        )

    before = settings()
    with pytest.raises(KeyError), fast_math():
        assert settings() == ("high", True, True)
        raise KeyError
    assert settings() == before


@pytest.mark.parametrize("height", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_small_map_convolution_is_the_convolution(height, width, stride, size):
    torch.manual_seed(0)
    x = torch.randn(2, height, width, 2, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(size, size, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SmallMapConv.apply, (x, kernel, stride, None))
    expected = torch.nn.functional.conv2d(
        x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), None, stride, size // 2
    )
    ours = SmallMapConv.apply(x, kernel, stride, None).permute(0, 3, 1, 2)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(2, 2, 3), (1, 2, 3), (2, 1, 5), (3, 3, 5)]
)
def test_whole_map_convolution_is_the_convolution(height, width, size):
    torch.manual_seed(0)
    x = torch.randn(2, height, width, 2, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(size, size, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(WholeMapConv.apply, (x, kernel, None))
    expected = SmallMapConv.apply(x, kernel, 1, None)
    torch.testing.assert_close(WholeMapConv.apply(x, kernel, None), expected)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_within_its_own_tolerance(precision):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        plain, lowered = (made("resnet18", 32, {}) for _ in range(2))
    finally:
        keras.config.set_dtype_policy(before)
    install.install(lowered)
    x, y = images(plain, 8)
    assert_close(lowered.predict(x, verbose=0), plain.predict(x, verbose=0), 0.05)
    loss, _ = gradients(lowered, x, y)
    assert loss == pytest.approx(gradients(plain, x, y)[0], rel=0.1)


def test_a_layer_that_is_not_known_is_called_as_it_is():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", padding="same")(inputs)
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = keras.layers.LayerNormalization()(keras.layers.Activation("gelu")(x))
    x = keras.layers.ZeroPadding2D(((1, 0), (0, 2)))(x)
    x = keras.layers.MaxPooling2D(3, 2, padding="same")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1)(x))
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    expected = model.predict(images, verbose=0)
    install.install(model)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("many", ["AdaptiveAveragePooling2D", "UpSampling2D"])
def test_one_pixel_pooled_to_many(activation, dense, many):
    """VGG's head on a 32x32 image: the copies are not made, the gradients are alike."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2, 2, 3))
    x = keras.layers.Conv2D(4, 2)(inputs)
    x = getattr(keras.layers, many)((2, 3))(x)
    x = keras.layers.Flatten()(x)
    if dense:
        x = keras.layers.Dense(5, activation=activation)(x)
    model = keras.Model(inputs, x)
    images = np.random.default_rng(0).normal(size=(6, 2, 2, 3)).astype("float32")
    found = []
    for lowered in (False, True):
        if lowered:
            install.install(model)
        model.zero_grad()
        out = model(images)
        out.square().sum().backward()
        found.append([out.detach(), *(w.value.grad.clone() for w in model.weights)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_negative_values_are_padded_with_zeros_before_a_pool():
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(inputs)
    x = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))
    model = keras.Model(inputs, x)
    install.install(model)
    assert model.predict(-np.ones((1, 4, 4, 1)), verbose=0).max() == 0


def test_saving_and_keras_own_call_see_no_difference(tmp_path):
    model = made("resnet18", 32, {})
    shapes = [w.shape for w in model.weights]
    install.install(model)
    x, y = images(model, 4)
    model.train_on_batch(x, y)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [w.shape for w in loaded.weights] == shapes
    assert_close(loaded.predict(x, verbose=0), expected, 1e-4)
    with without_engine(model):
        assert_close(model.predict(x, verbose=0), expected, 1e-4)
