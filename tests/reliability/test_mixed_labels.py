"""Loss, accuracy and label smoothing of images that MixUp or CutMix has mixed."""

import keras
import numpy as np
import pytest
import small_run
from scipy.special import log_softmax

from kerasnets.errors import RecipeError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint
from kerasnets.training.metrics import (
    ConfusionAccuracy,
    CrossEntropy,
    SmoothedCrossEntropy,
)

MIXED = {"mixup": 0.4, "cutmix": 1.0, "augment": "resized-crop", "randaugment": 9}


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


@pytest.fixture
def shares():
    return np.random.default_rng(1).dirichlet(np.ones(4), 6).astype("float32")


def test_the_loss_counts_each_class_by_its_share(logits, shares):
    wanted = -(shares * log_softmax(logits, axis=1)).sum(axis=1)
    metric = CrossEntropy()
    metric.update_state(shares, logits)
    assert float(metric.result()) == pytest.approx(wanted.mean(), rel=1e-5)
    loss = SmoothedCrossEntropy(4, 0.0)
    assert float(loss(shares, logits)) == pytest.approx(wanted.mean(), rel=1e-5)


def test_label_smoothing_spreads_what_is_mixed(logits, shares):
    smooth = shares * 0.9 + 0.1 / 4
    wanted = -(smooth * log_softmax(logits, axis=1)).sum(axis=1).mean()
    found = SmoothedCrossEntropy(4, 0.1)(shares, logits)
    assert float(found) == pytest.approx(wanted, rel=1e-5)


WEIGHTS = np.array([0.5, 1.0, 4.0, 0.0], "float32")


def test_every_term_of_a_mixed_image_has_the_weight_of_its_label(logits, shares):
    torch = pytest.importorskip("torch")
    wanted = torch.nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS))(
        torch.tensor(logits), torch.tensor(shares)
    )
    found = SmoothedCrossEntropy(4, 0.0, WEIGHTS)(shares, logits)
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixed_image_weighs_what_its_parts_do(logits, smoothing):
    loss = SmoothedCrossEntropy(4, smoothing, WEIGHTS)
    for first, second in ((0, 2), (1, 1), (3, 2), (3, 3)):
        whole = np.eye(4, dtype="float32")
        mixed = np.tile(0.3 * whole[first] + 0.7 * whole[second], (6, 1))
        one, other = (
            float(loss(np.full(6, label), logits)) for label in (first, second)
        )
        expected = pytest.approx(0.3 * one + 0.7 * other, rel=1e-5)
        assert float(loss(mixed, logits)) == expected


def test_weights_of_whole_labels_multiply_their_loss(logits):
    labels = np.array([0, 2, 2, 1, 0, 3])
    plain = SmoothedCrossEntropy(4, 0.1).call(labels, logits)
    weighted = SmoothedCrossEntropy(4, 0.1, WEIGHTS).call(labels, logits)
    plain, weighted = map(keras.ops.convert_to_numpy, (plain, weighted))
    np.testing.assert_array_equal(weighted, plain * WEIGHTS[labels])


def test_whole_shares_are_classes(logits):
    labels = np.array([0, 3, 2, 1, 0, 2])
    whole = np.eye(4, dtype="float32")[labels]
    for smoothing in (0.0, 0.1):
        loss = SmoothedCrossEntropy(4, smoothing)
        same = loss(labels, logits)
        assert float(loss(whole, logits)) == pytest.approx(float(same), rel=1e-6)
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert float(SmoothedCrossEntropy(4, 0.0)(labels, logits)) == pytest.approx(
        float(plain(labels, logits)), rel=1e-6
    )
    for weights in (None, np.array([1, 1, 1, 0, 1, 1], "float32")):
        one, other = ConfusionAccuracy(4), ConfusionAccuracy(4)
        one.update_state(labels, logits, weights)
        other.update_state(whole, logits, weights)
        np.testing.assert_array_equal(one.counts(), other.counts())


def test_the_accuracy_is_of_the_class_with_the_largest_share(logits, shares):
    metric = ConfusionAccuracy(4)
    metric.update_state(shares, logits)
    wanted = (shares.argmax(axis=1) == logits.argmax(axis=1)).mean()
    assert float(metric.result()) == pytest.approx(wanted)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_a_mixed_run_resumes_exactly_and_its_validation_is_plain(
    tmp_path, label_smoothing
):
    recipe = small_run.recipe(**MIXED, label_smoothing=label_smoothing, epochs=2)
    whole = small_run.fit(tmp_path / "whole", on=recipe)

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    options = {"callbacks": [Interrupt()], "checkpoint_every": Interval(steps=1)}
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(tmp_path / "parts", on=recipe, **options)
    parts = small_run.fit(tmp_path / "parts", on=recipe, resume=True)
    assert fingerprint(parts) == fingerprint(whole)
    last = whole.history[-1]
    measured = evaluate(whole, split="validation", device="cpu")
    assert last["val_loss"] == pytest.approx(measured["loss"], rel=1e-5)
    assert last["val_accuracy"] == pytest.approx(measured["accuracy"])
    if not label_smoothing:
        assert last["objective"] == pytest.approx(last["loss"], rel=1e-6)


def test_the_engines_train_alike_on_mixed_images(tmp_path):
    if keras.backend.backend() != "torch":
        pytest.skip("the PyTorch backend has two engines")
    recipe = small_run.recipe(**MIXED, label_smoothing=0.1, epochs=2)
    ours, theirs = (
        small_run.fit(tmp_path / engine, on=recipe, engine=engine).history
        for engine in ("torch_graph", "keras")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_a_run_with_worker_processes_is_the_same_and_resumes(tmp_path):
    recipe = small_run.recipe(**MIXED, epochs=2)
    alone = small_run.fit(tmp_path / "alone", on=recipe)

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                raise KeyboardInterrupt

    options = {"callbacks": [Interrupt()], "checkpoint_every": Interval(steps=1)}
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(tmp_path / "helped", on=recipe, workers=2, **options)
    helped = small_run.fit(tmp_path / "helped", on=recipe, workers=1, resume=True)
    assert fingerprint(helped) == fingerprint(alone)
    with pytest.raises(RecipeError, match="workers must be a whole number from 0"):
        small_run.fit(tmp_path / "none", on=recipe, workers=-1)
    assert not (tmp_path / "none").exists()
