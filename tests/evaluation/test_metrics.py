"""Laws of the metrics, and agreement with other libraries' definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from kerasnets.evaluation.metrics import cross_entropy, measure, softmax, top_k_accuracy


@st.composite
def logits_and_labels(draw, max_classes=9):
    classes = draw(st.integers(2, max_classes))
    images = draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Whole numbers in a small range, so that ties are common.
    span = draw(st.sampled_from([1, 3, 50]))
    logits = random.integers(-span, span + 1, (images, classes)).astype(np.float32)
    return logits, random.integers(0, classes, images)


@given(logits_and_labels())
def test_confusion_matrix_laws(case):
    logits, labels = case
    found = measure(logits, labels)
    assert found.confusion.sum() == len(labels)
    assert found.confusion.trace() / len(labels) == pytest.approx(found.accuracy)
    assert (found.confusion.sum(axis=1) == found.support).all()
    classes = logits.shape[1]
    assert (found.support == np.bincount(labels, minlength=classes)).all()
    predicted = np.bincount(logits.argmax(axis=1), minlength=classes)
    assert (found.predicted == predicted).all()
    assert {found.support.dtype, found.confusion.dtype} == {np.dtype(np.int64)}


@given(logits_and_labels())
def test_agrees_with_scikit_learn(case):
    logits, labels = case
    found = measure(logits, labels)
    predictions = logits.argmax(axis=1)
    wanted = sklearn_metrics.precision_recall_fscore_support(
        labels, predictions, average="macro", zero_division=0
    )
    mine = map(found.macro, (found.precision, found.recall, found.f1))
    assert list(mine) == pytest.approx(wanted[:3])
    for average, values in (("macro", None), (None, slice(None))):
        wanted = sklearn_metrics.precision_recall_fscore_support(
            labels,
            predictions,
            labels=range(logits.shape[1]),
            average=average,
            zero_division=0,
        )
        mine = (found.precision, found.recall, found.f1)
        if values is None:
            mine = tuple(column.mean() for column in mine)
        for one, other in zip(mine, wanted, strict=False):
            assert one == pytest.approx(other)


def test_classes_that_do_not_occur_do_not_count():
    labels = np.arange(6)
    found = measure(np.eye(10)[labels], labels)
    assert found.macro(found.f1) == found.macro(found.precision) == 1
    wrong = measure(np.eye(10)[[0, 1, 2, 3, 4, 9]], labels)
    assert wrong.macro(wrong.f1) == pytest.approx(5 / 7)


@given(logits_and_labels())
def test_top_k_grows_from_accuracy_to_one(case):
    logits, labels = case
    classes = logits.shape[1]
    shares = [top_k_accuracy(logits, labels, k) for k in range(1, classes + 1)]
    assert shares[0] == measure(logits, labels).accuracy
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_top_k_agrees_with_scikit_learn_without_ties():
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(500, 12)), random.integers(0, 12, 500)
    wanted = sklearn_metrics.top_k_accuracy_score(labels, logits, k=5, labels=range(12))
    assert measure(logits, labels).top5_accuracy == pytest.approx(wanted)


def test_top_5_is_left_out_where_it_says_nothing():
    assert measure(np.eye(5), np.arange(5)).top5_accuracy is None
    assert measure(np.eye(6), np.arange(6)).top5_accuracy == 1


def test_equal_logits_earn_no_more_than_guessing():
    labels = np.repeat(np.arange(10), 3)
    found = measure(np.zeros((30, 10)), labels)
    assert found.accuracy == pytest.approx(0.1)
    assert found.top5_accuracy == pytest.approx(0.5)
    assert found.loss == pytest.approx(np.log(10))


def test_classes_without_images_or_predictions_count_zero():
    found = measure(np.array([[9.0, 0, 0], [9, 0, 0]]), np.array([0, 1]))
    assert found.precision.tolist() == [0.5, 0, 0]
    assert found.recall.tolist() == [1, 0, 0]
    assert found.support.tolist() == [1, 1, 0]


@given(logits_and_labels())
def test_loss_is_that_of_keras(case):
    import keras

    logits, labels = case
    losses = keras.ops.convert_to_numpy(
        keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    )
    assert cross_entropy(logits, labels) == pytest.approx(
        losses.mean(), rel=1e-5, abs=1e-6
    )


@pytest.mark.parametrize("size", [1e4, 1e30, np.finfo(np.float32).max])
def test_extreme_logits_stay_finite(size):
    logits = np.array([[size, -size, 0], [-size, -size, -size]], np.float32)
    assert np.allclose(softmax(logits), [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert cross_entropy(logits, np.array([0, 0])) == pytest.approx(np.log(3) / 2)
    assert np.isfinite(cross_entropy(logits, np.array([1, 2])))


@given(logits_and_labels(), st.floats(-1e4, 1e4))
def test_probabilities_sum_to_one_whatever_is_added(case, shift):
    logits, _ = case
    probabilities = softmax(logits)
    assert np.allclose(probabilities.sum(axis=1), 1)
    shifted = softmax(logits.astype(np.float64) + shift)
    assert np.allclose(probabilities, shifted, atol=1e-9)
