"""Weight decay, Nesterov momentum and clipping are those of torch.optim."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasnets.engines import choice
from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe
from kerasnets.training.compile import compile_model
from kerasnets.training.optimization.averaging import Averages
from kerasnets.training.optimization.schedule import LearningRate

torch = pytest.importorskip("torch")

STEPS, RATE = 20, 0.02


def network() -> keras.Model:
    """Kernels that meet 1x1 and 2x2 maps, copies of a pixel, biases and a norm."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((2, 2, 3))
    x = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(8, 2)(x)
    x = keras.layers.Conv2D(8, 3, padding="same")(x)
    x = keras.layers.Dense(12, activation="relu")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def compiled(engine: str = "keras", **named) -> keras.Model:
    model = network()
    fields = {"learning_rate": RATE, **named}
    recipe = Recipe.for_paper("vgg11", "digits", **fields)
    compile_model(model, recipe, num_classes=4, steps_per_epoch=STEPS)
    model.optimizer.build(model.trainable_variables)
    choice.use(model, engine)
    return model


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(8, 2, 2, 3)).astype("float32"), rng.integers(0, 4, 8))
        for _ in range(STEPS)
    ]


def trained(model: keras.Model) -> list[np.ndarray]:
    for x, y in batches():
        model.train_step((torch.from_numpy(x), torch.from_numpy(y)))
    return [keras.ops.convert_to_numpy(one) for one in model.trainable_variables]


def by_torch(*, clip: float | None = None, norms: bool = True, **named):
    """The same steps of a PyTorch optimizer, on the gradients of Keras's loss."""
    model = compiled()
    weights = [one.value for one in model.trainable_variables]
    decay = named.pop("weight_decay", 0.0)
    vectors = [one for one in weights if one.dim() < 2]
    optimizer = torch.optim.SGD(
        [
            {
                "params": [one for one in weights if one.dim() >= 2],
                "weight_decay": decay,
            },
            {"params": vectors, "weight_decay": decay if norms else 0.0},
        ],
        lr=RATE,
        **named,
    )
    for x, y in batches():
        optimizer.zero_grad()
        loss = model.compute_loss(
            y=torch.from_numpy(y), y_pred=model(torch.from_numpy(x), training=True)
        )
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
    return [one.detach().numpy() for one in weights]


DECAY = {"weight_decay": 0.1}
CASES = {
    "decay": (DECAY, {"momentum": 0.9, **DECAY}),
    "without momentum": ({"momentum": 0.0, **DECAY}, DECAY),
    "nesterov": ({"nesterov": True}, {"momentum": 0.9, "nesterov": True}),
    "nesterov and decay": (
        {"nesterov": True, **DECAY},
        {"momentum": 0.9, "nesterov": True, **DECAY},
    ),
    "kernels alone": (
        {"decay_norms": False, **DECAY},
        {"momentum": 0.9, "norms": False, **DECAY},
    ),
    "clipped": (
        {"clip_norm": 0.2, **DECAY},
        {"momentum": 0.9, "clip": 0.2, **DECAY},
    ),
}


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's optimizer")
@pytest.mark.parametrize("engine", ["keras", "torch_graph"])
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_are_those_of_torch(case, engine):
    ours, theirs = CASES[case]
    found, expected = trained(compiled(engine, **ours)), by_torch(**theirs)
    start = [keras.ops.convert_to_numpy(one) for one in network().trainable_variables]
    for mine, other, first in zip(found, expected, start, strict=True):
        assert np.abs(other - first).max() > 1e-3
        assert np.abs(mine - other).max() < 2e-5


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"nesterov": True, "optimizer": "adam"}, "nesterov is for sgd, not adam."),
        ({"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum > 0."),
        ({"decay": "l2"}, "decay needs a weight_decay > 0."),
        ({"decay_norms": False}, "no decay_norms needs a weight_decay > 0."),
        (
            {"optimizer": "adamw", "decay": "l2", "weight_decay": 0.1},
            "decay 'l2' is not possible with adamw, whose decay is 'decoupled'; adam "
            "supports both.",
        ),
        (
            {"schedule": "one-cycle", "warmup": 1.0},
            "one-cycle has a warm-up of its own; warmup must be 0.",
        ),
    ],
)
def test_what_has_no_effect_is_refused(named, says):
    with pytest.raises(RecipeError) as error:
        Recipe.for_paper("vgg11", "digits", **named)
    assert str(error.value) == says


def test_each_optimizer_has_its_usual_rule():
    rules = {
        name: Recipe.for_paper("vgg11", "digits", optimizer=name).decay
        for name in ("sgd", "adam", "adamw", "rmsprop")
    }
    assert rules == {"sgd": "l2", "adam": "l2", "adamw": "decoupled", "rmsprop": "l2"}
    recipe = Recipe.for_paper("vgg11", "digits", weight_decay=0.1)
    other = recipe.replace(optimizer="adamw")
    assert other.decay == "decoupled"
    assert other.replace(optimizer="sgd") == recipe


def test_a_recipe_from_before_the_rule_was_recorded_is_decoupled():
    recipe = Recipe.for_paper("vgg11", "digits", weight_decay=0.1)
    values = json.loads(recipe.to_json())
    assert values.pop("decay") == "l2"
    old = Recipe.from_record(values)
    assert old == dataclasses.replace(recipe, decay="decoupled")
    assert Recipe.from_json(old.to_json()) == old
    optimizer = compiled(weight_decay=0.1, decay="decoupled").optimizer
    assert optimizer.weight_decay == 0.1
    assert not hasattr(optimizer, "coupled_decay")


def test_a_saved_optimizer_has_its_decay(tmp_path):
    """As ModelCheckpoint saves it."""
    model = compiled(weight_decay=0.1, nesterov=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.coupled_decay == 0.1
    assert loaded.optimizer.nesterov


@pytest.mark.parametrize("steps", [4, 10, 97])
def test_one_cycle_is_that_of_torch(steps):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=steps, cycle_momentum=False
    )
    ours = LearningRate(0.3, "one-cycle", steps)
    for step in range(steps):
        expected = optimizer.param_groups[0]["lr"]
        assert float(ours(step)) == pytest.approx(expected, rel=1e-3, abs=1e-6)
        optimizer.step()
        if step + 1 < steps:
            schedule.step()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_balanced_classes_count_alike(smoothing):
    model = network()
    recipe = Recipe.for_paper(
        "vgg11", "digits", class_weights="balanced", label_smoothing=smoothing
    )
    labels = np.array([0, 0, 0, 1, 1, 3])  # none is 2
    compile_model(model, recipe, num_classes=4, steps_per_epoch=1, labels=labels)
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 4)).astype("float32")
    loss = float(model.compute_loss(y=labels, y_pred=keras.ops.array(logits)))
    each = [
        float(
            torch.nn.functional.cross_entropy(
                torch.tensor(logits[labels == one]),
                torch.tensor(labels[labels == one]),
                label_smoothing=smoothing,
            )
        )
        for one in (0, 1, 3)
    ]
    assert loss == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's engine")
@pytest.mark.parametrize(
    ("named", "fused"),
    [
        ({"nesterov": True, "weight_decay": 0.1, "decay_norms": False}, True),
        ({"clip_norm": 0.1}, False),
        ({"accumulate": 2}, False),
    ],
)
def test_the_fused_step_takes_what_it_computes(named, fused):
    optimizer = compiled("torch_graph", **named).optimizer
    assert ("apply" in vars(optimizer)) == fused


TOGETHER = {
    **{"nesterov": True, "weight_decay": 0.1, "decay_norms": False, "clip_norm": 0.5},
    **{"accumulate": 2, "schedule": "one-cycle", "label_smoothing": 0.1},
    "class_weights": "balanced",
}


def all_together(initial: list[np.ndarray]) -> list[np.ndarray]:
    """Weights and their averages after steps from given weights."""
    model = network()
    model.set_weights(initial)
    recipe = Recipe.for_paper("vgg11", "digits", learning_rate=RATE, **TOGETHER)
    labels = np.array([0, 0, 0, 1, 1, 2, 3])
    compile_model(model, recipe, num_classes=4, steps_per_epoch=STEPS, labels=labels)
    model.optimizer.build(model.trainable_variables)
    averages = Averages(model, 0.8, recipe.accumulate)
    x, y = (np.concatenate(arrays) for arrays in zip(*batches()[:7], strict=True))
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    return [*model.get_weights(), *averages.arrays()]


@pytest.mark.slow
def test_the_backends_agree(tmp_path):
    pytest.importorskip("jax")
    initial = network().get_weights()
    np.savez(tmp_path / "initial.npz", *initial)
    code = (
        "import sys, numpy as np, test_weight_decay as these\n"
        "given = np.load(sys.argv[1] + '/initial.npz')\n"
        "found = these.all_together([given[name] for name in given.files])\n"
        "np.savez(sys.argv[1] + '/found.npz', *found)\n"
    )
    tests = Path(__file__).parent
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parents[1])]),
    }
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env=environment)
    theirs = np.load(tmp_path / "found.npz")
    ours = all_together(initial)
    assert len(ours) == 2 * len(initial)
    for mine, name in zip(ours, theirs.files, strict=True):
        np.testing.assert_allclose(mine, theirs[name], rtol=1e-3, atol=1e-5)
