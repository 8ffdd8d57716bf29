"""Figures of two classes, and of classes of unequal size."""

import dataclasses
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn import metrics as sklearn_metrics

from kerasnets import datasets, runs
from kerasnets.errors import RunError
from kerasnets.evaluation.metrics import measure
from kerasnets.runs.results import read_thresholds


@st.composite
def two_classes(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 60))
    span = draw(st.sampled_from([1, 5, 500]))  # ties, and probabilities of 0 and 1
    logits = random.integers(-span, span + 1, (count, 2)).astype(np.float32)
    return logits, (random.random(count) < draw(st.floats(0, 1))).astype(int)


@given(two_classes())
def test_ranking_figures(case):
    logits, labels = case
    found = measure(logits, labels).two
    score = logits[:, 1] - logits[:, 0]
    positive, negative = score[labels == 1], score[labels == 0]
    if len(positive) and len(negative):
        statistic = mannwhitneyu(positive, negative).statistic
        wanted = statistic / (len(positive) * len(negative))
        assert found.roc_auc == pytest.approx(wanted)
    else:
        assert found.roc_auc is None
    if len(positive):
        # Precision at every distinct score, weighted by the recall that it adds.
        wanted, before = 0.0, 0.0
        for value in np.unique(score)[::-1]:
            called = score >= value
            recall = (called & (labels == 1)).sum() / len(positive)
            wanted += (recall - before) * (labels[called] == 1).mean()
            before = recall
        assert found.average_precision == pytest.approx(wanted)
    else:
        assert found.average_precision is None


@settings(max_examples=settings.default.max_examples // 4)
@given(two_classes())
def test_a_threshold_is_what_scikit_learn_says_of_its_predictions(case):
    logits, labels = case
    shares = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    probability = shares[:, 1] / shares.sum(axis=1)
    thresholds = measure(logits, labels).two.thresholds
    assert [round(row.threshold, 2) for row in thresholds][::9] == [0.05, 0.5, 0.95]
    for row in thresholds:
        if np.isclose(probability, row.threshold).any():
            continue
        called = probability >= row.threshold
        assert row.predicted == called.sum()
        for name, positive in (("recall", 1), ("specificity", 0)):
            wanted = sklearn_metrics.recall_score(
                labels, called, pos_label=positive, zero_division=0
            )
            assert getattr(row, name) == pytest.approx(wanted)
        for name in ("precision", "f1"):
            score = getattr(sklearn_metrics, f"{name}_score")
            wanted = score(labels, called, zero_division=0)
            assert getattr(row, name) == pytest.approx(wanted)


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_balanced_accuracy_is_scikit_learns(classes, seed):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(30, classes))
    labels = random.integers(0, max(1, classes - 1), 30)  # the last has no images
    found = measure(logits, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        wanted = sklearn_metrics.balanced_accuracy_score(labels, logits.argmax(axis=1))
    assert found.balanced_accuracy == pytest.approx(wanted)
    assert (found.two is None) == (classes != 2)


def test_only_above_five_classes_is_there_a_top_5():
    assert measure(np.eye(2), np.arange(2)).top5_accuracy is None
    assert measure(np.eye(6), np.arange(6)).top5_accuracy == 1


@pytest.fixture(scope="module")
def of_two_classes(tmp_path_factory):
    """A run whose network tells dark digits from bright ones, evaluated by the command,
    and what was printed."""
    import keras

    from kerasnets.cli.commands import run as _run
    from kerasnets.datasets.dataset import Split
    from kerasnets.recipe import Recipe

    whole = datasets.load("digits", image_size=8)
    brightness = whole.train.images.mean(axis=(1, 2, 3))

    def halved(split: Split) -> Split:
        bright = split.images.mean(axis=(1, 2, 3)) > np.median(brightness)
        return Split(split.images, bright.astype(np.int64))

    made = dataclasses.replace(
        whole,
        train=halved(whole.train),
        test=halved(whole.test),
        class_names=("dark", "bright"),
    )
    run = runs.create(
        tmp_path_factory.mktemp("two") / "run",
        Recipe.for_paper("resnet18", "digits", image_size=8, normalize="unit"),
    )
    inputs = keras.Input((8, 8, 1))
    mean = keras.layers.GlobalAveragePooling2D()(inputs)
    weights = (
        np.array([[0.0, 40.0]]),
        np.array([0.0, -40 * np.median(brightness) / 255]),
    )
    head = keras.layers.Dense(2)
    model = keras.Model(inputs, head(mean))
    head.set_weights(weights)
    model.save(run.model_file)
    runs.write_json(run.path / "environment.json", {"dataset_fingerprint": "other"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasnets.datasets.load_for", lambda *_: made)
        patch.setattr("kerasnets.figures.draw_evaluation", lambda *_, **__: None)
        patch.setattr("sys.stdout", output := io.StringIO())
        status = _run(["evaluate", str(run.path), "--device", "cpu"])
    assert status == 0
    return run, output.getvalue()


def test_the_screen_tells_of_the_positive_class(of_two_classes):
    run, output = of_two_classes
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["positive_class"] == "bright"
    assert metrics["roc_auc"] == 1
    assert metrics["average_precision"] == pytest.approx(1)
    assert metrics["top5_accuracy"] is None
    assert "ROC AUC 1.0000, average precision 1.0000 of class 'bright'" in output
    balanced = f"balanced accuracy {metrics['balanced_accuracy']:.2%}, macro F1"
    assert balanced in output
    rows = read_thresholds(run.path / "thresholds.csv")
    assert len(rows) == 19 and "specificity" in output
    counts = [row.predicted for row in rows]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    assert f"{counts[0]}" in output


def test_the_report_shows_them(of_two_classes):
    from kerasnets.report.sections.confusion import confusion

    run, _ = of_two_classes

    class Record:
        label = "two"

    Record.run = run
    Record.evaluated = type(
        "Evaluated",
        (),
        {"metrics": json.loads((run.path / "metrics.json").read_text())},
    )
    found = confusion(type("Sources", (), {"records": [Record]}))
    assert found[0]["figures"]["ROC AUC"] == 1
    assert len(found[0]["thresholds"]) == 19 and found[0]["positive"] == "bright"
    from kerasnets.report.render import render

    page = render("confusion.html.j2", data=found)
    assert "balanced accuracy" in page and "positive class: bright" in page
    assert "0.95" in page


@pytest.mark.parametrize("row", ["x,1,1,1,1,3", "0.5,1,1,1,1,1.5", "0.5,1,7,1,1,2"])
def test_damaged_thresholds_are_one_line(of_two_classes, row, tmp_path):
    head = "threshold,precision,recall,specificity,f1,predicted"
    runs.write_text(tmp_path / "thresholds.csv", f"{head}\n{row}\n")
    with pytest.raises(RunError, match="does not hold thresholds"):
        read_thresholds(tmp_path / "thresholds.csv")
