"""A dense block as one operation computes what its layers compute."""

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the engine is the PyTorch backend's"
)

torch = pytest.importorskip("torch")

from keras import layers  # noqa: E402

from kerasnets.engines import install  # noqa: E402
from kerasnets.engines.torch_graph.dense_block.block import DenseBlock  # noqa: E402
from kerasnets.engines.torch_graph.dense_block.convolution import same_convolution  # noqa: E402
from kerasnets.engines.torch_graph.graph import TorchGraph  # noqa: E402


def block_net(
    size: int = 4, *, momentum: float = 0.9, change: str = "", optimizer=None
) -> keras.Model:
    """A convolution and a block of three layers, before a classifier.

    Args:
        change: what makes the second layer none of a block: "order" of what it
            concatenates, its "epsilon", "tapped", where its input is read once more,
            "bias", or "relu", a ReLU that is none.
    """
    keras.utils.set_random_seed(2)
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(5, 3, padding="same", name="stem")(inputs)
    tapped = None
    for index in range(3):
        here = change if index == 1 else ""
        y = layers.BatchNormalization(
            momentum=momentum,
            epsilon=1e-3 if here == "epsilon" else 1e-5,
            name=f"norm{index}a",
        )(x)
        y = layers.ReLU(negative_slope=0.1 if here == "relu" else 0)(y)
        y = layers.Conv2D(8, 1, use_bias=here == "bias", name=f"conv{index}a")(y)
        y = layers.BatchNormalization(momentum=0.5, name=f"norm{index}b")(y)
        y = layers.ReLU()(y)
        y = layers.Conv2D(2, 3, padding="same", use_bias=False, name=f"conv{index}b")(y)
        if here == "tapped":
            tapped = layers.GlobalAveragePooling2D()(x)
        x = layers.Concatenate()([y, x] if here == "order" else [x, y])
    x = layers.BatchNormalization(momentum=momentum, epsilon=1e-5, name="last")(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    if tapped is not None:
        x = layers.Concatenate()([x, tapped])
    model = keras.Model(inputs, layers.Dense(4, dtype="float32")(x))
    rng = np.random.default_rng(4)
    for weight in model.trainable_weights:
        # Scales of both signs, and shifts.
        weight.assign(weight + 0.4 * rng.standard_normal(weight.shape))
    model.compile(
        optimizer or keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.optimizer.build(model.trainable_variables)
    return model


def batch(size: int = 4, count: int = 6):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, size, size, 3)).astype(keras.config.floatx())
    return x, rng.integers(0, 4, count)


def gradients(model, x, y) -> list[np.ndarray]:
    model.zero_grad()
    model.compute_loss(y=y, y_pred=model(x, training=True)).backward()
    return [weight.value.grad.numpy().copy() for weight in model.trainable_weights]


def layers_in_blocks(model) -> int:
    operations = [step.operation for step in TorchGraph(model).steps]
    return sum(len(one.layers) for one in operations if isinstance(one, DenseBlock))


def assert_alike(ours, theirs, tolerance=1e-3):
    for mine, other in zip(ours, theirs, strict=True):
        scale = max(np.abs(other).max(), 1e-3)
        assert np.abs(mine - other).max() < tolerance * scale


def both(**options):
    """The same network with the engine and without."""
    lowered, plain = block_net(**options), block_net(**options)
    install.install(lowered)
    return lowered, plain


@pytest.mark.parametrize("size", [1, 2, 3, 4, 17])
def test_logits_gradients_and_statistics_are_keras_own(size):
    lowered, plain = both(size=size)
    assert layers_in_blocks(lowered) == 3
    # Two pixels a channel have a variance that round-off alone can make.
    x, y = batch(size, 12)
    assert_alike(gradients(lowered, x, y), gradients(plain, x, y))
    moved = zip(lowered.non_trainable_weights, plain.non_trainable_weights, strict=True)
    for ours, theirs in moved:
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert_alike([lowered.predict(x, verbose=0)], [plain.predict(x, verbose=0)], 1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 17])
def test_bfloat16_deviates_from_float32_as_keras_own_does(size):
    x, y = batch(size, 64)
    reference = block_net(size)
    exact = gradients(reference, x, y), reference.predict(x, verbose=0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        lowered, plain = both(size=size)
    finally:
        keras.config.set_dtype_policy(before)
    assert layers_in_blocks(lowered) == 3
    (ours, logits), (theirs, plain_logits) = (
        (gradients(one, x, y), one.predict(x, verbose=0)) for one in (lowered, plain)
    )
    assert {one.dtype for one in ours} == {np.dtype("float32")}

    def deviation(found, expected):
        found, expected = (
            np.concatenate([*map(np.ravel, one)]) for one in (found, expected)
        )
        return np.linalg.norm(found - expected) / np.linalg.norm(expected)

    assert deviation(ours, exact[0]) < 2.5 * deviation(theirs, exact[0]) < 0.2
    assert 1e-5 < deviation(logits, exact[1]) < 2.5 * deviation(plain_logits, exact[1])
    moved = [one.non_trainable_weights for one in (lowered, reference)]
    for mine, other in zip(*moved, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("change", ["order", "epsilon", "tapped", "bias", "relu"])
def test_what_is_no_such_block_is_computed_layer_by_layer(change):
    lowered, plain = both(change=change)
    assert layers_in_blocks(lowered) < 3  # those after it may be a block
    x, y = batch()
    assert_alike(gradients(lowered, x, y), gradients(plain, x, y))


@pytest.mark.parametrize("frozen", [["norm1a"], ["norm2b"], ["conv1b"], ["last"]])
def test_frozen_layers(frozen):
    lowered, plain = both()
    x, y = batch()
    for model in (lowered, plain):
        for name in frozen:
            model.get_layer(name).trainable = False
    assert_alike(gradients(lowered, x, y), gradients(plain, x, y))
    for name in frozen:
        ours, theirs = (one.get_layer(name).weights for one in (lowered, plain))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_gradients_of_inference_reach_the_images():
    found = []
    for model in both():
        images = torch.from_numpy(batch()[0]).requires_grad_()
        model(images, training=False)[:, 1].sum().backward()
        found.append(images.grad.numpy())
    assert_alike(found[:1], found[1:])


@pytest.mark.parametrize("size", [1, 4])
def test_a_training_step_applies_those_gradients(size):
    """Whatever sizes the batches before it had, whose memory is used again."""
    model = block_net(size, optimizer=keras.optimizers.SGD(1.0))
    install.install(model)
    for count in (6, 3, 9, 6):
        x, y = batch(size, count)
        before = [np.array(weight) for weight in model.trainable_weights]
        expected = gradients(model, x, y)
        model.zero_grad()
        model.train_on_batch(x, y)
        moved = [
            old - np.array(weight)
            for old, weight in zip(before, model.trainable_weights, strict=True)
        ]
        assert_alike(moved, expected)


def test_inference_with_norms_of_every_sign_and_none():
    lowered, plain = both()
    for model in (lowered, plain):
        for norm in ("norm0a", "norm2a"):
            gamma = model.get_layer(norm).gamma
            gamma.assign(gamma * 0)
        gamma = model.get_layer("norm1a").gamma
        gamma.assign(-gamma)
    x, _ = batch(count=12)
    assert_alike([lowered.predict(x, verbose=0)], [plain.predict(x, verbose=0)], 1e-4)


def test_two_passes_before_a_backward_one():
    """Outside of fit's steps, each has memory of its own."""
    model = block_net()
    install.install(model)
    (x, _), (other, _) = batch(count=6), batch(count=4)
    found = []
    for second in (False, True):
        model.zero_grad()
        out = model(x, training=True)
        if second:
            model(other * 3, training=True)
        out.square().sum().backward()
        found.append([weight.value.grad.clone() for weight in model.trainable_weights])
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("height", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_inner_convolution_is_the_librarys(height, width):
    torch.manual_seed(0)
    maps = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    convolution = same_convolution(2, height, width)
    before = kernel.detach().clone()
    convolution.store(kernel)
    assert torch.equal(kernel, before)
    expected = torch.nn.functional.conv2d(maps, kernel.permute(3, 2, 0, 1), padding=1)
    to_output = torch.randn_like(expected)
    expected.backward(to_output)

    def rows(images):
        return images.detach().permute(0, 2, 3, 1).reshape(-1, images.shape[1])

    with torch.no_grad():
        read = convolution.read(kernel)
        found = convolution(rows(maps), read)
        to_maps, to_used = convolution.gradients(rows(to_output), rows(maps), read)
    torch.testing.assert_close(found, rows(expected))
    torch.testing.assert_close(to_maps, rows(maps.grad))
    assert convolution.used(kernel).is_contiguous()
    torch.testing.assert_close(to_used, convolution.used(kernel.grad))
    convolution.used(kernel.grad).zero_()
    assert not kernel.grad.any()
