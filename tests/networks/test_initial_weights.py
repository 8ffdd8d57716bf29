"""What a network starts from: by seed and name, the same under every backend."""

import json
import os
import subprocess

import keras
import numpy as np
import pytest
import warm_python

from kerasnets.errors import RecipeError
from kerasnets.networks import build_model
from kerasnets.networks.blocks import Blocks, glorot_kernel, torch_linear_init


def every_kind_of_layer(seed: int) -> keras.Model:
    """He's, Glorot's, PyTorch's and narrow normal weights, and dropout."""
    x = inputs = keras.Input((8, 8, 3))
    for mode in ("fan_in", "fan_out"):
        blocks = Blocks(True, False, "channels_last", conv_init=mode, seed=seed)
        x = blocks.conv_norm_relu(x, 8, 3, f"conv_{mode}")
    x = blocks.dropout(blocks.global_pool(x), 0.5)
    for glorot in (True, "normal"):
        x = blocks.dense(x, 16, f"glorot_{glorot}", glorot_kernel(glorot))
    x = blocks.dense(x, 16, "narrow", keras.initializers.RandomNormal(stddev=0.01))
    return keras.Model(
        inputs, blocks.logits(x, 5, torch_linear_init(16), torch_linear_init(16))
    )


def values(model: keras.Model) -> dict[str, np.ndarray]:
    """By path; seeds by their order, as a process numbers those of all its models."""
    found: dict[str, np.ndarray] = {}
    for variable in model.variables:
        path = variable.path
        if path.startswith("seed_generator"):
            path = f"seed_generator {len(found)}"
        found[path] = keras.ops.convert_to_numpy(variable).copy()
    return found


UNDER_JAX = """
import sys
import numpy as np
import warm_python
from test_initial_weights import every_kind_of_layer, values
np.savez(sys.argv[1], **values(every_kind_of_layer(7)))
"""


def test_jax_starts_from_the_bits_of_this_backend(tmp_path):
    pytest.importorskip("jax")
    subprocess.run(
        [warm_python.executable("jax"), "-c", UNDER_JAX, str(tmp_path / "jax.npz")],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.path.dirname(__file__),  # noqa: PTH120
        },
        check=True,
    )
    here = values(every_kind_of_layer(7))
    with np.load(tmp_path / "jax.npz") as there:
        assert list(there.files) == list(here)
        for path, array in here.items():
            np.testing.assert_array_equal(there[path], array, err_msg=path)


def test_a_layer_starts_from_its_seed_and_its_name_alone():
    options = {"head": "compact", "dropout": 0.5}
    plain = values(build_model("vgg11", seed=3, **options))
    normed = values(build_model("vgg13", seed=3, batch_norm=True, **options))
    other = values(build_model("vgg11", seed=4, **options))
    same = ("stage3_conv1/kernel", "fc1/kernel", "classifier/kernel")
    for path in same:
        np.testing.assert_array_equal(plain[path], normed[path])
        assert not np.array_equal(plain[path], other[path])
    states = [array for path, array in plain.items() if "seed_generator" in path]
    assert len(states) == 2 and not np.array_equal(*states)


def test_a_model_names_kerass_initializers():
    config = json.dumps(every_kind_of_layer(7).get_config())
    for name in ("VarianceScaling", "GlorotUniform", "RandomNormal", "RandomUniform"):
        assert f'"class_name": "{name}"' in config
    assert "kerasnets" not in config


def test_the_backend_can_draw_instead():
    keras.utils.set_random_seed(3)
    initializer = keras.initializers.VarianceScaling(
        2.0, mode="fan_out", distribution="untruncated_normal"
    )
    first = keras.ops.convert_to_numpy(initializer((7, 7, 3, 64)))
    keras.utils.set_random_seed(3)
    model = build_model("resnet18", initial_weights="backend")
    np.testing.assert_array_equal(values(model)["stem_conv/kernel"], first)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"initial_weights": "nunpy"}, "Did you mean 'numpy'"),
        ({"seed": -1}, "whole number >= 0, not -1"),
        ({"seed": 0.5}, "whole number >= 0, not 0.5"),
        ({"seed": 1, "initial_weights": "backend"}, "seed is for initial_weights"),
    ],
)
def test_what_cannot_be_is_refused(named, says):
    with pytest.raises(RecipeError, match=says):
        build_model("resnet18", **named)
